"""Tests of `--changed-since`: what it selects in a small marketplace, and its errors."""

from __future__ import annotations

import json
from typing import Iterator

import pytest

from marketplace.selection.small_marketplace import (
    CODE,
    DOMAINS,
    OBJECTIVES,
    ROOT_TARGETS,
    Repository,
    files,
)

# A test that reads all configs, and one that reads all DAGs.
READ = ("build-support:configs", "build-support:dags")
FRAUD_DAG, FRAUD_RUN = (
    f"maxaidags/finance/fraud/daily/{name}_test.py:tests" for name in ("dag", "run")
)


@pytest.fixture(scope="module")
def shared_repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture
def repository(shared_repository: Repository) -> Iterator[Repository]:
    yield shared_repository
    shared_repository.git("reset", "--quiet", "--hard", "base")
    shared_repository.git("clean", "--quiet", "--force", "-d")


def affected(repository: Repository) -> tuple[set[str], set[str]]:
    """The images and the tests that are affected since `base`, by short names."""
    listed = repository.list("--changed-since=base", "list", "::")
    images = {name[14:-6] for name in listed if name.endswith(":image")}
    tests = {name for name in listed if name.endswith("_test.py:tests")}
    tests |= {*READ} & {*listed}
    # A release has all DAGs, their configs, and the tags of all images.
    is_released = images or any(test.startswith("maxaidags/") for test in tests)
    assert ("//:release" in listed) == bool(is_released)
    return images, tests


def dag_tests(domain: str, *objectives: str) -> set[str]:
    return {
        f"maxaidags/{domain}/{DOMAINS[domain]}/{objective}/{name}_test.py:tests"
        for objective in objectives
        for name in ("dag", "run")
    }


def handler_tests(domain: str, *handlers: str) -> set[str]:
    folder = f"maxaiusecases/{domain}/{DOMAINS[domain]}/handlers"
    return {f"{folder}/{name}_test.py:tests" for name in handlers}


def image_tests(domain: str) -> set[str]:
    """The tests that a handler affects: those that run its image, and its usecase's DAG tests."""
    runs = [f"maxaiusecases/{domain}/image_test.py:tests"]
    runs += [FRAUD_RUN] if domain == "finance" else []
    return {*runs, *dag_tests(domain, *OBJECTIVES)}


def all_tests(*domains: str) -> set[str]:
    return {*READ, FRAUD_DAG}.union(
        *(image_tests(name) | handler_tests(name, "fit", "rank") for name in domains)
    )


HANDLERS = "maxaiusecases/finance/risk/handlers"
CONFIGS = "maxaiconfigs/finance/risk"
DAG = "maxaidags/finance/risk/weekly"

# DESIGN.md's table, row by row: the changed file, the domains of the images, the tests.
TABLE = {
    "handler": (
        f"{HANDLERS}/rank.py",
        {"finance"},
        image_tests("finance") | handler_tests("finance", "rank"),
    ),
    "module that a handler imports": (
        f"{HANDLERS}/model.py",
        {"finance"},
        image_tests("finance") | handler_tests("finance", "fit"),
    ),
    "test": (f"{HANDLERS}/rank_test.py", set(), handler_tests("finance", "rank")),
    "README": ("maxaiusecases/finance/README.md", set(), set()),
    "setup.py": ("maxaiusecases/finance/setup.py", set(), set()),
    "shared module that all import": (
        "maxairesources/all.py",
        {"finance", "retail"},
        all_tests(*DOMAINS)
        - {*READ, FRAUD_DAG}
        - handler_tests("finance", "rank")
        - handler_tests("retail", "rank"),
    ),
    "shared module that one domain imports": (
        "maxairesources/some.py",
        {"retail"},
        image_tests("retail") | handler_tests("retail", "rank"),
    ),
    "shared module that nobody imports": ("maxairesources/none.py", set(), set()),
    "shared module of the DAGs": (
        "maxairesources/dagfactory.py",
        set(),
        {READ[1]}
        | {FRAUD_DAG, FRAUD_RUN}
        | dag_tests("finance", *OBJECTIVES)
        | dag_tests("retail", *OBJECTIVES),
    ),
    "Dockerfile": (
        "maxaiusecases/finance/Dockerfile",
        {"finance"},
        image_tests("finance") | {FRAUD_DAG},
    ),
    "launch config": (
        f"{CONFIGS}/kubepod_config.json",
        set(),
        {*READ} | dag_tests("finance", *OBJECTIVES),
    ),
    "overlay of a launch config": (
        f"{CONFIGS}/kubepod_config.prod.json",
        set(),
        {*READ} | dag_tests("finance", *OBJECTIVES),
    ),
    "py_config": (
        f"{CONFIGS}/weekly/py_config.json",
        set(),
        {*READ} | dag_tests("finance", "weekly"),
    ),
    "dag.py": (
        f"{DAG}/dag.py",
        set(),
        {READ[1]} | dag_tests("finance", "weekly"),
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


@pytest.mark.parametrize("row", TABLE)
def test_a_change_affects_what_the_table_says(row: str, repository: Repository) -> None:
    path, images, tests = TABLE[row]
    repository.append(path)
    repository.commit()
    assert affected(repository) == (images, tests)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements.lock"])
def test_requirements_affect_their_domain(name: str, repository: Repository) -> None:
    repository.append(f"maxaiusecases/finance/{name}")
    tests = image_tests("finance") | handler_tests("finance", "fit")
    assert affected(repository) == ({"finance"}, tests)


def test_a_deleted_handler_affects_its_image_and_no_test_beside_it(
    repository: Repository,
) -> None:
    for path in (f"{HANDLERS}/rank.py", f"{HANDLERS}/rank_test.py"):
        (repository.root / path).unlink()
    assert affected(repository) == ({"finance"}, image_tests("finance"))


def test_a_deleted_test_affects_nothing(repository: Repository) -> None:
    (repository.root / f"{HANDLERS}/rank_test.py").unlink()
    assert affected(repository) == (set(), set())


def test_a_handler_that_moves_affects_both_images(repository: Repository) -> None:
    (repository.root / f"{HANDLERS}/rank_test.py").unlink()
    moved = "maxaiusecases/retail/churn/handlers/moved.py"
    repository.git("mv", f"{HANDLERS}/rank.py", moved)
    repository.commit()
    # No task launches it in its new place, so no DAG is concerned there.
    runs = {test for test in image_tests("retail") if "/dag_test" not in test}
    tests = image_tests("finance") | runs
    assert affected(repository) == ({"finance", "retail"}, tests)


def test_a_usecase_that_is_deleted_affects_its_image(repository: Repository) -> None:
    for tree in ("maxaiconfigs", "maxaidags"):
        repository.git("rm", "-r", "--quiet", f"{tree}/finance/risk")
    repository.git(
        "rm", "-r", "--quiet", HANDLERS, "maxaiusecases/finance/image_test.py"
    )
    assert affected(repository) == ({"finance"}, {*READ, FRAUD_RUN})


def test_a_deleted_overlay_affects_the_dags(repository: Repository) -> None:
    repository.git("rm", "--quiet", f"{CONFIGS}/kubepod_config.prod.json")
    tests = {*READ} | dag_tests("finance", *OBJECTIVES)
    assert affected(repository) == (set(), tests)


def test_configs_deleted_with_their_build_file_affect_the_dag(
    repository: Repository,
) -> None:
    repository.git("rm", "-r", "--quiet", f"{CONFIGS}/weekly")
    tests = {*READ} | dag_tests("finance", "weekly")
    assert affected(repository) == (set(), tests)


def test_what_imports_a_deleted_module_is_affected(repository: Repository) -> None:
    code = "from maxaiusecases.finance.risk.handlers import model"
    repository.write(f"{HANDLERS}/fit.py", f"{code}\n")
    repository.commit()
    repository.git("tag", "--force", "importing")
    repository.git("rm", "--quiet", f"{HANDLERS}/model.py")
    listed = repository.list("--changed-since=importing", "list", "::")
    assert handler_tests("finance", "fit") < {*listed}
    assert "maxaiusecases/finance:image" in listed


def test_a_deleted_init_affects_its_package(repository: Repository) -> None:
    repository.git("rm", "--quiet", f"{HANDLERS}/__init__.py")
    tests = image_tests("finance") | handler_tests("finance", "fit", "rank")
    assert affected(repository) == ({"finance"}, tests)


def test_a_build_file_without_its_targets_is_like_a_deleted_one(
    repository: Repository,
) -> None:
    repository.write(f"{CONFIGS}/monthly/BUILD", "# Nothing.\n")
    tests = {*READ} | dag_tests("finance", "monthly")
    assert affected(repository) == (set(), tests)
    repository.write("maxairesources/BUILD", "")
    result = repository.pants("--changed-since=base", "list", "::")
    assert result.returncode == 1 and "maxairesources." in result.stderr


def test_handlers_without_their_target_affect_the_image(repository: Repository) -> None:
    repository.git("rm", "--quiet", "maxaiusecases/finance/image_test.py")
    repository.write(
        "maxaiusecases/finance/BUILD", "marketplace_domain()\npython_sources()\n"
    )
    repository.commit()
    repository.git("tag", "--force", "without")
    repository.write(f"{HANDLERS}/BUILD", "")
    listed = repository.list("--changed-since=without", "list", "::")
    assert "maxaiusecases/finance:image" in listed


def test_a_deleted_conftest_affects_the_tests_below(repository: Repository) -> None:
    repository.write(f"{HANDLERS}/conftest.py", "")
    repository.write(f"{HANDLERS}/BUILD", f"{CODE}python_test_utils(name='utils')\n")
    repository.commit()
    repository.git("tag", "--force", "conftest")
    repository.git("rm", "--quiet", f"{HANDLERS}/conftest.py")
    repository.write(f"{HANDLERS}/BUILD", CODE)
    listed = repository.list("--changed-since=conftest", "list", "::")
    assert handler_tests("finance", "fit", "rank") < {*listed}


def test_a_deleted_file_of_build_support_is_no_module(repository: Repository) -> None:
    repository.write(f"{HANDLERS}/model.py", "import os\n")
    repository.write("build-support/notes.py", "")
    repository.commit()
    repository.git("tag", "--force", "notes")
    repository.git("rm", "--quiet", "build-support/notes.py")
    assert repository.list("--changed-since=notes", "list", "::") == []


def test_a_launch_of_what_is_no_handler_is_no_edge(repository: Repository) -> None:
    task = {"conf": {"image": "maxai/finance", "arguments": ["/opt/run.sh"]}}
    config = f"{CONFIGS}/kubepod_config.json"
    repository.write(config, json.dumps({"tasks": [task]}))
    tests = {*READ} | dag_tests("finance", *OBJECTIVES)
    assert affected(repository) == (set(), tests)


def test_a_deleted_readme_affects_nothing(repository: Repository) -> None:
    repository.git("rm", "--quiet", "maxaiusecases/finance/README.md")
    assert affected(repository) == (set(), set())


def test_a_file_with_a_space_in_its_name_counts(repository: Repository) -> None:
    repository.write(f"{CONFIGS}/weekly/py_config.a copy.json", "{}")
    repository.commit()
    tests = {*READ} | dag_tests("finance", "weekly")
    assert affected(repository) == (set(), tests)


def test_a_module_that_becomes_empty_counts(repository: Repository) -> None:
    repository.write(f"{HANDLERS}/__init__.py", "A = 1\n")
    repository.commit()
    repository.git("tag", "--force", "filled")
    repository.write(f"{HANDLERS}/__init__.py", "")
    repository.commit()
    listed = repository.list("--changed-since=filled", "list", "::")
    assert "maxaiusecases/finance:image" in listed


def test_defaults_in_a_build_file_affect_all_below(repository: Repository) -> None:
    repository.append("maxaidags/BUILD")
    dags = dag_tests("finance", *OBJECTIVES) | dag_tests("retail", *OBJECTIVES)
    dags |= {FRAUD_DAG, FRAUD_RUN}
    assert affected(repository) == (set(), {READ[1]} | dags)


def test_a_new_domain_affects_itself_alone(repository: Repository) -> None:
    for path in [*files()]:
        if "/finance/" in path and path.startswith("maxai"):
            text = (repository.root / path).read_text().replace("finance", "zoo")
            repository.write(path.replace("/finance/", "/zoo/"), text)
    for path, old, new in (
        (
            "pants.toml",
            "retail =",
            'zoo = "maxaiusecases/zoo/requirements.lock"\nretail =',
        ),
        ("build-support/macros.py", '("finance", ', '("finance", "zoo", '),
    ):
        text = (repository.root / path).read_text()
        repository.write(path, text.replace(old, new, 1))
    images, tests = affected(repository)
    assert images == {"zoo"}
    assert {path.split("/")[1] for path in tests - {*READ}} == {"zoo"}


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
            "maxaiusecases.finance.risk.handlers.model: the module has two owners in the "
            f"resolve finance, {HANDLERS}/model.py and {HANDLERS}/model.py:again; remove one",
        ),
        (
            f"{HANDLERS}/rank.py",
            "import maxaiusecases.retail.churn.handlers.rank\n",
            "maxaiusecases.retail.churn.handlers.rank",
        ),
        (
            f"{CONFIGS}/kubepod_config.json",
            '{"tasks": [{"conf": {"image": "maxai/retail"}}]}',
            f"launch_configs {CONFIGS}/kubepod_config.json -> "
            "docker_image maxaiusecases/retail:image",
        ),
        (
            f"{DAG}/dag.py",
            "import maxaidags.retail.churn.weekly.dag\n",
            f"{DAG}/dag.py: depends on maxaidags/retail/churn/weekly/dag.py, which belongs "
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
def test_what_would_be_no_edge_is_an_error(
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
    assert handler_tests("finance", "rank") < set(listed)


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
        "maxaiusecases/finance:image",
        "maxaiusecases/finance:resolve#pydantic",
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


def test_without_changed_since_specs_mean_what_they_always_mean(
    repository: Repository,
) -> None:
    assert repository.list("list", "maxaiusecases/retail:image") == [
        "maxaiusecases/retail:image"
    ]


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        ([], {"finance", "retail"}),
        (["maxaiusecases/retail::"], {"retail"}),
        (["maxaiusecases/retail:image", "maxaiconfigs::"], {"retail"}),
        (["::", "-maxaiusecases/retail::"], {"finance"}),
        (["-maxaiusecases/retail::"], {"finance"}),
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


def test_a_target_of_the_root_is_among_the_specs(repository: Repository) -> None:
    repository.append(f"{DAG}/dag.py")
    listed = repository.list("--changed-since=base", "list", "//:release")
    assert listed == ["//:release"]


def test_a_handler_that_no_task_launches_affects_the_release(
    repository: Repository,
) -> None:
    repository.write(f"{HANDLERS}/unused.py", "")
    runs = {test for test in image_tests("finance") if "/dag_test" not in test}
    assert affected(repository) == ({"finance"}, runs)
    listed = repository.list("--changed-since=base", "list", "//:")
    assert listed == ["//:release"]


@pytest.mark.parametrize("tree", ["maxaiconfigs", "maxaidags"])
def test_what_is_deleted_with_its_build_file_affects_the_release(
    tree: str, repository: Repository
) -> None:
    repository.git("rm", "-r", "--quiet", f"{tree}/finance/fraud")
    assert "//:release" in repository.list("--changed-since=base", "list", "::")


def test_an_edit_of_the_root_build_file_affects_what_is_in_it(
    repository: Repository,
) -> None:
    repository.append("BUILD")
    assert repository.list("--changed-since=base", "list", "::") == ROOT_TARGETS


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"{CONFIGS}/kubepod_config.prod.json", ["prod"]),
        # It carries another domain alone.
        (f"{CONFIGS}/kubepod_config.dev.json", []),
        ("maxaiconfigs/retail/churn/kubepod_config.dev.json", ["dev"]),
        ("maxairesources/dagfactory.py", ["dev", "prod"]),
        ("BUILD", ["dev", "prod"]),
    ],
)
def test_affected_tells_the_deployments(
    path: str, expected: list[str], repository: Repository
) -> None:
    repository.append(path, "\n")
    result = repository.pants("--changed-since=base", "affected", "--format=json")
    assert json.loads(result.stdout)["deployments"] == expected


def test_a_deleted_dag_is_gone_from_the_deployments_that_carry_it(
    repository: Repository,
) -> None:
    repository.git("rm", "-r", "--quiet", "maxaidags/finance/fraud")
    result = repository.pants("--changed-since=base", "affected", "--format=json")
    assert json.loads(result.stdout)["deployments"] == ["prod"]


def test_without_specs_the_folder_narrows_nothing(repository: Repository) -> None:
    repository.append(f"{HANDLERS}/rank_test.py")
    listed = repository.list("--changed-since=base", "list", cwd="maxaidags")
    assert listed == [f"{HANDLERS}/rank_test.py:tests"]


def test_specs_are_relative_to_the_folder_they_are_typed_in(
    repository: Repository,
) -> None:
    repository.append(f"{HANDLERS}/rank_test.py")
    assert repository.list(
        "--changed-since=base", "list", "risk::", cwd="maxaiusecases/finance"
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
def test_what_matches_nothing_is_an_error(
    arguments: list[str], expected: str, repository: Repository
) -> None:
    repository.append("maxairesources/all.py")
    result = repository.pants(*arguments)
    assert result.returncode == 1
    assert expected in result.stderr
    assert "Traceback" not in result.stderr
