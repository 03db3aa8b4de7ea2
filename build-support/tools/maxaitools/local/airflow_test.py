"""Serves all DAGs by a whole Airflow, and runs one of them over its REST interface.

The images are those that Pants has built for the test.
"""

import contextlib
import json
import re
import signal
import socket
import subprocess
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from maxaitools.local.containers import LABEL, built_image
from maxaitools.local.standalone import Api
from maxaitools.local.testing import Tree

DOMAINS = ("finance", "healthcare", "retail")
DAG = "finance.credit_risk.default_score"

# How long each step may take, in seconds; two cores need a third of it.
PATIENCE = 240


class Served:
    """A running `local maxaidags`.

    Attributes:
        process: its process.
        output: what it has printed until everything was up.
        tree: the tree that it runs in.
    """

    def __init__(self, folder: Path) -> None:
        self.tree = Tree(folder)
        images = [f"--image={built_image(domain, Path())}" for domain in DOMAINS]
        self._file = folder / "output"
        with self._file.open("wb") as output:
            self.process = subprocess.Popen(
                self.tree.command("maxaidags", *images),
                cwd=folder,
                env=self.tree.environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.output = ""

    def wait(self) -> None:
        """Return when everything is up."""
        limit = time.monotonic() + PATIENCE
        while "Ctrl-C" not in self.output:
            self.output = self._file.read_text()
            assert self.process.poll() is None, f"ended: {self.output}"
            assert time.monotonic() < limit, f"not up yet: {self.output}"
            time.sleep(0.5)

    def told(self, name: str) -> str:
        """Return what the output tells by that name."""
        found = re.search(rf"^{name} +(\S+)$", self.output, re.MULTILINE)
        assert found, self.output
        return found[1]


def processes(of: Served) -> list[Any]:
    return [*psutil.Process(of.process.pid).children(recursive=True)]


def _runs(started: list[Any]) -> Iterator[str]:
    """Yield the id of the run that each process is told."""
    for process in started:
        # One that has ended by now has no environment any more.
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if told := process.environ().get("MAXAI_LOCAL"):
                yield json.loads(told)["run"]


def _lives(process: Any) -> bool:
    """Return whether a process has not ended; one that nobody has waited for has."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A running Airflow, which has to end with all that it started."""
    result = Served(tmp_path_factory.mktemp("served"))
    try:
        result.wait()
        yield result
        started, port = processes(result), result.told("address").rpartition(":")[2]
        (run,) = {*_runs(started)}
        assert len(started) > 4
        result.process.send_signal(signal.SIGTERM)
        assert result.process.wait(60) == 128 + signal.SIGTERM
        assert not [process for process in started if _lives(process)]
        assert not result.tree.leftovers()
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(port)))
        listing = ["docker", "ps", "--all", "--quiet", f"--filter=label={LABEL}={run}"]
        assert subprocess.run(listing, capture_output=True).stdout == b""
    finally:
        if result.process.poll() is None:
            result.process.terminate()
            result.process.wait(60)


def test_all_dags_are_there(served: Served) -> None:
    dags = {
        ".".join(path.parts[1:-1]) for path in Path("maxaidags").glob("*/*/*/dag.py")
    }
    assert DAG in dags
    assert dags <= set(served.output.split())
    assert not re.search("^error", served.output, re.MULTILINE)


def test_nobody_gets_in_without_the_password(served: Served) -> None:
    with pytest.raises(urllib.error.HTTPError) as error:
        Api(served.told("address"), "admin")
    assert error.value.code == 401


def test_it_listens_on_one_port_and_on_this_machine_only(served: Served) -> None:
    listening = {
        connection.laddr
        for process in processes(served)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    (address,) = listening
    assert served.told("address") == f"http://127.0.0.1:{address.port}"
    assert address.ip == "127.0.0.1"


def test_a_run_turns_green(served: Served) -> None:
    api = Api(served.told("address"), served.told("password"))
    api.call("PATCH", f"/api/v2/dags/{DAG}", {"is_paused": False})
    runs = f"/api/v2/dags/{DAG}/dagRuns"
    run = api.call("POST", runs, {"logical_date": None})
    limit = time.monotonic() + PATIENCE
    while run["state"] in ("queued", "running") and time.monotonic() < limit:
        time.sleep(1)
        run = api.call("GET", f"{runs}/{run['dag_run_id']}")
    tasks = api.call("GET", f"{runs}/{run['dag_run_id']}/taskInstances")
    states = {task["task_id"]: task["state"] for task in tasks["task_instances"]}
    assert run["state"] == "success", states
    assert set(states.values()) == {"success"}
    logs = f"{runs}/{run['dag_run_id']}/taskInstances/evaluate_model/logs/1"
    assert "roc_auc" in json.dumps(api.call("GET", logs))
