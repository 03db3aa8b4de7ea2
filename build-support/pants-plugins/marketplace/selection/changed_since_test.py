"""Tests of the images and tests that `--changed-since` selects in a small marketplace."""

from __future__ import annotations

import json

import pytest

from marketplace.selection.dag_structures import TOOL
from marketplace.selection.small_marketplace import (
    CODE,
    CONFIGS,
    DAG,
    DATA_FILES,
    DOMAINS,
    FRAUD_DAG,
    FRAUD_RUN,
    HANDLERS,
    OBJECTIVES,
    ROOT_TARGETS,
    Repository,
    dag_tests,
    files,
    handler_tests,
    image_tests,
)

pytest_plugins = ("marketplace.selection.small_marketplace",)

# The first test reads all configs, the second all DAGs.
READ = ("build-support:configs", "build-support:dags")


def affected(repository: Repository) -> tuple[set[str], set[str]]:
    """Return the domains of the affected images since `base`, and the affected tests."""
    listed = repository.list("--changed-since=base", "list", "::")
    images = {name[14:-6] for name in listed if name.endswith(":image")}
    tests = {name for name in listed if name.endswith("_test.py:tests")}
    tests |= {*READ} & {*listed}
    # A release holds all DAGs, their configs and the tags of all images.
    is_released = images or any(test.startswith("maxaidags/") for test in tests)
    assert ("//:release" in listed) == bool(is_released)
    return images, tests


def all_tests(*domains: str) -> set[str]:
    return {*READ, FRAUD_DAG}.union(
        *(image_tests(name) | handler_tests(name, "fit", "rank") for name in domains)
    )


# By the kind of a change: the changed file, the domains whose images and the tests that it affects.
TABLE = {
    "handler": (
        f"{HANDLERS}/rank.py",
        {"bank"},
        image_tests("bank") | handler_tests("bank", "rank"),
    ),
    "module that a handler imports": (
        f"{HANDLERS}/model.py",
        {"bank"},
        image_tests("bank") | handler_tests("bank", "fit"),
    ),
    "test": (f"{HANDLERS}/rank_test.py", set(), handler_tests("bank", "rank")),
    "README": ("maxaiusecases/bank/README.md", set(), set()),
    "setup.py": ("maxaiusecases/bank/setup.py", set(), set()),
    "shared module that all import": (
        "maxairesources/all.py",
        {"bank", "shop"},
        all_tests(*DOMAINS)
        - {*READ, FRAUD_DAG}
        - handler_tests("bank", "rank")
        - handler_tests("shop", "rank"),
    ),
    "shared module that one domain imports": (
        "maxairesources/some.py",
        {"shop"},
        image_tests("shop") | handler_tests("shop", "rank"),
    ),
    "shared module without imports of it": ("maxairesources/none.py", set(), set()),
    "shared module of the DAGs": (
        "maxairesources/dagfactory.py",
        set(),
        {READ[1]}
        | {FRAUD_DAG, FRAUD_RUN}
        | dag_tests("bank", *OBJECTIVES)
        | dag_tests("shop", *OBJECTIVES),
    ),
    "Dockerfile": (
        "maxaiusecases/bank/Dockerfile",
        {"bank"},
        image_tests("bank") | {FRAUD_DAG},
    ),
    "launch config": (
        f"{CONFIGS}/kubepod_config.json",
        set(),
        {*READ} | dag_tests("bank", *OBJECTIVES),
    ),
    "overlay of a launch config": (
        f"{CONFIGS}/kubepod_config.prod.json",
        set(),
        {*READ} | dag_tests("bank", *OBJECTIVES),
    ),
    "py_config": (
        f"{CONFIGS}/weekly/py_config.json",
        set(),
        {*READ} | dag_tests("bank", "weekly"),
    ),
    "dag.py": (
        f"{DAG}/dag.py",
        set(),
        {READ[1]} | dag_tests("bank", "weekly"),
    ),
    "launcher": ("pants", set(DOMAINS), all_tests(*DOMAINS)),
    "lock of a tool": (
        "3rdparty/python/pytest.lock",
        set(DOMAINS),
        all_tests(*DOMAINS),
    ),
    "base image": (
        "build-support/images/recipe.sh",
        set(DOMAINS),
        all_tests(*DOMAINS),
    ),
    "plugin": (
        "build-support/pants-plugins/marketplace/new.py",
        set(DOMAINS),
        all_tests(*DOMAINS),
    ),
    "workflow": (".github/workflows/main.yml", set(), set()),
}


BESIDE_HANDLERS = (
    {"bank"},
    image_tests("bank") | handler_tests("bank", "fit", "rank"),
)
OF_DATA: tuple[tuple[set[str], set[str]], ...] = (
    BESIDE_HANDLERS,
    BESIDE_HANDLERS,
    (set(), {READ[1]} | dag_tests("bank", "weekly")),
    (set(), {READ[1]} | dag_tests("bank", *OBJECTIVES)),
)


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize(("path", "expected"), zip(DATA_FILES, OF_DATA))
def test_a_data_file_affects_the_modules_beside_it(
    path: str,
    expected: tuple[set[str], set[str]],
    deleted: bool,
    repository: Repository,
) -> None:
    if deleted:
        repository.git("rm", "-q", path)
    else:
        repository.append(path)
    repository.commit()
    assert affected(repository) == expected


def test_a_new_data_file_affects_the_modules_beside_it(repository: Repository) -> None:
    repository.write(f"{HANDLERS}/new/words.txt", "")
    repository.commit()
    assert affected(repository) == BESIDE_HANDLERS


@pytest.mark.parametrize("row", TABLE)
def test_a_change_affects_the_images_and_tests_of_its_row(
    row: str, repository: Repository
) -> None:
    path, images, tests = TABLE[row]
    repository.append(path)
    repository.commit()
    assert affected(repository) == (images, tests)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements.lock"])
def test_requirements_affect_their_domain(name: str, repository: Repository) -> None:
    repository.append(f"maxaiusecases/bank/{name}")
    tests = image_tests("bank") | handler_tests("bank", "fit")
    assert affected(repository) == ({"bank"}, tests)


def test_a_handler_deleted_with_its_test_affects_only_tests_of_its_image(
    repository: Repository,
) -> None:
    for path in (f"{HANDLERS}/rank.py", f"{HANDLERS}/rank_test.py"):
        (repository.root / path).unlink()
    assert affected(repository) == ({"bank"}, image_tests("bank"))


def test_a_deleted_test_affects_nothing(repository: Repository) -> None:
    (repository.root / f"{HANDLERS}/rank_test.py").unlink()
    assert affected(repository) == (set(), set())


def test_a_handler_that_moves_affects_both_images(repository: Repository) -> None:
    (repository.root / f"{HANDLERS}/rank_test.py").unlink()
    moved = "maxaiusecases/shop/churn/handlers/moved.py"
    repository.git("mv", f"{HANDLERS}/rank.py", moved)
    repository.commit()
    # No task launches the handler in its new domain, so no DAG of that domain is affected.
    runs = {test for test in image_tests("shop") if "/dag_test" not in test}
    tests = image_tests("bank") | runs
    assert affected(repository) == ({"bank", "shop"}, tests)


def test_a_deleted_usecase_affects_its_image(repository: Repository) -> None:
    for tree in ("maxaiconfigs", "maxaidags"):
        repository.git("rm", "-r", "--quiet", f"{tree}/bank/risk")
    repository.git("rm", "-r", "--quiet", HANDLERS, "maxaiusecases/bank/image_test.py")
    assert affected(repository) == ({"bank"}, {*READ, FRAUD_RUN})


def test_a_deleted_overlay_affects_the_dags(repository: Repository) -> None:
    repository.git("rm", "--quiet", f"{CONFIGS}/kubepod_config.prod.json")
    tests = {*READ} | dag_tests("bank", *OBJECTIVES)
    assert affected(repository) == (set(), tests)


def test_configs_deleted_with_their_build_file_affect_the_dag(
    repository: Repository,
) -> None:
    repository.git("rm", "-r", "--quiet", f"{CONFIGS}/weekly")
    tests = {*READ} | dag_tests("bank", "weekly")
    assert affected(repository) == (set(), tests)


def test_a_deleted_module_affects_the_handlers_that_import_it(
    repository: Repository,
) -> None:
    code = "from maxaiusecases.bank.risk.handlers import model"
    repository.write(f"{HANDLERS}/fit.py", f"{code}\n")
    repository.commit()
    repository.git("tag", "--force", "importing")
    repository.git("rm", "--quiet", f"{HANDLERS}/model.py")
    listed = repository.list("--changed-since=importing", "list", "::")
    assert handler_tests("bank", "fit") < {*listed}
    assert "maxaiusecases/bank:image" in listed


def test_a_deleted_init_affects_its_package(repository: Repository) -> None:
    repository.git("rm", "--quiet", f"{HANDLERS}/__init__.py")
    tests = image_tests("bank") | handler_tests("bank", "fit", "rank")
    assert affected(repository) == ({"bank"}, tests)


def test_an_emptied_build_file_counts_like_a_deleted_one(
    repository: Repository,
) -> None:
    repository.write(f"{CONFIGS}/monthly/BUILD", "# Nothing.\n")
    tests = {*READ} | dag_tests("bank", "monthly")
    assert affected(repository) == (set(), tests)
    repository.write("maxairesources/BUILD", "")
    result = repository.pants("--changed-since=base", "list", "::")
    assert result.returncode == 1 and "maxairesources." in result.stderr


def test_handlers_that_lost_their_target_affect_the_image(
    repository: Repository,
) -> None:
    repository.git("rm", "--quiet", "maxaiusecases/bank/image_test.py")
    repository.write(
        "maxaiusecases/bank/BUILD", "marketplace_domain()\npython_sources()\n"
    )
    repository.commit()
    repository.git("tag", "--force", "without")
    repository.write(f"{HANDLERS}/BUILD", "")
    listed = repository.list("--changed-since=without", "list", "::")
    assert "maxaiusecases/bank:image" in listed


def test_a_deleted_conftest_affects_the_tests_below(repository: Repository) -> None:
    repository.write(f"{HANDLERS}/conftest.py", "")
    repository.write(f"{HANDLERS}/BUILD", f"{CODE}python_test_utils(name='utils')\n")
    repository.commit()
    repository.git("tag", "--force", "conftest")
    repository.git("rm", "--quiet", f"{HANDLERS}/conftest.py")
    repository.write(f"{HANDLERS}/BUILD", CODE)
    listed = repository.list("--changed-since=conftest", "list", "::")
    assert handler_tests("bank", "fit", "rank") < {*listed}


def test_a_deleted_file_of_build_support_affects_no_import(
    repository: Repository,
) -> None:
    repository.write(f"{HANDLERS}/model.py", "import os\n")
    repository.write("build-support/notes.py", "")
    repository.commit()
    repository.git("tag", "--force", "notes")
    repository.git("rm", "--quiet", "build-support/notes.py")
    assert repository.list("--changed-since=notes", "list", "::") == []


def test_a_launch_of_another_program_affects_no_image(repository: Repository) -> None:
    task = {"conf": {"image": "maxai/bank", "arguments": ["/opt/run.sh"]}}
    config = f"{CONFIGS}/kubepod_config.json"
    repository.write(config, json.dumps({"tasks": [task]}))
    tests = {*READ} | dag_tests("bank", *OBJECTIVES)
    assert affected(repository) == (set(), tests)


def test_a_deleted_readme_affects_nothing(repository: Repository) -> None:
    repository.git("rm", "--quiet", "maxaiusecases/bank/README.md")
    assert affected(repository) == (set(), set())


def test_a_file_with_a_space_in_its_name_counts(repository: Repository) -> None:
    repository.write(f"{CONFIGS}/weekly/py_config.a copy.json", "{}")
    repository.commit()
    tests = {*READ} | dag_tests("bank", "weekly")
    assert affected(repository) == (set(), tests)


def test_a_module_that_becomes_empty_counts(repository: Repository) -> None:
    repository.write(f"{HANDLERS}/__init__.py", "A = 1\n")
    repository.commit()
    repository.git("tag", "--force", "filled")
    repository.write(f"{HANDLERS}/__init__.py", "")
    repository.commit()
    listed = repository.list("--changed-since=filled", "list", "::")
    assert "maxaiusecases/bank:image" in listed


def test_defaults_in_a_build_file_affect_the_folders_below(
    repository: Repository,
) -> None:
    repository.append("maxaidags/BUILD")
    dags = dag_tests("bank", *OBJECTIVES) | dag_tests("shop", *OBJECTIVES)
    dags |= {FRAUD_DAG, FRAUD_RUN}
    assert affected(repository) == (set(), {READ[1]} | dags)


def test_a_new_domain_affects_only_itself(repository: Repository) -> None:
    for path in [*files()]:
        if "/bank/" in path and path.startswith("maxai"):
            text = (repository.root / path).read_text().replace("bank", "zoo")
            repository.write(path.replace("/bank/", "/zoo/"), text)
    for path, old, new in (
        (
            "pants.toml",
            "shop =",
            'zoo = "maxaiusecases/zoo/requirements.lock"\nshop =',
        ),
        ("build-support/macros.py", '("bank", ', '("bank", "zoo", '),
    ):
        text = (repository.root / path).read_text()
        repository.write(path, text.replace(old, new, 1))
    images, tests = affected(repository)
    assert images == {"zoo"}
    assert {path.split("/")[1] for path in tests - {*READ}} == {"zoo"}


def test_the_image_wheel_and_tests_of_a_domain_have_its_python(
    repository: Repository,
) -> None:
    macros = (repository.root / "build-support/macros.py").read_text()
    versions = 'PYTHONS = (("bank", "3.12"),)'
    repository.write(
        "build-support/macros.py", macros.replace("PYTHONS = ()", versions)
    )
    peeked = repository.pants("peek", "maxaiusecases/bank::", "maxaiusecases/shop::")
    assert peeked.returncode == 0, peeked.stderr
    found: dict[str, set[str]] = {"bank": set(), "shop": set()}
    for target in json.loads(peeked.stdout):
        if "interpreter_constraints" in target:
            found[target["address"].split("/")[1].split(":")[0]].update(
                target["interpreter_constraints"] or ["the default"]
            )
    assert found == {"bank": {"CPython==3.12.*"}, "shop": {"CPython==3.11.*"}}


def test_a_handler_that_no_task_launches_affects_the_release(
    repository: Repository,
) -> None:
    repository.write(f"{HANDLERS}/unused.py", "")
    runs = {test for test in image_tests("bank") if "/dag_test" not in test}
    assert affected(repository) == ({"bank"}, runs)
    listed = repository.list("--changed-since=base", "list", "//:")
    assert listed == ["//:release"]


@pytest.mark.parametrize("tree", ["maxaiconfigs", "maxaidags"])
def test_a_folder_deleted_with_its_build_file_affects_the_release(
    tree: str, repository: Repository
) -> None:
    repository.git("rm", "-r", "--quiet", f"{tree}/bank/fraud")
    assert "//:release" in repository.list("--changed-since=base", "list", "::")


def test_an_edit_of_the_root_build_file_affects_its_targets(
    repository: Repository,
) -> None:
    repository.append("BUILD")
    assert repository.list("--changed-since=base", "list", "::") == ROOT_TARGETS


# A stub of the tool that loads DAGs: the text of a file stands for its structure.
DESCRIBE_DAGS = """\
import json
import sys
from pathlib import Path

split = sys.argv.index("--")
print(
    json.dumps(
        {
            file: {name: Path(file).read_text() for name in sys.argv[1:split]}
            for file in sys.argv[split + 1 :]
        }
    )
)
"""


def test_the_comment_shows_values_dags_packages_owners_and_deployments(
    repository: Repository,
) -> None:
    repository.write(f"{TOOL.spec_path}/BUILD", "python_sources()\n")
    repository.write(TOOL.filename, DESCRIBE_DAGS)
    imports = '"import maxairesources.dagfactory\\n'
    lock, overlay = (
        "maxaiusecases/shop/requirements.lock",
        f"{CONFIGS}/kubepod_config.prod.json",
    )
    repository.write(".github/CODEOWNERS", "/maxai*/bank/ @org/bank\n")
    repository.write(lock, "pydantic==2.1\n")
    repository.commit()
    repository.git("tag", "--force", "owned")
    repository.write(".github/CODEOWNERS", "* @org/other\n")
    repository.write(lock, "pydantic==2.2\n")
    repository.append(f"{DAG}/dag.py", "# Daily.\n")
    # The second run has the same targets as the first one.
    for size in ("big", "small"):
        repository.write(overlay, json.dumps({"conf": {"size": size}}))
        result = repository.pants(
            "--changed-since=owned", "affected", "--format=markdown"
        )
        assert result.returncode == 0, result.stderr
    dags = ", ".join(f"`bank.risk.{name}`" for name in OBJECTIVES)
    shop = ", ".join(f"`shop.churn.{name}`" for name in OBJECTIVES)
    for line in (
        f"| `dev` | `shop` |  | `maxai/shop` | {shop} |  |",
        f"| `prod` | all | `dev` | `maxai/shop` | {dags}, {shop} | 1 |",
        f"| `{lock}` | `pydantic` | `2.1` | `2.2` |",
        '| `bank/risk/kubepod_config.json` | `$.conf` | not set | `{"size": "small"}` '
        "| `prod` |",
        f"| `{DAG.partition('/')[2]}/dag.py` | `$` | `{imports}\"` "
        f'| `{imports}# Daily.\\n"` | `prod` |',
        "**Owners**: `bank`: `@org/bank`",
    ):
        assert line in result.stdout.splitlines(), result.stdout
    assert "@org/other" not in result.stdout
