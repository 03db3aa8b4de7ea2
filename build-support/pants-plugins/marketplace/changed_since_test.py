"""Tests of whole commands in a small marketplace: specs, errors and the report."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from marketplace.small_marketplace import (
    CONFIGS,
    DAG,
    HANDLERS,
    NEW_LOCK,
    Repository,
)

pytest_plugins = ("marketplace.small_marketplace",)
SINCE = "--changed-since=base"
TWO_OWNERS = """\
marketplace_domain()
python_sources(name='again', sources=['risk/handlers/model.py'])
"""
RANK = f"{HANDLERS}/rank_test.py"
LOCK, TXT = "requirements.lock", "requirements.txt"
IMAGE_OF_SHOP = '{"tasks": [{"conf": {"image": "maxai/shop"}}]}'


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        (
            "maxaiusecases/bank/BUILD",
            TWO_OWNERS,
            "maxaiusecases.bank.risk.handlers.model: the module has two owners in the "
            f"resolve bank, {HANDLERS}/model.py:../../again and ",
        ),
        (
            f"{HANDLERS}/rank.py",
            "import maxaiusecases.shop.churn.handlers.rank\n",
            f"{HANDLERS}/rank.py:1: nothing provides the import "
            "maxaiusecases.shop.churn.handlers.rank; use only the own domain and",
        ),
        (
            f"{HANDLERS}/rank.py",
            "import imblearn.over_sampling\n",
            f"{HANDLERS}/rank.py:1: nothing provides the import imblearn.over_sampling; "
            "correct it, or add its package to requirements.txt and run ./pants lock; a "
            "package with another name needs marketplace_domain(module_mapping="
            '{"<package>": ["imblearn"]})',
        ),
        (
            "maxaiusecases/bank/BUILD",
            "marketplace_domain(typo=1)",
            "maxaiusecases/bank/BUILD: TypeError: marketplace_domain() got an unexpect",
        ),
        ("maxaiusecases/bank/BUILD", "(", "maxaiusecases/bank/BUILD:1: "),
        (
            "maxaiusecases/bank/requirements.txt",
            "# Comment\nnumpy=>=1\n",
            "maxaiusecases/bank/requirements.txt:2: the requirement 'numpy=>=1' is not valid",
        ),
        (
            f"{CONFIGS}/kubepod_config.json",
            IMAGE_OF_SHOP,
            "docker_image maxaiusecases/shop:image",
        ),
        (
            f"{DAG}/dag.py",
            "import maxaidags.shop.churn.weekly.dag\n",
            f"{DAG}/dag.py:../../../dags: depends on maxaidags/shop/churn/weekly/dag.py:"
            "../../../dags, which belongs to another domain; move",
        ),
    ],
)
def test_a_dependency_that_pants_cannot_see_or_allow_is_an_error(
    path: str, text: str, expected: str, repository: Repository
) -> None:
    repository.write(path, text)
    result = repository.pants(SINCE, "list", "::")
    assert result.returncode == 1
    assert expected in result.stderr
    assert "traceback" not in result.stderr.lower()


@pytest.mark.parametrize(
    "path",
    [f"{HANDLERS}/rank.py", *(f"maxaiusecases/bank/{n}" for n in ("BUILD", LOCK, TXT))],
)
def test_a_file_that_is_not_in_utf_8_is_named(
    path: str, repository: Repository
) -> None:
    (repository.root / path).write_bytes(b"# A\n# caf\xe9\n")
    result = repository.pants(SINCE, "affected")
    assert result.returncode == 1
    assert result.stderr.startswith(f"{path}:2: is not in UTF-8; save it so")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([SINCE, "list", "retial::"], "retial"),
        ([SINCE, "--changed-dependents=direct", "list", "::"], "use only --changed-s"),
        (["--changed-diffspec=base..HEAD", "list", "::"], "use only --changed-since"),
        (["affected"], "affected: --changed-since is missing; for example, run"),
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


@pytest.mark.parametrize("others", ['":sources"', '":deps", ":sources", ":wheel"'])
def test_an_image_whose_content_is_not_known_is_an_error(
    others: str, repository: Repository
) -> None:
    repository.replace("build-support/macros.py", '":deps", ":sources"', others)
    result = repository.pants(SINCE, "affected")
    expected = (
        "an image depends on exactly one image_sources and one pex_binary; change"
    )
    assert expected in result.stderr and "Traceback" not in result.stderr


def test_a_pointer_of_git_lfs_is_in_no_image(repository: Repository) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    repository.write(f"{HANDLERS}/model.onnx", pointer)
    for arguments in ([SINCE, "affected"], ["package", "//:release"]):
        result = repository.pants(*arguments)
        expected = f"{HANDLERS}/model.onnx: this is a pointer of Git LFS, not the file"
        assert result.returncode == 1 and expected in result.stderr


BESIDE = f"{DAG}/load.sql maxaidags/bank/risk/shared.sql"
RISK = f"{CONFIGS}/kubepod_config.json {CONFIGS}/kubepod_config.prod.json"
ROWS = f"{HANDLERS}/rows_helper.py {HANDLERS}/conftest.py {HANDLERS}/fixtures/rows.csv"
DATA = f"{HANDLERS}/query.sql {HANDLERS}/sql/deep%20[[]1].sql"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"{DAG}/dag.py", f"{RISK} {CONFIGS}/weekly/py_config.json {BESIDE}"),
        (f"{DAG}/dag_test.py", f"{DAG}/dag.py {BESIDE}"),
        (f"{DAG}/run_test.py", f"{DAG}/dag.py maxaiusecases/bank {BESIDE}"),
        (f"{HANDLERS}/model.py", DATA),
        (f"{HANDLERS}/rank_test.py", f"{DATA} {HANDLERS}/rank.py {ROWS}"),
        (f"{HANDLERS}/prompts/read.py", f"{HANDLERS}/prompts/ask.sql"),
        ("maxaiusecases/bank/common/dates.py", "maxaiusecases/bank/common/a.csv"),
    ],
)
def test_files_of_the_trees_depend_on_what_stands_beside_them(
    path: str, expected: str, repository: Repository
) -> None:
    for new in (f"{HANDLERS}/prompts/read.py", f"{HANDLERS}/prompts/ask.sql"):
        repository.write(new, "")
    for new in ("sample_data.py", "common/dates.py", "common/a.csv"):
        repository.write(f"maxaiusecases/bank/{new}", "")
    macro = "marketplace_domain()\ntarget(name='sample_data')\n"
    repository.write("maxaiusecases/bank/BUILD", macro)
    found = repository.pants("dependencies", path).stdout.replace(" ", "%20").split()
    files = {each.partition(":")[0].partition("@")[0] for each in found}
    ignored = {f"{HANDLERS}/__init__.py", "maxairesources/dagfactory.py"}
    assert files - ignored == {*expected.split()}


@pytest.mark.parametrize(
    ("usecase", "config"), [("bank/risk", "kubepod"), ("shop/churn", "spark")]
)
def test_paths_show_the_chain_from_a_dag_to_a_handler(
    usecase: str, config: str, repository: Repository
) -> None:
    chain = [
        f"maxaidags/{usecase}/weekly/dag.py",
        f"maxaiconfigs/{usecase}/{config}_config.json",
        f"maxaiusecases/{usecase}/handlers/rank.py",
    ]
    result = repository.pants("paths", f"--from={chain[0]}", f"--to={chain[-1]}")
    paths = json.loads(result.stdout)
    assert chain in [[each.partition(":")[0] for each in path] for path in paths]


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        ("", "bank shop"),
        ("maxaiusecases/shop::", "shop"),
        ("maxaiusecases/shop:image maxaiconfigs::", "shop"),
        (":: -maxaiusecases/shop::", "bank"),
        ("-maxaiusecases/shop::", "bank"),
        ("maxaidags::", ""),
    ],
)
def test_specs_narrow_what_a_change_affects(
    repository: Repository, specs: str, expected: str
) -> None:
    repository.append("maxairesources/all.py")
    listed = repository.list(SINCE, "list", *specs.split())
    images = [name[14:-6] for name in listed if name.endswith(":image")]
    assert " ".join(images) == expected


@pytest.mark.parametrize(
    ("path", "folder", "specs", "expected"),
    [
        (f"{DAG}/dag.py", "", "//:release", "//:release"),
        ("BUILD", "", "::", "//:release"),
        # Specs are relative to the working folder, which narrows nothing without them.
        (RANK, "maxaidags", "", f"{RANK}:../../tests"),
        (RANK, "maxaiusecases/bank", "risk::", f"{RANK}:../../tests"),
    ],
)
def test_specs_select_from_any_folder(
    path: str, folder: str, specs: str, expected: str, repository: Repository
) -> None:
    repository.append(path)
    listed = repository.list(SINCE, "list", *specs.split(), cwd=folder)
    assert " ".join(listed) == expected


def test_the_image_wheel_and_tests_of_a_domain_have_its_python(
    repository: Repository,
) -> None:
    repository.write("maxaiusecases/bank/.python-version", "3.12\n")
    peeked = repository.pants("peek", "maxaiusecases/bank::", "maxaiusecases/shop::")
    found: dict[str, set[str]] = {"bank": set(), "shop": set()}
    for target in json.loads(peeked.stdout):
        if "interpreter_constraints" in target:
            found[target["address"].split("/")[1].split(":")[0]].update(
                target["interpreter_constraints"] or ["the default"]
            )
    assert found == {"bank": {"CPython==3.12.*"}, "shop": {"CPython==3.11.*"}}


CONFIG, PROD = f"{CONFIGS}/kubepod_config.json", f"{CONFIGS}/kubepod_config.prod.json"
RISKS = "bank.risk.monthly, bank.risk.weekly"
ALL = (
    f"bank.fraud.daily, {RISKS}, maxai/bank, maxai/shop, shop.churn.monthly, "
    "shop.churn.weekly, marketplace.toml"
)


def affected(repository: Repository) -> Any:
    """Return the report in JSON, without the tags of images."""
    result = repository.pants(SINCE, "affected", "--format=json")
    return json.loads(re.sub(":[0-9a-f]{64}", "", result.stdout))


@pytest.mark.parametrize(
    ("path", "dev", "prod", "steps"),
    [
        # An image that changes with a handler affects only the DAGs that launch the handler.
        (
            f"{HANDLERS}/rank.py",
            f"{RISKS}, maxai/bank",
            f"{RISKS}, maxai/bank",
            {
                "maxai/bank": "maxaiusecases/bank:handlers maxaiusecases/bank:deps",
                "bank.risk.weekly": CONFIG,
                f"{HANDLERS}/rank_test.py": "",
            },
        ),
        (
            "maxaiusecases/bank/Dockerfile",
            f"bank.fraud.daily, {RISKS}, maxai/bank",
            f"bank.fraud.daily, {RISKS}, maxai/bank",
            {"bank.risk.weekly": f"maxaiusecases/bank:image {CONFIG}"},
        ),
        (PROD, "", RISKS, {"bank.risk.weekly": ""}),
        (PROD.replace("prod", "dev"), RISKS, "", {"bank.risk.weekly": ""}),
        (f"{DAG}/dag.py", "bank.risk.weekly", "bank.risk.weekly", {}),
        ("marketplace.toml", ALL, ALL, {}),
        ("maxairesources/none.py", "", "", {}),
    ],
)
def test_the_report_says_which_deployments_change_and_why(
    path: str, dev: str, prod: str, steps: dict[str, str], repository: Repository
) -> None:
    repository.append(path, "\n")
    report = affected(repository)
    found = {name: ", ".join(names) for name, names in report["deployments"].items()}
    assert found == {name: v for name, v in (("dev", dev), ("prod", prod)) if v}
    paths = {**report["images"], **report["dags"], **report["tests"]}
    for name, between in steps.items():
        assert paths[name][0] == path
        within = [each.partition("@")[0] for each in paths[name][1:-1]]
        assert " ".join(within) == between


def test_a_deleted_objective_affects_all_deployments(repository: Repository) -> None:
    repository.delete(DAG)
    report, deleted = affected(repository), "bank.risk.weekly (deleted)"
    assert report["dags"][deleted] == [f"{DAG}/dag.py"]
    assert all(deleted in report["deployments"][name] for name in ("dev", "prod"))


def test_a_change_that_affects_everything_is_reported(repository: Repository) -> None:
    repository.append("pants.toml")
    result = repository.pants(SINCE, "affected")
    assert "Everything is affected" in result.stdout, result.stderr
    assert "maxai/bank:" in result.stdout and "because of pants.toml" in result.stdout
    assert "\n  prod: bank.fraud.daily, bank.risk.monthly" in result.stdout


def test_the_comment_shows_values_and_packages(repository: Repository) -> None:
    lock = "maxaiusecases/shop/requirements.lock"
    overlay = f"{CONFIGS}/kubepod_config.prod.json"
    repository.write(lock, NEW_LOCK)
    # The second run has the same targets as the first one.
    for size in ("big", "small"):
        repository.write(overlay, json.dumps({"conf": {"size": size}}))
        result = repository.pants(SINCE, "affected", "--format=markdown")
        assert result.returncode == 0, result.stderr
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert {lock, "iniconfig: 2.3.1 -> 2.1.0"} < {*lines}
    assert f"{CONFIGS}/kubepod_config.json (prod)" in lines
    assert '$.conf.size: not set -> "small"' in lines


def test_a_domain_maps_modules_to_packages(repository: Repository) -> None:
    repository.write(f"{HANDLERS}/rank.py", "import other.part\n")
    macro = "marketplace_domain(module_mapping={'iniconfig': ['other']})\n"
    repository.write("maxaiusecases/bank/BUILD", macro)
    listed = repository.list("dependencies", f"{HANDLERS}/rank.py")
    assert "maxaiusecases/bank:requirements#iniconfig" in listed


@pytest.mark.parametrize("folder", [HANDLERS, DAG])
def test_a_test_may_begin_with_the_word(repository: Repository, folder: str) -> None:
    repository.write(f"{folder}/test_more.py", "")
    repository.write(f"{folder}/conftest.py", "")
    listed = repository.list("--filter-target-type=python_test", "list", f"{folder}::")
    assert f"{folder}/test_more.py" in {each.partition(":")[0] for each in listed}
    result = repository.pants("dependencies", f"{folder}/test_more.py")
    assert f"{folder}/conftest.py:" in result.stdout, result.stderr


@pytest.mark.parametrize("file", ["requirements.lock", "requirements.txt"])
def test_a_domain_with_a_problem_stops_no_other(
    repository: Repository, file: str
) -> None:
    path = f"maxaiusecases/bank/{file}"
    repository.write(path, "numpy=>=1\n")
    problem = {
        "MAXAI_PROBLEMS": f"{path}:1: not a valid requirement; correct it\n",
        "MAXAI_DOMAINS": "shop=3.11",
        "PANTS_PYTHON_RESOLVES": "+{'shop': 'maxaiusecases/shop/requirements.lock'}",
    }
    for command in ("list", "dependencies"):
        result = repository.pants(command, "::", **problem)
        assert result.returncode == 0, result.stderr
        assert "bank" not in result.stdout and "maxaiusecases/shop" in result.stdout
    released = repository.pants("dependencies", "//:release", **problem).stdout
    assert "shop/churn/weekly/dag.py" in released and "bank" not in released
    repository.append("maxaiusecases/shop/churn/handlers/fit.py")
    selected = repository.pants("--changed-since=HEAD", "list", "::", **problem)
    assert "maxaiusecases/shop:image" in selected.stdout, selected.stderr
