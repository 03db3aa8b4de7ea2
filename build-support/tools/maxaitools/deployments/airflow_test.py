"""Test that a real Airflow follows the branch of a deployment with its GitDagBundle.

Airflow finds only the maxairesources of the branch. The tasks are Bash, which needs no
cluster. Each prints the release that it belongs to.
"""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from maxaitools.deployments.conftest import Run
from maxaitools.deployments.testing import Marketplace
from maxaitools.local.airflow_server import free_port, standalone
from maxaitools.local.testing import Api, wait

DAG = "lab.probe.first"

# The first task waits for the test, so that another release goes live during the run. The
# second task has another name in each release, and prints the release.
_DAG_FILE = '''\
"""Airflow DAG of a test."""

from maxairesources.dagfactory import DAGFactory
from maxairesources.errors import MARK

factory = DAGFactory("lab.probe.first", "lab", "probe", "first")
factory.add(
    task_id="wait",
    operator="BashOperator",
    parent=["root"],
    bash_command="until test -e {{ params.file }}; do sleep 0.1; done",
)
factory.add(
    task_id="print_RELEASE",
    operator="BashOperator",
    parent=["wait"],
    # Exit code 99 skips the next task, which would need a cluster.
    bash_command=f"echo dag RELEASE, library {MARK} >> {{{{ params.file }}}}; exit 99",
)
factory.add(
    task_id="measure", operator="KubernetesPodOperator", parent=["print_RELEASE"]
)
dag = factory.create_dag()
'''


def write_release(place: Marketplace, name: str, file: Path) -> None:
    """Package a release with its name in the DAG and in the library."""
    dag = _DAG_FILE.replace("RELEASE", name)
    # On a busy machine a worker may not start in time, so the task is retried.
    more = (
        f'default_args={{"retries": 5, "retry_delay": 1}}, params={{"file": "{file}"}}'
    )
    dag = dag.replace('"first")', f'"first", {more})')
    place.write("maxaidags/lab/probe/first/dag.py", dag)
    errors = place.root / "maxairesources/errors.py"
    text = errors.read_text().partition("\nMARK = ")[0]
    errors.write_text(f"{text}\nMARK = {name!r}\n")
    place.commit(f"release {name}")
    place.package()


def environment(folder: Path, url: str) -> dict[str, str]:
    """Return an environment in which Airflow finds no installed maxairesources."""
    paths = [
        path for path in sys.path if path and not Path(path, "maxairesources").exists()
    ]
    bundle = {
        "name": "dev",
        "classpath": "airflow.providers.git.bundles.git.GitDagBundle",
        "kwargs": {
            "repo_url": url,
            "tracking_ref": "deploy/dev",
            "refresh_interval": 1,
        },
    }
    return {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(folder / "bundles"),
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "2",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow.db",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(map(os.path.abspath, paths)),
        # Otherwise the current folder would come first.
        "PYTHONSAFEPATH": "1",
        "SCARF_NO_ANALYTICS": "true",
    }


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return {name: tmp_path / f"printed-{name}" for name in ("one", "two")}


def test_a_dag_run_keeps_its_commit(
    place: Marketplace, run: Run, files: dict[str, Path], tmp_path: Path
) -> None:
    write_release(place, "one", files["one"])
    run("deploy", "dev")
    first = place.history()[0].commit
    home = tmp_path / "airflow"
    port = free_port()
    with standalone(environment(home, place.url), port):
        api = Api(f"http://127.0.0.1:{port}")

        def dag(path: str = "") -> Any:
            return api.call("GET", f"/api/v2/dags/{DAG}{path}")

        def see(name: str, commit: str) -> None:
            dags = partial(api.call, "GET", "/api/v2/dags")
            wait(lambda: dags()["dags"] and dag()["bundle_version"] == commit)
            tasks = partial(dag, "/tasks")
            wanted = f"print_{name}"
            wait(lambda: wanted in [t["task_id"] for t in tasks()["tasks"]])
            assert api.call("GET", "/api/v2/importErrors")["import_errors"] == []

        def begin() -> str:
            made = api.call(
                "POST", f"/api/v2/dags/{DAG}/dagRuns", {"logical_date": None}
            )
            return f"/dagRuns/{made['dag_run_id']}"

        def ended(path: str) -> bool:
            return dag(path)["state"] in ("success", "failed")

        see("one", first)
        # New DAGs are paused because of paused=True of dev.
        assert dag()["is_paused"] is True
        api.call("PATCH", f"/api/v2/dags/{DAG}", {"is_paused": False})
        began_on_one = begin()
        wait(lambda: dag(began_on_one)["state"] == "running")

        write_release(place, "two", files["two"])
        run("deploy", "dev")
        second = place.history()[0].commit
        see("two", second)
        began_on_two = begin()
        for file in files.values():
            file.touch()
        for path, commit in ((began_on_one, first), (began_on_two, second)):
            wait(partial(ended, path))
            assert dag(path)["state"] == "success"
            assert dag(path)["bundle_version"] == commit
        assert files["one"].read_text() == "dag one, library one\n"
        assert files["two"].read_text() == "dag two, library two\n"
