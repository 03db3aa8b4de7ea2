"""A real Airflow on the bundle: it follows what is live, and a run keeps what it began on.

It has the distribution of the bundle and no maxairesources but that of the release. The tasks
are bash, which needs no cluster; that each release is another one shows in what they print.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from local_runner.home import AIRFLOW_COMMAND, new_run
from local_runner.standalone import Api, started

from deployer.testing import Marketplace

DAG = "lab.probe.first"
# How long each step may take, in seconds; two cores need a tenth of it.
PATIENCE = 240

# The second task is another one in each release, and tells which; the first waits for the
# test, and so does the whole run.
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
    task_id="tell_RELEASE",
    operator="BashOperator",
    parent=["wait"],
    # To leave with 99 is to skip what follows, which would need a cluster.
    bash_command=f"echo dag RELEASE, library {MARK} >> {{{{ params.file }}}}; exit 99",
)
factory.add(
    task_id="measure", operator="KubernetesPodOperator", parent=["tell_RELEASE"]
)
dag = factory.create_dag()
'''


def write_release(place: Marketplace, name: str, file: Path) -> None:
    """Commit what makes a release, with its name in the DAG and in the library."""
    dag = _DAG_FILE.replace("RELEASE", name)
    dag = dag.replace('"first")', f'"first", params={{"file": "{file}"}})')
    place.write("maxaidags/lab/probe/first/dag.py", dag)
    errors = place.root / "maxairesources/errors.py"
    text = errors.read_text().partition("\nMARK = ")[0]
    errors.write_text(f"{text}\nMARK = {name!r}\n")
    place.commit(f"release {name}")
    place.package()


def environment(folder: Path, destination: str) -> dict[str, str]:
    """Return the environment of an Airflow that has the bundle's wheel, and not the tree."""
    (wheel,) = Path().glob("maxai_release_bundle-*.whl")
    # Not those of this test, for an installed maxairesources would win over a release's.
    ours = ("maxairesources", "release_bundle")
    packages = [
        path
        for path in sys.path
        if path and not any(Path(path, name).exists() for name in ours)
    ]
    (folder / "bin").mkdir(parents=True)
    command = folder / "bin" / "airflow"
    command.write_text(AIRFLOW_COMMAND.format(python=sys.executable))
    command.chmod(0o755)
    bundle = {
        "name": "dev",
        "classpath": "release_bundle.bundle.ReleaseBundle",
        "kwargs": {"destination": destination, "refresh_interval": 1},
    }
    return {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(folder / "bundles"),
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "2",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow.db",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "HOME": str(folder),
        "PATH": os.pathsep.join([str(folder / "bin"), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(wheel.resolve()), *packages]),
        # Without it, the folder that this is run from would come first.
        "PYTHONSAFEPATH": "1",
        "SCARF_NO_ANALYTICS": "true",
    }


def until(ask: Callable[[], Any], log: Path) -> Any:
    """Return what is asked for as soon as there is any."""
    limit = time.monotonic() + PATIENCE
    while not (answer := ask()):
        assert time.monotonic() < limit, log.read_text()[-5000:]
        time.sleep(0.3)
    return answer


@pytest.fixture
def files(tmp_path: Path) -> Iterator[dict[str, Path]]:
    yield {name: tmp_path / f"told-{name}" for name in ("one", "two")}


def test_a_run_keeps_the_release_that_it_began_on(
    local: Marketplace, files: dict[str, Path], tmp_path: Path
) -> None:
    write_release(local, "one", files["one"])
    local.done("deploy", "dev")
    first = local.current()
    destination = local.deployments["dev"]["destination"]
    home = tmp_path / "airflow"
    with started(home, environment(home, destination), new_run()) as airflow:
        api = Api(airflow.url, airflow.password)

        def tasks() -> set[str]:
            found = api.call("GET", f"/api/v2/dags/{DAG}/tasks")["tasks"]
            return {task["task_id"] for task in found}

        def version() -> Any:
            return api.call("GET", f"/api/v2/dags/{DAG}")["bundle_version"]

        def see(name: str, record: str) -> None:
            until(lambda: dags() and version() == record, airflow.log)
            until(lambda: f"tell_{name}" in tasks(), airflow.log)
            errors = api.call("GET", "/api/v2/importErrors")["import_errors"]
            assert errors == []

        def dags() -> Any:
            return api.call("GET", "/api/v2/dags")["dags"]

        def run() -> str:
            body = {"logical_date": None}
            made = api.call("POST", f"/api/v2/dags/{DAG}/dagRuns", body)
            return str(made["dag_run_id"])

        def state(of: str) -> Any:
            return api.call("GET", f"/api/v2/dags/{DAG}/dagRuns/{of}")

        def ended(of: str) -> bool:
            return state(of)["state"] in ("success", "failed")

        see("one", first.name)
        (dag,) = dags()
        # dev says so, and nothing else does.
        assert dag["is_paused"] is True
        api.call("PATCH", f"/api/v2/dags/{DAG}", {"is_paused": False})
        began_on_one = run()
        until(lambda: state(began_on_one)["state"] == "running", airflow.log)

        write_release(local, "two", files["two"])
        local.done("deploy", "dev")
        second = local.current()
        assert second.release != first.release
        see("two", second.name)
        began_on_two = run()

        local.done("rollback", "dev")
        back = local.current()
        assert (back.release, back.number) == (first.release, 3)
        see("one", back.name)

        for file in files.values():
            file.touch()
        for of in (began_on_one, began_on_two):
            until(partial(ended, of), airflow.log)
            assert state(of)["state"] == "success", airflow.log.read_text()[-5000:]
        assert files["one"].read_text() == "dag one, library one\n"
        assert files["two"].read_text() == "dag two, library two\n"
        assert state(began_on_one)["bundle_version"] == first.name
        assert state(began_on_two)["bundle_version"] == second.name
