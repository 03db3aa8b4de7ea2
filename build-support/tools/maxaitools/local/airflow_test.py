"""Tests of an Airflow with all DAGs, of which one runs over its REST interface."""

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

from maxaitools.local.containers import LABEL
from maxaitools.local.standalone import Api
from maxaitools.local.testing import Tree, lab_image, write_lab

DAG = "lab.probe.first"

# The most seconds of each step; two cores need a third of it.
PATIENCE = 240


class Served:
    """A running `local maxaidags`.

    Attributes:
        process: its process.
        output: its output until it had started.
        tree: its tree.
    """

    def __init__(self, folder: Path, image: str) -> None:
        self.tree = Tree(folder)
        echo = {"cmds": ["sh", "-c", "echo measured"]}
        write_lab(self.tree, {"measure": "root"}, {"measure": echo})
        self._file = folder / "output"
        with self._file.open("wb") as output:
            self.process = subprocess.Popen(
                self.tree.command("maxaidags", f"--image={image}"),
                cwd=folder,
                env=self.tree.environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.output = ""

    def wait(self) -> None:
        """Wait until Airflow has started."""
        limit = time.monotonic() + PATIENCE
        while "Ctrl-C" not in self.output:
            self.output = self._file.read_text()
            assert self.process.poll() is None, f"ended: {self.output}"
            assert time.monotonic() < limit, f"not up yet: {self.output}"
            time.sleep(0.5)

    def value(self, name: str) -> str:
        """Return the value after a name in the output."""
        found = re.search(rf"^{name} +(\S+)$", self.output, re.MULTILINE)
        assert found, self.output
        return found[1]


def processes(of: Served) -> list[Any]:
    return [*psutil.Process(of.process.pid).children(recursive=True)]


def _runs(started: list[Any]) -> Iterator[str]:
    """Yield the run id in the environment of each process."""
    for process in started:
        # A process that has just ended has no environment.
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if settings := process.environ().get("MAXAI_LOCAL"):
                yield json.loads(settings)["run"]


def _lives(process: Any) -> bool:
    """Return if a process has not ended. A zombie has ended."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A running Airflow, whose processes must end with it."""
    with lab_image() as image:
        result = Served(tmp_path_factory.mktemp("served"), image)
        yield from _end(result)


def _end(result: Served) -> Iterator[Served]:
    try:
        result.wait()
        yield result
        started, port = processes(result), result.value("address").rpartition(":")[2]
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


def test_all_dags_are_listed(served: Served) -> None:
    assert DAG in served.output.split()
    assert not re.search("^error", served.output, re.MULTILINE)


def test_the_password_is_required(served: Served) -> None:
    with pytest.raises(urllib.error.HTTPError) as error:
        Api(served.value("address"), "admin")
    assert error.value.code == 401


def test_it_listens_on_one_local_port(served: Served) -> None:
    listening = {
        connection.laddr
        for process in processes(served)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    (address,) = listening
    assert served.value("address") == f"http://127.0.0.1:{address.port}"
    assert address.ip == "127.0.0.1"


def test_a_run_succeeds(served: Served) -> None:
    api = Api(served.value("address"), served.value("password"))
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
    logs = f"{runs}/{run['dag_run_id']}/taskInstances/measure/logs/1"
    assert "measured" in json.dumps(api.call("GET", logs))
