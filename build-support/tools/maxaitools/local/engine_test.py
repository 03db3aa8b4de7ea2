"""Tests of local runs with Airflow and the Docker engine."""

import contextlib
import json
import os
import re
import signal
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk.exceptions import AirflowException

from maxaitools.local import pod_containers
from maxaitools.local.containers import LocalRun
from maxaitools.local.testing import Tree, run_objective, tasks_in

LAB = "maxaidags/lab/probe/first"
_LAB_DAG = """\
from maxairesources.dagfactory import DAGFactory

factory = DAGFactory("lab.probe.first", "lab", "probe", "first")
for task, parent in {parents!r}.items():
    factory.add(task_id=task, operator="KubernetesPodOperator", parent=[parent])
dag = factory.create_dag()
"""


def write_lab(
    tree: Tree,
    parents: Mapping[str, str],
    commands: Mapping[str, Mapping[str, Any]],
    output: Sequence[Any] = (),
) -> None:
    """Add the objective `LAB`, whose tasks run shell commands.

    Each has a parent, further arguments of its operator, such as `cmds`, and the output
    ports.
    """
    launches = []
    for number, (task, command) in enumerate(commands.items(), 1):
        conf = {"image": "maxai/lab", "arguments": ["lab"], **command}
        launches.append({"id": number, "name": task, "conf": conf})
    part = {"input": [], "output": output, "function": {"args": {}}}
    parts = json.dumps(dict.fromkeys(commands, part))
    for path, text in {
        "marketplace.toml": 'prefix = "maxai"',
        "maxaiconfigs/lab/probe/kubepod_config.json": json.dumps({"tasks": launches}),
        "maxaiconfigs/lab/probe/first/py_config.json": parts,
        f"{LAB}/dag.py": _LAB_DAG.format(parents=dict(parents)),
    }.items():
        file = tree.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


class Api:
    """The REST interface of an Airflow for the user admin."""

    def __init__(self, url: str, password: str) -> None:
        self._url, self._token = url, ""
        body = {"username": "admin", "password": password}
        login = wait(lambda: self.call("POST", "/auth/token", body))
        self._token = login["access_token"]

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request and return the JSON of its response."""
        bearer = f"Bearer {self._token}"
        request = urllib.request.Request(
            self._url + path,
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": bearer},
            method=method,
        )
        # A proxy of the environment does not lead back to this machine.
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=30) as answer:
            return json.load(answer)


def wait(read: Callable[[], Any], seconds: float = 240) -> Any:
    """Call a function until its result is true, and return the result."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        with contextlib.suppress(OSError):
            if answer := read():
                return answer
        time.sleep(0.3)
    raise AssertionError(f"no result after {seconds} s")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """Yield the name of an image maxai/lab, which is the base image with Python."""
    command = ["build-support/images/base-image", "tag", "python"]
    base = subprocess.run(command, capture_output=True, text=True, check=True)
    name = f"maxai/lab:{uuid.uuid4().hex[:12]}"
    subprocess.run(["docker", "tag", base.stdout.strip(), name], check=True)
    yield name
    subprocess.run(["docker", "image", "rm", name], stdout=subprocess.DEVNULL)


def test_states_logs_and_exit_code(tree: Tree, image: str) -> None:
    commands: dict[str, dict[str, Any]] = {
        "exits": {
            "cmds": ["sh", "-c", "echo all is lost; exit 3"],
            "retries": 2,
            "retry_delay": 3600,
        },
        "after": {},
        "skips": {"cmds": ["sh", "-c", "exit 3"], "skip_on_exit_code": 3},
        "reads": {"cmds": ["echo", "{{ var.value.bucket }}"]},
        "uses": {
            "cmds": [
                "python",
                "-c",
                "a = 'a' * 100 * 2**20; import time; time.sleep(3)",
            ],
            "container_resources": {"limits": {"memory": "128Mi"}},
        },
    }
    parents = {**dict.fromkeys(commands, "root"), "after": "exits"}
    write_lab(tree, parents, commands)
    (page := tree.root / "page.html").write_text("an earlier run")
    code, output = tree.run(LAB, f"--image={image}", f"--report={page}")
    assert code == 1
    assert tasks_in(output) == {
        "exits": ("failed", []),
        "after": ("upstream_failed", []),
        "skips": ("skipped", []),
        "reads": ("failed", []),
        "uses": ("success", []),
    }
    assert output.count("\nall is lost\n") == 1
    assert "\nretries are off (exits); --retries turns them on\n" in output
    assert re.search(r"\nreads +failed +- +-\n", output)
    (used,) = re.findall(r"\nuses +success +[\d.]+ +(1[01]\d of 128 MiB)\n", output)
    *_, errors, report = output.split("\n\n")
    file = "maxaiconfigs/lab/probe/kubepod_config.json"
    assert f"warning: {file}: task 'uses' used {used}; raise the memory " in errors
    assert f" seconds, memory {used}</p>" in (written := page.read_text())
    assert "an earlier run" not in written
    assert report == f"report: {page}\n"
    assert "error: task 'exits': AirflowException: the container 'base' ended" in errors
    assert "error: task 'reads': the Variable 'bucket' is missing; set AIR" in errors


PODS = """
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator

class OurPodOperator(KubernetesPodOperator):
    def execute(self, context):
        raise RuntimeError("asks the cloud for a cluster")
    hook = property(execute)
"""
SHAPES = """
from airflow.providers.standard.operators.python import BranchPythonOperator
from airflow.sdk import Param, TaskGroup
from maxaidags.lab.probe.pods import OurPodOperator
from maxairesources.dagfactory import DAGFactory

factory = DAGFactory(params={"country": Param(type="string")})
add, group = factory.add, TaskGroup("group", dag=factory.dag)
add("write", OurPodOperator, ["root"], task_group=group)
add("choose", BranchPythonOperator, ["write"], python_callable=lambda: "twice")
add("twice", OurPodOperator, ["choose"], expand={"env_vars": [{"A": "1"}, {"A": "2"}]})
add("skip", OurPodOperator, ["choose"])
dag = factory.create_dag()
"""


def test_run_objective(
    tree: Tree, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "{{ params.country }} {{ var.json.limits.most }} {{ var.value.region }}"
    script = f"mkdir /data/{{{{ ds }}}}; echo {words} > /data/{{{{ ds }}}}/a"
    commands = {"write": ["sh", "-c", script], "twice": ["true"], "skip": ["false"]}
    (tmp_path / "source/maxaiusecases.lab").mkdir(parents=True)
    source = Tree(tmp_path / "source")
    place = {"source": "file", "fileFormat": "csv", "filePath": "{{ ds }}/a"}
    ports = [{"port": 1, "type": "pandas", "sourceDetails": place}]
    lab = {task: {"cmds": command} for task, command in commands.items()}
    write_lab(source, {}, lab, ports)
    info = source.root / "maxaiusecases.lab/image.docker-info.json"
    info.write_text(json.dumps({"registries": [{"tags": [{"name": image}]}]}))
    (source.root / LAB / "dag.py").write_text(SHAPES)
    (source.root / LAB).with_name("pods.py").write_text(PODS)
    monkeypatch.chdir(source.root)
    monkeypatch.setenv("AIRFLOW_VAR_REGION", "north")
    test = str(source.root / LAB / "run_test.py")
    given: dict[str, Any] = {
        "conf": {"country": "de"},
        "variables": {"limits": {"most": 3}, "region": "the environment comes first"},
        "date": "2018-06-01",
        "skipped": ["skip"],
    }
    needed = "Invalid input for param country: No value passed .* --conf"
    with pytest.raises(AssertionError, match=needed):
        run_objective(tree, test)
    run_objective(tree, test, **given)
    assert (tree.data / "2018-06-01/a").read_text() == "de 3 north\n"
    output = tree.log.read_text()
    assert "ignored in a local run: OurPodOperator.execute\n" in output
    for old, new, message in (
        ("twice[1]     success", "twice[1]     failed", "'twice[1]' is failed, not"),
        (
            "0 rows, 11 bytes",
            "missing",
            "'group.write' has not written ['data/2018-06-01/a",
        ),
        ("group.write", "group.wrote", "'write' is not in the run"),
    ):
        changed = output.replace(old, new)
        monkeypatch.setattr(tree, "run", lambda *_, changed=changed: (0, changed))
        with pytest.raises(AssertionError, match=re.escape(message)):
            run_objective(tree, test, **given)


def test_a_pod_that_needs_a_cluster_is_refused_before_anything_runs(tree: Tree) -> None:
    path = {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}
    write_lab(tree, {"a": "root", "b": "a"}, {"a": {}, "b": path})
    code, output = tree.run(LAB, "--image=maxai/lab:none")
    assert code == 1
    _, error = output.splitlines()
    assert error.startswith(f"error: {LAB}/dag.py: task 'b': spec.volumes[0].hostPath")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_container(tree: Tree, image: str, number: int) -> None:
    sleep = {"cmds": ["sh", "-c", "echo up; sleep 600"]}
    write_lab(tree, {"other": "root", "a": "other"}, {"other": {}, "a": sleep})
    listing = f"docker ps --quiet --all --filter volume={tree.data}"
    with tree.start(LAB, f"--image={image}", "--task=a") as process:
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
    echo = {"cmds": ["sh", "-c", "echo measured {{ var.value['a.unit'] }}"]}
    write_lab(tree, {"measure": "root"}, {"measure": echo})
    (tree.root / "local").mkdir()
    (tree.root / "local/variables.json").write_text('{"a.unit": {"value": "kWh"}}')
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
    assert "measured kWh" in json.dumps(logs)
