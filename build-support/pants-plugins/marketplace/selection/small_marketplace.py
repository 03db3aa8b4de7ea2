"""A small marketplace in a Git repository, and whole Pants commands in it, for tests."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import shutil
import subprocess
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from pants.base.build_root import BuildRoot
from pants.bin.local_pants_runner import LocalPantsRunner
from pants.engine.env_vars import CompleteEnvironmentVars
from pants.engine.internals.native_engine import PyExecutor
from pants.option.options_bootstrapper import OptionsBootstrapper
from pants.pantsd.pants_daemon_core import PantsDaemonCore
from pants.pantsd.service.pants_service import PantsServices

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
root_patterns = ["/", "/build-support/tools"]
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
FRAUD = "maxaiusecases/finance/fraud"
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
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        with (self.root / path).open("a") as file:
            file.write(content)

    def git(self, *arguments: str) -> None:
        identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        git = [shutil.which("git") or "git", "-C", str(self.root), *identity]
        # As in `changes`: forking a large process is slow.
        subprocess.run([*git, *arguments], check=True, close_fds=False)

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "change")

    def pants(
        self, *arguments: str, cwd: str = ".", **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in this process, as Pants' daemon does.

        The first command starts the engine. Each command reads all files again.
        """
        BuildRoot().path = str(self.root)
        environment = {**os.environ, **env}
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
        result = self.pants(*arguments, cwd=cwd)
        assert result.returncode == 0, result.stderr
        return sorted(result.stdout.split())
