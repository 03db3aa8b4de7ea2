"""Tests of the plugin inside a whole Pants process, in a small marketplace of its own."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

DOMAINS = {"finance": "risk", "retail": "churn"}
OBJECTIVES = ("monthly", "weekly")

PANTS_TOML = """\
[GLOBAL]
pants_version = "2.17.1"
backend_packages = [
  "pants.backend.docker",
  "pants.backend.experimental.visibility",
  "pants.backend.python",
  "marketplace",
]
build_file_prelude_globs = ["build-support/macros.py"]
ignore_warnings = ["DEPRECATED: Running Pants in an external Python interpreter"]
unmatched_cli_globs = "error"
build_patterns = ["BUILD"]
[anonymous-telemetry]
enabled = false
[changed]
dependents = "transitive"
[source]
root_patterns = ["/", "/build-support/*"]
[docker]
tailor = false
[dockerfile-parser]
install_from_resolve = "dockerfile-parser"
[python]
interpreter_constraints = ["CPython==3.11.*"]
enable_resolves = true
default_resolve = "airflow"
invalid_lockfile_behavior = "ignore"
tailor_requirements_targets = false
[python-infer]
init_files = "always"
use_rust_parser = true
unowned_dependency_behavior = "error"
[python.resolves]
finance = "maxaiusecases/finance/requirements.lock"
retail = "maxaiusecases/retail/requirements.lock"
airflow = "3rdparty/python/airflow.lock"
dockerfile-parser = "3rdparty/python/dockerfile-parser.lock"
lint = "3rdparty/python/lint.lock"
"""
# What `tailor` writes for a folder of code.
CODE = 'python_sources()\n\npython_tests(\n    name="tests",\n)\n'
SHARED = """\
python_sources(sources=["__init__.py", "all.py"], resolve=parametrize("airflow", *DOMAINS))
python_sources(name="some", sources=["some.py", "none.py"], resolve="retail")
python_sources(name="dags", sources=["dagfactory.py"], resolve="airflow")
"""
# A test that reads all configs, and one that reads all DAGs.
READERS = """\
__defaults__({python_test: dict(resolve="airflow")})
python_sources(sources=["macros.py"])
python_test(name="configs", source="read_test.py", dependencies=["//maxaiconfigs:all"])
python_test(name="dags", source="read_test.py", dependencies=["//maxaidags:all"])
"""
READ = ("build-support:configs", "build-support:dags")
FRAUD = "maxaiusecases/finance/fraud"
FRAUD_DAG, FRAUD_RUN = (
    f"maxaidags/finance/fraud/daily/{name}_test.py:tests" for name in ("dag", "run")
)
ROOT = """\
marketplace_release(name="release")
marketplace_deployment(
    name="dev",
    registry=env("A_REGISTRY", "127.0.0.1:1"),
    domains=["retail"],
)
marketplace_deployment(name="prod", registry="127.0.0.1:1", after="dev")
"""
ROOT_TARGETS = ["//:dev", "//:prod", "//:release"]
DAGS = '__defaults__({(python_sources, python_tests): dict(resolve="airflow")})\n'
DAGS += 'sources_below(name="all")\n'


def files() -> dict[str, str]:
    """A marketplace of two domains that are alike: one usecase with two objectives each.

    The first one has a small usecase more, which shares nothing but the image with the other.
    """
    macros = Path("build-support/macros.py").read_text()
    pex_cli = Path("pants.toml").read_text().partition("[pex-cli]\n")[2]
    parser_lock = "3rdparty/python/dockerfile-parser.lock"
    result = {
        "pants.toml": f"{PANTS_TOML}[pex-cli]\n{pex_cli}",
        parser_lock: Path(parser_lock).read_text(),
        "pants": "",
        ".gitignore": "/.pants.d/\n/.pids/\n/dist/\n",
        "BUILD": ROOT,
        "3rdparty/python/airflow.lock": "",
        "3rdparty/python/lint.lock": "",
        "build-support/BUILD": READERS,
        "build-support/read_test.py": "",
        "maxaiconfigs/BUILD": 'sources_below(name="all")\n',
        "build-support/macros.py": re.sub(
            r"(?m)^DOMAINS = .*$", 'DOMAINS = ("finance", "retail")', macros
        ),
        "maxaidags/BUILD": DAGS,
        "maxairesources/BUILD": SHARED,
        "maxairesources/__init__.py": "",
        "maxairesources/all.py": "",
        "maxairesources/none.py": "",
        "maxairesources/some.py": "",
        "maxairesources/dagfactory.py": "",
    }
    for domain, usecase in DOMAINS.items():
        code = f"maxaiusecases.{domain}.{usecase}.handlers"
        result.update(
            {
                f"maxaiusecases/{domain}/{name}": text
                for name, text in {
                    "BUILD": f'marketplace_domain(\n    name="_domain",\n)\n\n{CODE}',
                    "Dockerfile": "ARG base=debian\nFROM $base\n",
                    "README.md": "",
                    "image_test.py": f"import {code}.fit\n",
                    "requirements.lock": "",
                    "requirements.txt": "pydantic\n",
                    "setup.py": "",
                    f"{usecase}/handlers/BUILD": CODE,
                    f"{usecase}/handlers/__init__.py": "",
                    f"{usecase}/handlers/fit.py": f"import pydantic\nimport maxairesources.all\nimport {code}.model\n",
                    f"{usecase}/handlers/fit_test.py": f"import {code}.fit\n",
                    f"{usecase}/handlers/model.py": "",
                    f"{usecase}/handlers/rank.py": "",
                    f"{usecase}/handlers/rank_test.py": f"import {code}.rank\n",
                }.items()
            }
        )
        configs = f"maxaiconfigs/{domain}/{usecase}"
        tasks = [
            {"conf": {"image": f"maxai/{domain}", "arguments": [f"{code}.{name}"]}}
            for name in ("fit", "rank")
        ]
        result[f"{configs}/BUILD"] = "launch_configs()\n"
        result[f"{configs}/kubepod_config.json"] = json.dumps({"tasks": tasks})
        result[f"{configs}/kubepod_config.prod.json"] = "{}"
        for objective in OBJECTIVES:
            py_configs = 'files(\n    sources=[\n        "*.json",\n    ],\n)\n'
            result[f"{configs}/{objective}/BUILD"] = py_configs
            result[f"{configs}/{objective}/py_config.json"] = "{}"
            dags = f"maxaidags/{domain}/{usecase}/{objective}"
            result[f"{dags}/BUILD"] = CODE
            result[f"{dags}/dag.py"] = "import maxairesources.dagfactory\n"
            result[f"{dags}/dag_test.py"] = ""
            result[f"{dags}/run_test.py"] = ""
    spot = f"{FRAUD}/handlers/spot".replace("/", ".")
    fraud = [{"conf": {"image": "maxai/finance", "arguments": [spot]}}]
    result.update(
        {
            f"{FRAUD}/handlers/BUILD": "python_sources()\n",
            f"{FRAUD}/handlers/__init__.py": "",
            f"{FRAUD}/handlers/spot.py": "",
            "maxaiconfigs/finance/fraud/BUILD": "launch_configs()\n",
            "maxaiconfigs/finance/fraud/kubepod_config.json": json.dumps(
                {"tasks": fraud}
            ),
            "maxaidags/finance/fraud/daily/BUILD": CODE,
            "maxaidags/finance/fraud/daily/dag.py": "import maxairesources.dagfactory\n",
            "maxaidags/finance/fraud/daily/dag_test.py": "",
            "maxaidags/finance/fraud/daily/run_test.py": "",
        }
    )
    handler = "maxaiusecases/retail/churn/handlers/rank.py"
    result[handler] = "import maxairesources.some\n"
    return result


class Repository:
    """A git repository with one commit, tagged `base`, and a Pants that runs in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for path, content in files().items():
            self.write(path, content)
        self.git("init", "--quiet")
        self.commit()
        self.git("tag", "base")

    def write(self, path: str, content: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def append(self, path: str, content: str = "# A comment.\n") -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        with (self.root / path).open("a") as file:
            file.write(content)

    def git(self, *arguments: str) -> None:
        identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        subprocess.run(["git", *identity, *arguments], cwd=self.root, check=True)

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "change")

    def pants(
        self, *arguments: str, cwd: str = ".", **env: str
    ) -> subprocess.CompletedProcess[str]:
        plugins = Path(__file__).parent.parent
        return subprocess.run(
            [
                *(sys.executable, "-m", "pants"),
                f"--pythonpath=['{plugins}']",
                f"--pants-subprocessdir={self.root}/.pids",
                "--no-dynamic-ui",
                *arguments,
            ],
            cwd=self.root / cwd,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **env},
            capture_output=True,
            text=True,
        )

    def list(self, *arguments: str, cwd: str = ".") -> list[str]:
        result = self.pants(*arguments, cwd=cwd)
        assert result.returncode == 0, result.stderr
        return sorted(result.stdout.split())

    def affected(self) -> tuple[set[str], set[str]]:
        """The images and the tests that are affected since `base`, by short names."""
        listed = self.list("--changed-since=base", "list", "::")
        images = {name[14:-6] for name in listed if name.endswith(":image")}
        tests = {name for name in listed if name.endswith("_test.py:tests")}
        tests |= {*READ} & {*listed}
        # A release has all DAGs, their configs, and the tags of all images.
        is_released = images or any(test.startswith("maxaidags/") for test in tests)
        assert ("//:release" in listed) == bool(is_released)
        return images, tests


@pytest.fixture(scope="module")
def shared_repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    repository = Repository(tmp_path_factory.mktemp("repository"))
    yield repository
    for file in repository.root.glob(".pids/*/pantsd/pid"):
        # On a SIGTERM, Pants 2.17 may wait for an answer about files for ever. A daemon that
        # is about to end has emptied its file.
        if pid := file.read_text().strip():
            os.kill(int(pid), signal.SIGKILL)


@pytest.fixture
def repository(shared_repository: Repository) -> Iterator[Repository]:
    yield shared_repository
    shared_repository.git("reset", "--quiet", "--hard", "base")
    shared_repository.git("clean", "--quiet", "--force", "-d")


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
        "build-support/docker/recipe.sh",
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
    assert repository.affected() == (images, tests)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements.lock"])
def test_requirements_affect_their_domain(name: str, repository: Repository) -> None:
    repository.append(f"maxaiusecases/finance/{name}")
    tests = image_tests("finance") | handler_tests("finance", "fit")
    assert repository.affected() == ({"finance"}, tests)


def test_a_deleted_handler_affects_its_image_and_no_test_beside_it(
    repository: Repository,
) -> None:
    for path in (f"{HANDLERS}/rank.py", f"{HANDLERS}/rank_test.py"):
        (repository.root / path).unlink()
    assert repository.affected() == ({"finance"}, image_tests("finance"))


def test_a_deleted_test_affects_nothing(repository: Repository) -> None:
    (repository.root / f"{HANDLERS}/rank_test.py").unlink()
    assert repository.affected() == (set(), set())


def test_a_handler_that_moves_affects_both_images(repository: Repository) -> None:
    (repository.root / f"{HANDLERS}/rank_test.py").unlink()
    moved = "maxaiusecases/retail/churn/handlers/moved.py"
    repository.git("mv", f"{HANDLERS}/rank.py", moved)
    repository.commit()
    # No task launches it in its new place, so no DAG is concerned there.
    runs = {test for test in image_tests("retail") if "/dag_test" not in test}
    tests = image_tests("finance") | runs
    assert repository.affected() == ({"finance", "retail"}, tests)


def test_a_usecase_that_is_deleted_affects_its_image(repository: Repository) -> None:
    for tree in ("maxaiconfigs", "maxaidags"):
        repository.git("rm", "-r", "--quiet", f"{tree}/finance/risk")
    repository.git(
        "rm", "-r", "--quiet", HANDLERS, "maxaiusecases/finance/image_test.py"
    )
    assert repository.affected() == ({"finance"}, {*READ, FRAUD_RUN})


def test_a_deleted_overlay_affects_the_dags(repository: Repository) -> None:
    repository.git("rm", "--quiet", f"{CONFIGS}/kubepod_config.prod.json")
    tests = {*READ} | dag_tests("finance", *OBJECTIVES)
    assert repository.affected() == (set(), tests)


def test_configs_deleted_with_their_build_file_affect_the_dag(
    repository: Repository,
) -> None:
    repository.git("rm", "-r", "--quiet", f"{CONFIGS}/weekly")
    tests = {*READ} | dag_tests("finance", "weekly")
    assert repository.affected() == (set(), tests)


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
    assert repository.affected() == ({"finance"}, tests)


def test_a_build_file_without_its_targets_is_like_a_deleted_one(
    repository: Repository,
) -> None:
    repository.write(f"{CONFIGS}/monthly/BUILD", "# Nothing.\n")
    tests = {*READ} | dag_tests("finance", "monthly")
    assert repository.affected() == (set(), tests)
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
    assert repository.affected() == (set(), tests)


def test_a_deleted_readme_affects_nothing(repository: Repository) -> None:
    repository.git("rm", "--quiet", "maxaiusecases/finance/README.md")
    assert repository.affected() == (set(), set())


def test_a_file_with_a_space_in_its_name_counts(repository: Repository) -> None:
    repository.write(f"{CONFIGS}/weekly/py_config.a copy.json", "{}")
    repository.commit()
    tests = {*READ} | dag_tests("finance", "weekly")
    assert repository.affected() == (set(), tests)


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
    assert repository.affected() == (set(), {READ[1]} | dags)


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
    images, tests = repository.affected()
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
            f"{HANDLERS}/rank.py:2: import_module imports what Pants cannot see: "
            "use an import statement, or declare what it imports in "
            f'{HANDLERS}/BUILD: overrides={{"rank.py": {{"dependencies": [...]}}}}',
        ),
        (
            f"{HANDLERS}/BUILD",
            f"{CODE}python_sources(name='again', sources=['model.py'])\n",
            "the module maxaiusecases.finance.risk.handlers.model of the resolve finance "
            f"has two owners, {HANDLERS}/model.py and {HANDLERS}/model.py:again: ",
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
            f"{DAG}/dag.py depends on maxaidags/retail/churn/weekly/dag.py, of another",
        ),
        (
            f"{DAG}/BUILD",
            CODE.replace("()", "(dependencies=['maxaiconfigs:all'])", 1),
            f"{DAG}/dag.py depends on maxaiconfigs:all, of another",
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


def test_a_declared_dynamic_import_is_an_edge(repository: Repository) -> None:
    repository.write(
        f"{HANDLERS}/rank.py", "import importlib\nimportlib.import_module(N)\n"
    )
    build = CODE.replace(
        "()", "(overrides={'rank.py': {'dependencies': ['./model.py']}})", 1
    )
    repository.write(f"{HANDLERS}/BUILD", build)
    repository.commit()
    repository.git("tag", "--force", "declared")
    repository.append(f"{HANDLERS}/model.py")
    listed = repository.list("--changed-since=declared", "list", "::")
    assert handler_tests("finance", "rank") < set(listed)


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
    assert repository.affected() == ({"finance"}, runs)
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


# In place of the deployment tool: it prints what it was given, and lacks one image.
TOOL = """\
import json
import os
import sys
from pathlib import Path

if sys.argv[1] == "images":
    print('["retail"]')
    sys.exit()
release = Path(sys.argv[-1])
print(
    json.dumps(
        {
            "arguments": sys.argv[1:-1],
            "cwd": os.getcwd(),
            "environment": os.environ["A_REGISTRY"],
            "manifest": (release / "manifest.json").read_text(),
            "release": release.name,
        }
    )
)
"""
# In place of Docker.
DOCKER = """\
#!/bin/sh
echo "$*" >> {folder}/calls
case "$*" in
  version*) echo 20.10 ;;
  image*) exit 1 ;;
  build*) echo "Successfully built 0123456789ab" ;;
esac
"""


def make_buildable(repository: Repository) -> None:
    """Images that need no packages, so that nothing has to be installed for them."""
    for domain, usecase in DOMAINS.items():
        code = f"maxaiusecases/{domain}"
        repository.write(f"{code}/Dockerfile", "ARG base=debian:12\nFROM $base\n")
        repository.write(f"{code}/requirements.txt", "")
        repository.write(
            f"{code}/{usecase}/handlers/fit.py", "import maxairesources.all\n"
        )
    tool = "build-support/deployments"
    repository.write(f"{tool}/BUILD", "python_sources()\n")
    repository.write(f"{tool}/deploy.py", TOOL)
    repository.commit()


def digests_below(folder: Path) -> dict[str, tuple[str, int]]:
    """The content and mode of each file in a folder."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mode,
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_two_clones_package_the_same_release(
    repository: Repository, tmp_path: Path
) -> None:
    make_buildable(repository)
    clone = tmp_path / "elsewhere/clone"
    repository.git("clone", "--quiet", ".", str(clone))
    other = Repository.__new__(Repository)
    other.root = clone
    for each in (repository, other):
        # One daemon is enough; nothing that it has kept counts for a clone.
        daemon = [] if each is repository else ["--no-pantsd", "--no-local-cache"]
        result = each.pants(*daemon, "package", "//:release")
        assert result.returncode == 0, result.stderr
    ours, theirs = (
        digests_below(each.root / "dist/release") for each in (repository, other)
    )
    assert ours == theirs
    (manifest,) = (path for path in ours if path.endswith("/manifest.json"))
    told = json.loads((clone / "dist/release" / manifest).read_text())
    assert told["images"].keys() == {*DOMAINS}
    folder = manifest.partition("/")[0]
    assert {path[17:]: sha for path, (sha, _) in ours.items() if path != manifest} == (
        told["files"]
    )
    assert folder == ours[manifest][0][:16]

    def release() -> str:
        result = repository.pants("package", "//:release")
        return re.findall("Wrote dist/release/(.*)", result.stderr)[0]

    # No more than a test or a README, and no less than a handler, makes another one.
    assert release() == folder
    for path in (f"{HANDLERS}/rank_test.py", "maxaiusecases/finance/README.md"):
        repository.append(path)
    assert release() == folder
    repository.append(f"{HANDLERS}/rank.py")
    assert release() != folder


def test_deploy_builds_what_is_missing_and_hands_over_the_release(
    repository: Repository, tmp_path: Path
) -> None:
    make_buildable(repository)
    (tmp_path / "docker").write_text(DOCKER.format(folder=tmp_path))
    (tmp_path / "docker").chmod(0o755)
    env = {
        "A_REGISTRY": "127.0.0.1:2/b",
        "PATH": os.pathsep.join([str(tmp_path), os.environ["PATH"]]),
    }
    result = repository.pants("experimental-deploy", "//:prod", **env)
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["arguments"] == ["deploy", "prod", "--release"]
    assert Path(told["cwd"]) == repository.root.resolve()
    assert told["environment"] == "127.0.0.1:2/b"
    manifest = told["manifest"].encode()
    assert told["release"] == hashlib.sha256(manifest).hexdigest()[:16]
    tags = json.loads(manifest)["images"]
    calls = (tmp_path / "calls").read_text().splitlines()
    (built,) = (call for call in calls if call.startswith("build"))
    assert f"--tag maxai/retail:{tags['retail']}" in built

    for specs in (["::"], ["//:dev", "//:prod"]):
        result = repository.pants("experimental-deploy", *specs, **env)
        assert result.returncode == 1
        assert "deploys one deployment at a time; name it" in result.stderr


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
            "--changed-dependents has to be transitive: without all dependents, what is "
            "affected would be missed",
        ),
        (
            ["--changed-since=origin/main", "package", "::"],
            "--changed-since=origin/main: there is no such commit here; get it with "
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
