"""Tests of whole commands in a small marketplace: specs, errors and deployments."""

from __future__ import annotations

import json

import pytest

from marketplace.selection.small_marketplace import (
    CONFIGS,
    DAG,
    HANDLERS,
    NEW_LOCK,
    OBJECTIVES,
    Repository,
    add_domain,
    delete_domain,
)

pytest_plugins = ("marketplace.selection.small_marketplace",)


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        (
            "maxaiusecases/bank/BUILD",
            "marketplace_domain()\n"
            "python_sources(name='again', sources=['risk/handlers/model.py'])\n",
            "maxaiusecases.bank.risk.handlers.model: the module has two owners in the "
            f"resolve bank, {HANDLERS}/model.py:../../again and ",
        ),
        (
            f"{HANDLERS}/rank.py",
            "import maxaiusecases.shop.churn.handlers.rank\n",
            "maxaiusecases.shop.churn.handlers.rank",
        ),
        (
            f"{CONFIGS}/kubepod_config.json",
            '{"tasks": [{"conf": {"image": "maxai/shop"}}]}',
            "docker_image maxaiusecases/shop:image",
        ),
        (
            f"{DAG}/dag.py",
            "import maxaidags.shop.churn.weekly.dag\n",
            f"{DAG}/dag.py:../../../dags: depends on maxaidags/shop/churn/weekly/dag.py:"
            "../../../dags, which belongs to another domain; move",
        ),
    ],
    ids=["two owners", "import of a domain", "image of a domain", "DAG of a domain"],
)
def test_a_dependency_that_pants_cannot_see_or_allow_is_an_error(
    path: str, text: str, expected: str, repository: Repository
) -> None:
    repository.write(path, text)
    result = repository.pants("--changed-since=base", "list", "::")
    assert result.returncode == 1
    assert expected in result.stderr
    assert "Traceback" not in result.stderr


def test_paths_show_the_chain_from_a_dag_to_a_handler(repository: Repository) -> None:
    result = repository.pants(
        "paths", f"--from={DAG}/dag.py", f"--to={HANDLERS}/rank.py"
    )
    chain = [f"{DAG}/dag.py", f"{CONFIGS}/kubepod_config.json", f"{HANDLERS}/rank.py"]
    paths = json.loads(result.stdout)
    assert chain in [[each.partition(":")[0] for each in path] for path in paths]


def test_a_build_file_follows_the_environment(repository: Repository) -> None:
    repository.write("BUILD", "target(name=env('NAME_OF_TARGET', 'unset'))")
    assert repository.list("list", "//:") == ["//:unset"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAME_OF_TARGET", "set")
        assert repository.list("list", "//:") == ["//:set"]
    assert repository.list("list", "//:") == ["//:unset"]


def test_specs_select_targets_without_changed_since(
    repository: Repository,
) -> None:
    assert repository.list("list", "maxaiusecases/shop:image") == [
        "maxaiusecases/shop:image"
    ]


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        ([], {"bank", "shop"}),
        (["maxaiusecases/shop::"], {"shop"}),
        (["maxaiusecases/shop:image", "maxaiconfigs::"], {"shop"}),
        (["::", "-maxaiusecases/shop::"], {"bank"}),
        (["-maxaiusecases/shop::"], {"bank"}),
        (["maxaidags::"], set()),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_specs_narrow_what_a_change_affects(
    repository: Repository, specs: list[str], expected: set[str]
) -> None:
    repository.append("maxairesources/all.py")
    listed = repository.list("--changed-since=base", "list", *specs)
    images = {name[14:-6] for name in listed if name.endswith(":image")}
    assert images == expected


def test_a_spec_may_name_a_target_of_the_root(repository: Repository) -> None:
    repository.append(f"{DAG}/dag.py")
    listed = repository.list("--changed-since=base", "list", "//:release")
    assert listed == ["//:release"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"{CONFIGS}/kubepod_config.prod.json", ["prod"]),
        (f"{CONFIGS}/kubepod_config.dev.json", ["dev"]),
        ("maxairesources/dagfactory.py", ["dev", "prod"]),
        ("marketplace.toml", ["dev", "prod"]),
    ],
)
def test_affected_lists_the_deployments(
    path: str, expected: list[str], repository: Repository
) -> None:
    repository.append(path, "\n")
    result = repository.pants("--changed-since=base", "affected", "--format=json")
    found = json.loads(result.stdout)["deployments"]
    assert [each["name"] for each in found] == expected


def test_a_deleted_dag_affects_all_deployments(repository: Repository) -> None:
    repository.git("rm", "-r", "--quiet", "maxaidags/bank/fraud")
    result = repository.pants("--changed-since=base", "affected", "--format=json")
    found = json.loads(result.stdout)["deployments"]
    assert [each["name"] for each in found] == ["dev", "prod"]


def test_the_working_directory_narrows_nothing_without_specs(
    repository: Repository,
) -> None:
    repository.append(f"{HANDLERS}/rank_test.py")
    listed = repository.list("--changed-since=base", "list", cwd="maxaidags")
    assert listed == [f"{HANDLERS}/rank_test.py:../../tests"]


def test_specs_are_relative_to_the_working_directory(
    repository: Repository,
) -> None:
    repository.append(f"{HANDLERS}/rank_test.py")
    assert repository.list(
        "--changed-since=base", "list", "risk::", cwd="maxaiusecases/bank"
    ) == [f"{HANDLERS}/rank_test.py:../../tests"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--changed-since=base", "list", "retial::"], "retial"),
        (
            ["--changed-since=base", "--changed-dependents=direct", "list", "::"],
            "--changed-dependents=direct: it would miss affected targets; use "
            "--changed-dependents=transitive",
        ),
        (
            ["--changed-diffspec=base..HEAD", "list", "::"],
            "--changed-diffspec: it is not supported, because it misses some changes; use "
            "--changed-since",
        ),
        (
            ["--changed-since=origin/main", "package", "::"],
            "--changed-since=origin/main: this clone has no such commit; run "
            "`git fetch origin main`, or correct the name",
        ),
    ],
)
def test_a_wrong_argument_is_an_error(
    arguments: list[str], expected: str, repository: Repository
) -> None:
    repository.append("maxairesources/all.py")
    result = repository.pants(*arguments)
    assert result.returncode == 1
    assert expected in result.stderr
    assert "Traceback" not in result.stderr


def test_the_image_wheel_and_tests_of_a_domain_have_its_python(
    repository: Repository,
) -> None:
    repository.write("maxaiusecases/bank/.python-version", "3.12\n")
    peeked = repository.pants("peek", "maxaiusecases/bank::", "maxaiusecases/shop::")
    assert peeked.returncode == 0, peeked.stderr
    found: dict[str, set[str]] = {"bank": set(), "shop": set()}
    for target in json.loads(peeked.stdout):
        if "interpreter_constraints" in target:
            found[target["address"].split("/")[1].split(":")[0]].update(
                target["interpreter_constraints"] or ["the default"]
            )
    assert found == {"bank": {"CPython==3.12.*"}, "shop": {"CPython==3.11.*"}}


def test_a_change_that_affects_everything_is_reported(repository: Repository) -> None:
    repository.append("pants.toml")
    result = repository.pants("--changed-since=base", "affected")
    assert "Everything is affected" in result.stdout, result.stderr
    assert "maxai/bank:" in result.stdout and "because of pants.toml" in result.stdout


def test_an_edit_of_the_root_build_file_affects_its_targets(
    repository: Repository,
) -> None:
    repository.append("BUILD")
    listed = repository.list("--changed-since=base", "list", "::")
    assert listed == ["//:dev", "//:prod", "//:release", "//:settings"]


def test_the_comment_shows_values_packages_and_deployments(
    repository: Repository,
) -> None:
    lock = "maxaiusecases/shop/requirements.lock"
    overlay = f"{CONFIGS}/kubepod_config.prod.json"
    repository.write(lock, NEW_LOCK)
    repository.append(f"{DAG}/dag.py", "# Daily.\n")
    # The second run has the same targets as the first one.
    for size in ("big", "small"):
        repository.write(overlay, json.dumps({"conf": {"size": size}}))
        result = repository.pants(
            "--changed-since=base", "affected", "--format=markdown"
        )
        assert result.returncode == 0, result.stderr
    dags = ", ".join(f"`bank.risk.{name}`" for name in OBJECTIVES)
    dag = "`bank.risk.weekly`"
    shop = ", ".join(f"`shop.churn.{name}`" for name in OBJECTIVES)
    for line in (
        f"| `dev` | `maxai/shop` | {dag}, {shop} |  |",
        f"| `prod` | `maxai/shop` | {dags}, {shop} | 1 |",
        f"| `{lock}` | `iniconfig` | `2.3.1` | `2.1.0` |",
        '| `bank/risk/kubepod_config.json` | `$.conf` | not set | `{"size": "small"}` '
        "| `prod` |",
    ):
        assert line in result.stdout.splitlines(), result.stdout


@pytest.mark.parametrize("folder", [HANDLERS, DAG])
def test_a_test_may_begin_with_the_word(repository: Repository, folder: str) -> None:
    repository.write(f"{folder}/test_more.py", "")
    repository.write(f"{folder}/conftest.py", "")
    listed = repository.list("--filter-target-type=python_test", "list", f"{folder}::")
    assert f"{folder}/test_more.py" in {each.partition(":")[0] for each in listed}
    result = repository.pants("dependencies", f"{folder}/test_more.py")
    assert f"{folder}/conftest.py:" in result.stdout, result.stderr


def test_a_domain_is_a_folder(repository: Repository) -> None:
    before = repository.list("list", "::")
    add_domain(repository, "zoo")
    added = {*repository.list("list", "::")} - {*before}
    assert {"maxaiusecases/zoo:image", "maxaiconfigs:zoo"} < added
    assert added == {name.replace("bank", "zoo") for name in added}
    repository.commit()
    delete_domain(repository, "zoo")
    assert repository.list("list", "::") == before


def test_a_domain_without_a_lock_loads_and_stops_no_other(
    repository: Repository,
) -> None:
    repository.delete("maxaiusecases/bank/requirements.lock")
    repository.commit()
    assert "maxaiusecases/bank:image" in repository.list("list", "::")
    repository.append("maxaiusecases/shop/churn/handlers/fit.py")
    listed = repository.list("--changed-since=HEAD", "list", "::")
    assert "maxaiusecases/shop:image" in listed
