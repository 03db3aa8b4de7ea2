"""Tests of local runs with Airflow and the Docker engine."""

import contextlib
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk.exceptions import AirflowException

from maxaitools.local import pod_containers
from maxaitools.local.containers import LocalRun
from maxaitools.local.testing import LAB, Api, Tree, lab_image, states, wait, write_lab


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    with lab_image() as name:
        yield name


def test_states_logs_and_exit_code(tree: Tree, image: str) -> None:
    commands: dict[str, dict[str, Any]] = {
        "exits": {"cmds": ["sh", "-c", "echo all is lost; exit 3"]},
        "after": {},
        "skips": {"cmds": ["sh", "-c", "exit 3"], "skip_on_exit_code": 3},
    }
    write_lab(tree, {"exits": "root", "after": "exits", "skips": "root"}, commands)
    code, output = tree.run(LAB, f"--image={image}")
    assert code == 1
    assert states(output) == {
        "exits": "failed",
        "after": "upstream_failed",
        "skips": "skipped",
    }
    assert "\nall is lost\n" in output
    assert "the container 'base' ended with exit code 3" in output
    # A skipped task alone does not fail the run.
    code, output = tree.run(LAB, f"--image={image}", "--task", "skips")
    assert (code, states(output)) == (0, {"skips": "skipped"})


def test_a_pod_that_needs_a_cluster_is_refused_before_anything_runs(tree: Tree) -> None:
    path = {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}
    write_lab(tree, {"a": "root", "b": "a"}, {"a": {}, "b": path})
    code, output = tree.run(LAB, "--image=maxai/lab:none")
    assert code == 1
    _, error = output.splitlines()
    assert error.startswith(f"error: {LAB}/dag.py: task 'b': spec.volumes[0].hostPath")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_container(tree: Tree, image: str, number: int) -> None:
    write_lab(tree, {"a": "root"}, {"a": {"cmds": ["sh", "-c", "echo up; sleep 600"]}})
    listing = f"docker ps --quiet --all --filter volume={tree.data}"
    with tree.start(LAB, f"--image={image}") as process:
        wait(lambda: "\nup\n" in tree.log.read_text())
        assert os.popen(listing).read()
        process.send_signal(number)
        assert process.wait(60) == 128 + number
    wait(lambda: not os.popen(listing).read())


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: str) -> Path:
    """Make this process part of a run with a Secret, and return the folder of the run."""
    for name in ("home", "data", "local/secrets/db"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "local/secrets/db/password").write_text("a\nb\n")
    data, local = str(tmp_path / "data"), str(tmp_path / "local")
    to = LocalRun(data, local, {"maxai/lab": image})
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "home"))
    for name, value in to.export().items():
        monkeypatch.setenv(name, value)
    return tmp_path


def run_pod(first: str, then: str) -> Any:
    """Run an init container and a container with the same volumes; return the XCom."""
    volumes: dict[str, Any] = {
        "scratch": {"emptyDir": {}},
        "keep": {"persistentVolumeClaim": {"claimName": "models"}},
        "db": {"secret": {"secretName": "db"}},
    }
    given: dict[str, Any] = {
        "image": "maxai/lab",
        "volumeMounts": [{"name": name, "mountPath": f"/{name}"} for name in volumes],
    }
    secret = {"secretKeyRef": {"name": "db", "key": "password"}}
    env = [{"name": "PASSWORD", "valueFrom": secret}]
    base = {"name": "base", "command": ["sh", "-ec", then], "env": env, **given}
    before = {"name": "first", "command": ["sh", "-ec", first], **given}
    spec = {
        "containers": [base],
        "initContainers": [before],
        "volumes": [{"name": name, **volume} for name, volume in volumes.items()],
    }
    template = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "x"},
        "spec": spec,
    }
    task = KubernetesPodOperator(
        task_id="task", pod_template_dict=template, do_xcom_push=True
    )
    pod_containers.check(task, pod_containers.settings())
    return pod_containers.execute(task, None)


def test_volumes_secrets_and_xcom(engine: Path) -> None:
    first = "echo one > /scratch/a; cat /db/password > /keep/file; ! touch /db/new"
    then = """
        test "$PASSWORD" = "$(printf 'a\\nb')"
        test "$(cat /scratch/a)" = one
        echo '{"a": 1}' > /airflow/xcom/return.json
    """
    assert run_pod(first, then) == {"a": 1}
    # The folder of the claim stays, and belongs to the user who runs the test.
    kept = engine / "data/volumes/models/file"
    assert kept.read_text() == "a\nb\n" and kept.stat().st_uid == os.getuid()
    assert list((engine / "home").iterdir()) == []


def test_init_container_that_fails_ends_the_pod(engine: Path) -> None:
    message = "the container 'first' ended with exit code 3"
    with pytest.raises(AirflowException, match=message):
        run_pod("exit 3", "touch /keep/file")
    assert not (engine / "data/volumes/models/file").exists()


def test_an_airflow_with_all_dags(tree: Tree, image: str) -> None:
    echo = {"cmds": ["sh", "-c", "echo measured"]}
    write_lab(tree, {"measure": "root"}, {"measure": echo})
    with tree.start("maxaidags", f"--image={image}") as process:
        wait(lambda: "Airflow is ready" in tree.log.read_text())
        started = psutil.Process(process.pid).children(recursive=True)
        run_and_check(started, tree.log.read_text())
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
    for each in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            assert each.status() == psutil.STATUS_ZOMBIE


def run_and_check(started: list[psutil.Process], output: str) -> None:
    """Run the DAG of an Airflow, which listens at one local port."""
    address = re.findall(r"http://[\d.:]+\d", output)[0]
    api = Api(address, re.findall(r"'admin': (\w+)", output)[0])
    listening = {
        each.laddr
        for each in psutil.net_connections("inet")
        if each.status == psutil.CONN_LISTEN
        and each.pid in [process.pid for process in started]
    }
    assert listening == {("127.0.0.1", int(address.rpartition(":")[2]))}
    dag = "/api/v2/dags/lab.probe.first"
    wait(lambda: api.call("PATCH", dag, {"is_paused": False}))
    run = api.call("POST", f"{dag}/dagRuns", {"logical_date": None})
    path = f"{dag}/dagRuns/{run['dag_run_id']}"
    wait(lambda: api.call("GET", path)["state"] in ("success", "failed"))
    logs = api.call("GET", f"{path}/taskInstances/measure/logs/1")
    assert api.call("GET", path)["state"] == "success", logs
    assert "measured" in json.dumps(logs)
