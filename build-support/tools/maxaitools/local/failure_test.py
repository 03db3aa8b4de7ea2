"""Tests of local runs that fail, and of pods in the Docker engine."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk.exceptions import AirflowException

from maxaitools.local import pods
from maxaitools.local.containers import Settings
from maxaitools.local.testing import LAB, Tree, lab_image, states, write_lab


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    with lab_image() as name:
        yield name


@pytest.fixture
def probe(tree: Tree) -> Tree:
    """A tree with an objective whose tasks fail and skip."""
    commands: dict[str, dict[str, Any]] = {
        "exits": {"cmds": ["sh", "-c", "echo all is lost; exit 3"]},
        "after": {},
        "skips": {"cmds": ["sh", "-c", "exit 3"], "skip_on_exit_code": 3},
    }
    write_lab(tree, {"exits": "root", "after": "exits", "skips": "root"}, commands)
    return tree


def test_failed_tasks_fail_the_run_and_show_their_logs(probe: Tree, image: str) -> None:
    done = probe.run(LAB, f"--image={image}")
    assert done.returncode == 1
    assert states(done.stdout) == {
        "exits": "failed",
        "after": "upstream_failed",
        "skips": "skipped",
    }
    assert "    all is lost\n" in done.stdout
    assert "the container ended with exit code 3" in done.stdout


def test_a_skipped_task_alone_is_no_failure(probe: Tree, image: str) -> None:
    done = probe.run(LAB, f"--image={image}", "--task", "skips")
    assert done.returncode == 0
    assert states(done.stdout) == {"skips": "skipped"}


def test_a_pod_that_needs_a_cluster_is_refused_before_anything_runs(tree: Tree) -> None:
    path = {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}
    write_lab(tree, {"a": "root", "b": "a"}, {"a": {}, "b": path})
    done = tree.run(LAB, "--image=maxai/lab:none")
    assert done.returncode == 1
    assert "spec.volumes[0].hostPath" in done.stdout and "task 'b'" in done.stdout
    assert "started" not in done.stdout


def test_a_spark_job_that_needs_a_cluster_is_refused_before_anything_runs(
    tree: Tree,
) -> None:
    write_lab(tree, {"a": "root"}, {"a": {}})
    key = "spark.kubernetes.driver.volumes.hostPath.v.mount.path"
    conf = {"spark.kubernetes.container.image": "maxai/lab", key: "/v"}
    submit = {"application": "local:///opt/maxai/lab.py"}
    launch = {"id": 1, "name": "a", "spark_submit_conf": submit}
    configs = tree.root / "maxaiconfigs/lab/probe"
    (configs / "kubepod_config.json").unlink()
    config = json.dumps({"conf": conf, "tasks": [launch]})
    (configs / "spark_config.json").write_text(config)
    dag = tree.root / LAB / "dag.py"
    dag.write_text(
        dag.read_text().replace("KubernetesPodOperator", "SparkSubmitOperator")
    )
    done = tree.run(LAB, "--image=maxai/lab:none")
    assert done.returncode == 1
    assert key in done.stdout and "task 'a'" in done.stdout
    assert "started" not in done.stdout


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: str) -> Path:
    """Make this process part of a run with a Secret, and return the folder of the run."""
    for name in ("home", "data", "local/secrets/db"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "local/secrets/db/password").write_text("a\nb\n")
    images = {"maxai/lab": image}
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
