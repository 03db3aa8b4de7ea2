"""A small marketplace in a Git repository, in which tests run whole Pants commands."""

from __future__ import annotations

import io
import json
import logging
import os
import shutil
import subprocess
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Iterator

import pytest
from pants.base.build_root import BuildRoot
from pants.bin.local_pants_runner import LocalPantsRunner
from pants.engine.env_vars import CompleteEnvironmentVars
from pants.engine.internals.native_engine import PyExecutor
from pants.option.options_bootstrapper import OptionsBootstrapper
from pants.pantsd.pants_daemon_core import PantsDaemonCore
from pants.pantsd.service.pants_service import PantsServices

from maxairesources.tree import TREES

DOMAINS = {"bank": "risk", "shop": "churn"}
OBJECTIVES = ("monthly", "weekly")

# Two locks of the one requirement of a domain.
LOCK, NEW_LOCK = (
    f"iniconfig=={version} \\\n    --hash=sha256:{sha256}\n"
    for version, sha256 in (
        ("2.3.1", "9121e2c1fdb355232495be3194c8dfe87ccc2d5dee45947b78e68f499790d7a7"),
        ("2.1.0", "9deba5723312380e77435581c6bf4935c94cbfab9b1ed33ef8d238ea168eb760"),
    )
)
SHARED = """\
library_sources(sources=["__init__.py", "all.py"], resolves=("airflow",))
python_sources(name="some", sources=["some.py", "none.py"], resolve="shop")
python_sources(name="dags", sources=["dagfactory.py"], resolve="airflow")
"""
MACROS = "build-support/macros.py"
FRAUD = "maxaiusecases/bank/fraud"
HANDLERS = "maxaiusecases/bank/risk/handlers"
CONFIGS = "maxaiconfigs/bank/risk"
DAG = "maxaidags/bank/risk/weekly"
# Beside handlers, in a folder below them, beside a DAG, and beside all DAGs of a usecase.
DATA_FILES = [f"{HANDLERS}/query.sql", f"{HANDLERS}/sql/deep [1].sql"]
DATA_FILES += [f"{DAG}/load.sql", "maxaidags/bank/risk/shared.sql"]
ROWS_HELPER = f"{HANDLERS}/rows_helper.py"
TEST_FILES = [ROWS_HELPER, f"{HANDLERS}/conftest.py", f"{HANDLERS}/fixtures/rows.csv"]
IN_IMAGE = "local:///opt/maxai/maxaiusecases/shop/churn/handlers"
SUBMITS = [{"application": f"{IN_IMAGE}/{name}.py"} for name in ("fit", "rank")]
SPARK = {
    "conf": {"spark.kubernetes.container.image": "maxai/shop:1"},
    "tasks": [1, *({"spark_submit_conf": submit} for submit in SUBMITS)],
}


def files() -> dict[str, str]:
    """Return the files of a marketplace, by path.

    It has two domains, each with a usecase of two objectives. The domain `bank` has another,
    smaller usecase, which shares only the image with the first one.
    """
    result = {**_shared_files(), **_fraud_files()}
    for domain, usecase in DOMAINS.items():
        result |= _domain_files(domain, usecase)
    # Only one domain imports this module.
    result["maxaiusecases/shop/churn/handlers/rank.py"] = "import maxairesources.some\n"
    result["maxaidags/shop/churn/conftest.py"] = ""
    result[f"{HANDLERS}/two words [1].py"] = ""
    result |= dict.fromkeys(DATA_FILES, "select 1\n")
    result |= dict.fromkeys(TEST_FILES, "")
    helper = ROWS_HELPER.removesuffix(".py").replace("/", ".")
    result[f"{HANDLERS}/rank_test.py"] += f"import {helper}\n"
    return result


def _shared_files() -> dict[str, str]:
    own = ("pants.toml", MACROS, "maxaiconfigs/BUILD", "maxaidags/BUILD")
    locks = [f"3rdparty/python/{name}.lock" for name in ("dockerfile-parser", "pytest")]
    return {
        **{path: Path(path).read_text() for path in (*own, *locks)},
        "pants": "",
        ".gitignore": "/.pants.d/\n/.pids/\n/dist/\n",
        "BUILD": 'marketplace_release(name="release")\n',
        "marketplace.toml": "[deployments.prod]\n[deployments.dev]\n",
        "3rdparty/python/airflow.lock": "",
        "3rdparty/python/build-support.lock": "",
        "build-support/BUILD": 'python_sources(sources=["macros.py"])\n',
        "build-support/mypy.ini": "",
        "maxaidags/.airflowignore": "",
        "maxairesources/BUILD": SHARED,
        **{
            f"maxairesources/{name}.py": ""
            for name in ("__init__", "all", "none", "some", "dagfactory")
        },
    }


def _domain_files(domain: str, usecase: str) -> dict[str, str]:
    code = f"maxaiusecases.{domain}.{usecase}.handlers"
    below = {
        "BUILD": "marketplace_domain()\n",
        "Dockerfile": "ARG base=debian:12\nFROM $base\n",
        "README.md": "",
        "image_test.py": f"import {code}.fit\n",
        "requirements.lock": LOCK,
        "requirements.txt": "iniconfig\n",
        "setup.py": "",
        f"{usecase}/handlers/__init__.py": '"""Not empty."""\n',
        f"{usecase}/handlers/fit.py": "import iniconfig\nimport maxairesources.all\n"
        f"from {code} import model\n",
        f"{usecase}/handlers/fit_test.py": f"import {code}.fit\n",
        f"{usecase}/handlers/model.py": "",
        f"{usecase}/handlers/rank.py": "",
        f"{usecase}/handlers/rank_test.py": f"import {code}.rank\n",
    }
    configs = f"maxaiconfigs/{domain}/{usecase}"
    result = {f"maxaiusecases/{domain}/{name}": text for name, text in below.items()}
    if domain == "bank":
        result[f"{configs}/kubepod_config.json"] = _launches(code, "fit", "rank")
        result[f"{configs}/kubepod_config.prod.json"] = "{}"
    else:
        result[f"{configs}/spark_config.json"] = json.dumps(SPARK)
        result[f"{configs}/spark_config.prod.json"] = "not JSON"
    for objective in OBJECTIVES:
        result[f"{configs}/{objective}/py_config.json"] = "{}"
        result |= _dag_files(f"maxaidags/{domain}/{usecase}/{objective}")
    if domain == "shop":
        result[f"maxaidags/shop/{usecase}/weekly/dag.py"] += "'bank/risk/weekly'\n"
    return result


def _fraud_files() -> dict[str, str]:
    configs, code = "maxaiconfigs/bank/fraud", f"{FRAUD}/handlers".replace("/", ".")
    return {
        f"{FRAUD}/handlers/__init__.py": "",
        f"{FRAUD}/handlers/spot.py": "",
        f"{configs}/kubepod_config.json": _launches(code, "spot"),
        **_dag_files("maxaidags/bank/fraud/daily"),
    }


def _launches(code: str, *handlers: str) -> str:
    """Return a kubepod_config whose tasks run these handlers of the domain `bank`."""
    arguments = [[f"{code}.{name}"] for name in handlers]
    confs = [{"image": "maxai/bank", "arguments": each} for each in arguments]
    return json.dumps({"tasks": [{"conf": conf} for conf in confs]})


def _dag_files(folder: str) -> dict[str, str]:
    return {
        f"{folder}/dag.py": "import maxairesources.dagfactory\n",
        f"{folder}/dag_test.py": "",
        f"{folder}/run_test.py": "",
    }


def domain_variables(root: Path) -> dict[str, str]:
    """Return the variables by which the launcher passes the prefix and the domains to Pants."""
    pythons, resolves = {}, {}
    for path in sorted(root.glob("maxaiusecases/*/requirements.txt")):
        name, version = path.parent.name, path.with_name(".python-version")
        pythons[name] = version.read_text().strip() if version.exists() else "3.11"
        resolves[name] = f"maxaiusecases/{name}/requirements.lock"
    return {
        "MAXAI_PREFIX": "maxai",
        "MAXAI_DOMAINS": " ".join(f"{name}={v}" for name, v in pythons.items()),
        "PANTS_PYTHON_RESOLVES": f"+{resolves}",
    }


class Repository:
    """A Git repository with one commit, tagged `base`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._core: PantsDaemonCore | None = None
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
        file = self.root / path
        self.write(path, (file.read_text() if file.exists() else "") + content)

    def replace(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text()
        assert old in text, f"{path} has no {old}"
        self.write(path, text.replace(old, new))

    def delete(self, *paths: str) -> None:
        self.git("rm", "-r", "--quiet", *paths)

    def move(self, old: str, new: str) -> None:
        (self.root / new).parent.mkdir(parents=True, exist_ok=True)
        self.git("mv", old, new)

    def copy(self, source: str, target: str, old: str, new: str) -> None:
        """Copy a folder, and replace a name in its files."""
        for file in (self.root / source).rglob("*"):
            if file.is_file():
                path = f"{target}/{file.relative_to(self.root / source)}"
                self.write(path, file.read_text().replace(old, new))

    def git(self, *arguments: str) -> None:
        identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        git = [shutil.which("git") or "git", "-C", str(self.root), *identity]
        # Forking a large process is slow; see `changes`.
        subprocess.run([*git, *arguments], check=True, close_fds=False)

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "change")

    def pants(
        self, *arguments: str, cwd: str = ".", **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in this process, as the Pants daemon does.

        The first command starts the engine. Each command reads all files again.
        """
        BuildRoot().path = str(self.root)
        environment = {**os.environ, **domain_variables(self.root), **env}
        options = OptionsBootstrapper.create(
            env=environment,
            args=["pants", "--no-pantsd", "--no-dynamic-ui", *arguments],
            allow_pantsrc=False,
        )
        if self._core is None:
            self._core = PantsDaemonCore(
                options,
                PyExecutor(core_threads=1, max_threads=3),
                lambda bootstrap_options, graph_scheduler: PantsServices(),
            )
        stdout, stderr = io.StringIO(), io.StringIO()
        log = logging.StreamHandler(stderr)
        logging.getLogger().addHandler(log)
        variables = CompleteEnvironmentVars(environment)
        try:
            with redirect_stdout(stdout), redirect_stderr(stderr):
                scheduler, initializer = self._core.prepare(options, variables)
                scheduler.scheduler.invalidate_all_files()
                runner = LocalPantsRunner.create(
                    variables, str(self.root / cwd), options, initializer, scheduler
                )
                code = runner.run(time.time())
        except Exception as error:  # As Pants' own `main` does.
            code = 1
            stderr.write(str(error))
        finally:
            logging.getLogger().removeHandler(log)
        return subprocess.CompletedProcess(
            arguments, code, stdout.getvalue(), stderr.getvalue()
        )

    def list(self, *arguments: str, cwd: str = ".") -> list[str]:
        """Return the words that a successful command prints, sorted."""
        result = self.pants(*arguments, cwd=cwd)
        assert result.returncode == 0, result.stderr
        return sorted(result.stdout.split())


def install_docker(folder: Path) -> None:
    """Write a stub of Docker, whose engine has every image."""
    (folder / "docker").write_text("#!/bin/sh\n")
    (folder / "docker").chmod(0o755)


def add_domain(repository: Repository, name: str) -> None:
    """Copy the domain `bank`."""
    for tree in TREES:
        repository.copy(f"{tree}/bank", f"{tree}/{name}", "bank", name)


def delete_domain(repository: Repository, name: str) -> None:
    repository.delete(*(f"{tree}/{name}" for tree in TREES))


@pytest.fixture(scope="session")
def shared_repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture
def repository(shared_repository: Repository) -> Iterator[Repository]:
    yield shared_repository
    shared_repository.git("checkout", "--quiet", "--force", "-B", "case", "base")
    shared_repository.git("clean", "--quiet", "--force", "-d")
