"""Tests of local runs that fail, and of pods in the Docker engine."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk.exceptions import AirflowException

from maxaitools.local import pods
from maxaitools.local.containers import Settings, built_image
from maxaitools.local.testing import Tree, states

FINANCE = "maxaidags/finance/credit_risk/default_score"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@pytest.fixture
def image() -> str:
    return f"--image={built_image('finance', Path())}"


def change(tree: Tree, config: str, **values: Any) -> None:
    """Add arguments to the last task of a launch config: the first ones would run."""
    path = tree.root / "maxaiconfigs" / config
    content = json.loads(path.read_text())
    task = content["tasks"][-1]
    task["conf" if "conf" in task else "spark_submit_conf"].update(values)
    path.write_text(json.dumps(content))


# An objective with tasks that fail and a task that skips.
PROBE = "maxaidags/finance/credit_risk/probe"
DAG = """\
from maxairesources.dagfactory import DAGFactory

factory = DAGFactory(
    dag_id="finance.credit_risk.probe",
    domain_name="finance",
    usecase="credit_risk",
    obj="probe",
)
for name, parent in {
    "lacks_input": "root", "after": "lacks_input", "exits": "root", "skips": "root"
}.items():
    factory.add(task_id=name, operator="KubernetesPodOperator", parent=[parent])
dag = factory.create_dag()
"""


@pytest.fixture
def probe(tree: Tree) -> Tree:
    configs = tree.root / "maxaiconfigs/finance/credit_risk"
    kubepod = json.loads((configs / "kubepod_config.json").read_text())
    conf = kubepod["tasks"][0]["conf"]
    del conf["do_xcom_push"]
    commands: dict[str, dict[str, Any]] = {
        "lacks_input": {},
        "after": {},
        "exits": {"cmds": ["sh", "-c", "echo all is lost; exit 3"]},
        "skips": {"cmds": ["sh", "-c", "exit 3"], "skip_on_exit_code": 3},
    }
    kubepod["tasks"] = [
        {"id": number, "name": name, "conf": {**conf, **command}}
        for number, (name, command) in enumerate(commands.items(), 1)
    ]
    py_config = json.loads((configs / "default_score/py_config.json").read_text())
    (configs / "probe").mkdir()
    (configs / "probe/py_config.json").write_text(
        json.dumps(dict.fromkeys(commands, py_config["evaluate_model"]))
    )
    for path in configs.glob("kubepod_config*.json"):
        path.unlink()
    (configs / "kubepod_config.json").write_text(json.dumps(kubepod))
    (tree.root / PROBE).mkdir()
    (tree.root / PROBE / "dag.py").write_text(DAG)
    (tree.data / "finance/credit_cards.parquet").unlink()
    return tree


def test_failed_tasks_fail_the_run_and_show_their_logs(probe: Tree, image: str) -> None:
    done = probe.run(PROBE, image)
    assert done.returncode == 1
    assert states(done.stdout) == {
        "lacks_input": "failed",
        "after": "upstream_failed",
        "exits": "failed",
        "skips": "skipped",
    }
    assert "credit_cards.parquet: no such file" in done.stdout
    assert "    all is lost\n" in done.stdout
    assert "the container ended with exit code 3" in done.stdout


def test_skipped_task_alone_is_no_failure(probe: Tree, image: str) -> None:
    done = probe.run(PROBE, image, "--task", "skips")
    assert done.returncode == 0
    assert states(done.stdout) == {"skips": "skipped"}


@pytest.mark.parametrize(
    ("folder", "config", "values", "expected"),
    [
        (
            FINANCE,
            "finance/credit_risk/kubepod_config.json",
            {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]},
            "spec.volumes[0].hostPath",
        ),
        (
            "maxaidags/retail/customer360/segmentation",
            "retail/customer360/spark_config.json",
            {"conf": {"spark.kubernetes.driver.volumes.hostPath.v.mount.path": "/v"}},
            "spark.kubernetes.driver.volumes.hostPath.v.mount.path",
        ),
    ],
)
def test_what_a_laptop_cannot_honour_is_refused_before_anything_runs(
    folder: str,
    config: str,
    values: dict[str, Any],
    expected: str,
    tree: Tree,
) -> None:
    change(tree, config, **values)
    image = f"--image=maxai/{folder.split('/')[1]}:none"
    done = tree.run(folder, image)
    assert done.returncode == 1
    assert expected in done.stdout and "dag.py: task " in done.stdout
    assert "started" not in done.stdout


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make this process part of a run with a Secret, and return the run's folder."""
    for name in ("home", "data", "local/secrets/db"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "local/secrets/db/password").write_text("a\nb\n")
    images = {"maxai/finance": built_image("finance", Path())}
    to = Settings("test", str(tmp_path / "data"), 2, images, str(tmp_path / "local"))
    environment = {"AIRFLOW_HOME": str(tmp_path / "home")}
    to.export(environment)
    for name, value in environment.items():
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
        "image": "maxai/finance",
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
    pod = pods.manifest(task)
    pods.check(pod, pods.settings())
    return pods.execute(task, None)


def test_volumes_and_secrets_in_the_engine(engine: Path) -> None:
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
    message = "the init container 'first' ended with exit code 3"
    with pytest.raises(AirflowException, match=message):
        run_pod("exit 3", "touch /keep/file")
    assert not (engine / "data/volumes/models/file").exists()
