"""Tests of whole commands in a small marketplace: specs, errors and deployments."""

from __future__ import annotations

import json

import pytest

from marketplace.selection.small_marketplace import (
    CODE,
    CONFIGS,
    DAG,
    HANDLERS,
    Repository,
    handler_tests,
)

pytest_plugins = ("marketplace.selection.small_marketplace",)


def test_tailor_writes_every_build_file(repository: Repository) -> None:
    before = repository.list("list", "::")
    for folder in ("maxaiusecases", "maxaiconfigs", "maxaidags"):
        for path in (repository.root / folder).glob("*/**/BUILD"):
            path.unlink()
    assert repository.pants("tailor", "--check", "::").returncode == 1
    assert repository.pants("tailor", "::").returncode == 0
    assert repository.list("list", "::") == before
    assert repository.pants("tailor", "--check", "::").returncode == 0


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        (
            f"{HANDLERS}/rank.py",
            "import importlib\nimportlib.import_module(NAME)\n",
            f"{HANDLERS}/rank.py:2: Pants cannot see which module import_module imports; "
            f"use an import statement, or declare the module in {HANDLERS}/BUILD: "
            'overrides={"rank.py": {"dependencies": ["path/to/module.py"]}}',
        ),
        (
            f"{HANDLERS}/BUILD",
            f"{CODE}python_sources(name='again', sources=['model.py'])\n",
            "maxaiusecases.bank.risk.handlers.model: the module has two owners in the "
            f"resolve bank, {HANDLERS}/model.py and {HANDLERS}/model.py:again; remove one",
        ),
        (
            f"{HANDLERS}/rank.py",
            "import maxaiusecases.shop.churn.handlers.rank\n",
            "maxaiusecases.shop.churn.handlers.rank",
        ),
        (
            f"{CONFIGS}/kubepod_config.json",
            '{"tasks": [{"conf": {"image": "maxai/shop"}}]}',
            f"launch_configs {CONFIGS}/kubepod_config.json -> "
            "docker_image maxaiusecases/shop:image",
        ),
        (
            f"{DAG}/dag.py",
            "import maxaidags.shop.churn.weekly.dag\n",
            f"{DAG}/dag.py: depends on maxaidags/shop/churn/weekly/dag.py, which belongs "
            "to another domain; move",
        ),
        (
            f"{DAG}/BUILD",
            CODE.replace("()", "(dependencies=['maxaiconfigs:all'])", 1),
            f"{DAG}/dag.py: depends on maxaiconfigs:all, which belongs to another domain; ",
        ),
    ],
    ids=[
        "dynamic import",
        "two owners",
        "import of a domain",
        "image of a domain",
        "DAG of a domain",
        "configs of all domains",
    ],
)
def test_a_dependency_that_pants_cannot_see_or_allow_is_an_error(
    path: str, text: str, expected: str, repository: Repository
) -> None:
    repository.write(path, text)
    result = repository.pants("--changed-since=base", "list", "::")
    assert result.returncode == 1
    assert expected in result.stderr
    assert "Traceback" not in result.stderr


DYNAMIC_IMPORT = "import importlib\nimportlib.import_module(N)\n"


def build_file(dependency: str) -> str:
    """Return a BUILD file in which rank.py declares a dependency."""
    return CODE.replace(
        "()", f"(overrides={{'rank.py': {{'dependencies': ['{dependency}']}}}})", 1
    )


@pytest.mark.parametrize("dependency", ["./model.py", ":handlers"])
def test_a_declared_dynamic_import_is_followed(
    dependency: str, repository: Repository
) -> None:
    repository.write(f"{HANDLERS}/rank.py", DYNAMIC_IMPORT)
    repository.write(f"{HANDLERS}/BUILD", build_file(dependency))
    repository.commit()
    repository.git("tag", "--force", "declared")
    repository.append(f"{HANDLERS}/model.py")
    listed = repository.list("--changed-since=declared", "list", "::")
    assert handler_tests("bank", "rank") < set(listed)


def test_a_dynamic_import_may_be_of_a_module_in_several_resolves(
    repository: Repository,
) -> None:
    repository.write(f"{HANDLERS}/rank.py", DYNAMIC_IMPORT)
    repository.write(f"{HANDLERS}/BUILD", build_file("maxairesources/all.py"))
    assert repository.list("--changed-since=base", "list", "::")


@pytest.mark.parametrize(
    "dependency",
    [
        "!./model.py",
        "./rank.py",
        "./rank_test.py:tests",
        ":data",
        "maxaiusecases/bank:image",
        "maxaiusecases/bank:resolve#pydantic",
    ],
)
def test_a_dependency_without_modules_does_not_declare_a_dynamic_import(
    dependency: str, repository: Repository
) -> None:
    repository.write(f"{HANDLERS}/rank.py", DYNAMIC_IMPORT)
    repository.write(f"{HANDLERS}/table.csv", "")
    data = "files(name='data', sources=['*.csv'])\n"
    repository.write(f"{HANDLERS}/BUILD", build_file(dependency) + data)
    result = repository.pants("--changed-since=base", "list", "::")
    assert result.returncode == 1
    assert "Pants cannot see which module import_module imports" in result.stderr


def test_paths_show_the_chain_from_a_dag_to_a_handler(repository: Repository) -> None:
    result = repository.pants(
        "paths", f"--from={DAG}/dag.py", f"--to={HANDLERS}/rank.py"
    )
    chain = [f"{DAG}/dag.py", f"{CONFIGS}/kubepod_config.json", f"{HANDLERS}/rank.py"]
    assert chain in json.loads(result.stdout)


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
        # This deployment carries only the other domain.
        (f"{CONFIGS}/kubepod_config.dev.json", []),
        ("maxaiconfigs/shop/churn/kubepod_config.dev.json", ["dev"]),
        ("maxairesources/dagfactory.py", ["dev", "prod"]),
        ("BUILD", ["dev", "prod"]),
    ],
)
def test_affected_lists_the_deployments(
    path: str, expected: list[str], repository: Repository
) -> None:
    repository.append(path, "\n")
    result = repository.pants("--changed-since=base", "affected", "--format=json")
    assert json.loads(result.stdout)["deployments"] == expected


def test_a_deleted_dag_affects_the_deployments_of_its_domain(
    repository: Repository,
) -> None:
    repository.git("rm", "-r", "--quiet", "maxaidags/bank/fraud")
    result = repository.pants("--changed-since=base", "affected", "--format=json")
    assert json.loads(result.stdout)["deployments"] == ["prod"]


def test_the_working_directory_narrows_nothing_without_specs(
    repository: Repository,
) -> None:
    repository.append(f"{HANDLERS}/rank_test.py")
    listed = repository.list("--changed-since=base", "list", cwd="maxaidags")
    assert listed == [f"{HANDLERS}/rank_test.py:tests"]


def test_specs_are_relative_to_the_working_directory(
    repository: Repository,
) -> None:
    repository.append(f"{HANDLERS}/rank_test.py")
    assert repository.list(
        "--changed-since=base", "list", "risk::", cwd="maxaiusecases/bank"
    ) == [f"{HANDLERS}/rank_test.py:tests"]


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
