"""Tests of what the local runner makes of names, pods, Spark's arguments and outputs."""

import copy
import datetime
import json
import sqlite3
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import maxaitools.local.run
from maxairesources.errors import InputError
from maxaitools.local import main as local
from maxaitools.local import pods, spark
from maxaitools.local.containers import Settings, image_of
from maxaitools.local.run import (
    _outputs,
    _size,
    logical_date,
    make_database,
    select,
    table,
)

# How long an example takes is a matter of the machine.
_SLOW = HealthCheck.too_slow
settings.register_profile("untimed", deadline=None, suppress_health_check=[_SLOW])
settings.load_profile("untimed")

TO = Settings("run", "/somewhere", 2, {"maxai/shop": "maxai/shop:tag"}, "/local")
IMAGE = "spark.kubernetes.container.image=maxai/shop"
APPLICATION = "local:///opt/maxai/handler.py"


def pod(container: Any = None, **spec: Any) -> dict[str, Any]:
    """Return a pod, as the JSON that Kubernetes would get."""
    base = {"name": "base", "image": "maxai/shop", **(container or {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "pod"},
        "spec": {"containers": [base], **spec},
    }


def docker(given_pod: dict[str, Any]) -> list[str]:
    """Return the arguments for Docker, without those that all pods have."""
    (container,) = pods.docker_containers(given_pod, TO, Path("/pod"))
    arguments = container.arguments
    assert arguments[0] == "--user"
    assert arguments[2:4] == ["--volume", "/somewhere:/data"]
    return arguments[4:]


# Names.


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for place in ("shop/one/first", "shop/one/second", "bank/two/third"):
        (tmp_path / "maxaidags" / place).mkdir(parents=True)
        (tmp_path / "maxaidags" / place / "dag.py").touch()
    return tmp_path


OBJECTIVE = "maxaidags/shop/one/first"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["maxaidags", "--date", "2017-06-01"], "it has no option 'date'; run an obj"),
        (["maxaidags", "--task", "x"], "it has no option 'task'; run an objective"),
        ([OBJECTIVE, "--date", "June"], "'June' is not an ISO date"),
        ([OBJECTIVE, "--date", "2999-01-01"], "is not over yet"),
        ([OBJECTIVE, "--deployment", "pord"], "did you mean prod?"),
        (["maxaidags", "--deployment", ""], "has an overlay for a deployment ''"),
    ],
)
def test_wrong_use(
    tree: Path,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tree)
    (tree / "maxaiconfigs/shop/one").mkdir(parents=True)
    (tree / "maxaiconfigs/shop/one/spark_config.prod.json").touch()
    assert local.main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and message in line


def test_missing_data(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tree)
    monkeypatch.delenv("MAXAI_DATA_ROOT", raising=False)
    assert local.main([OBJECTIVE]) == 1
    assert "create it with the input files" in capsys.readouterr().err


def test_no_engine(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tree)
    (tree / "data").mkdir()
    monkeypatch.setenv("PATH", str(tree))
    assert local.main([OBJECTIVE]) == 1
    assert capsys.readouterr().err == (
        "error: the Docker engine: docker is not installed; run build-support/setup\n"
    )


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("maxai/shpo", "did you mean maxai/shop?"),
        ("maxai/shop:1", "remove the tag"),
        ("alpine", "use one of: maxai/shop"),
    ],
)
def test_unknown_image(image: str, message: str) -> None:
    with pytest.raises(InputError, match=message.replace("?", r"\?")):
        image_of(image, TO.images)


def test_a_run_may_begin_at_a_task_or_be_of_one_alone() -> None:
    with DAG("dag") as dag:
        first, second, third = (EmptyOperator(task_id=name) for name in "abc")
        first >> second >> third
    assert {*select(dag, None, None).task_ids} == {"a", "b", "c"}
    assert {*select(dag, "b", None).task_ids} == {"b"}
    assert {*select(dag, None, "b").task_ids} == {"b", "c"}
    with pytest.raises(
        InputError, match="--from: the DAG has no task 'x'; use one of: a, b, c"
    ):
        select(dag, None, "x")


def test_a_date_is_in_the_dags_time_zone_and_not_before_its_start() -> None:
    start = datetime.datetime(2018, 1, 1, tzinfo=ZoneInfo("America/New_York"))
    with DAG("dag", start_date=start) as dag:
        EmptyOperator(task_id="a")
    assert logical_date(dag, None) is None
    assert logical_date(dag, datetime.datetime(2018, 1, 1)) == start
    message = (
        "2017-06-01 00:00 EDT is before the DAG's start_date, 2018-01-01 05:00 UTC"
    )
    with pytest.raises(InputError, match=message):
        logical_date(dag, datetime.datetime(2017, 6, 1))


def test_a_database_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def make() -> None:
        made.append(1)
        with sqlite3.connect(tmp_path / "first.db") as database:
            database.execute("create table if not exists t (x)")

    monkeypatch.setattr(maxaitools.local.run, "initdb", make)
    for name in ("first.db", "second.db"):
        make_database(tmp_path / name, tmp_path / "cache/template.db")
    with sqlite3.connect(tmp_path / "second.db") as database:
        assert database.execute("select * from t").fetchall() == []
    assert made == [1]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["template.db"]
    # A cache that cannot be written is not an error.
    (tmp_path / "file").touch()
    make_database(tmp_path / "first.db", tmp_path / "file/template.db")
    assert made == [1, 1]


# Pods.


def test_arguments_of_a_pod() -> None:
    assert docker(pod({"args": ["module", "--task", "x"]})) == [
        *("maxai/shop:tag", "module", "--task", "x")
    ]


def test_command_becomes_the_entry_point() -> None:
    given_pod = pod({"command": ["sh", "-c"], "args": ["echo"]})
    expected = ["--entrypoint", "sh", "maxai/shop:tag", "-c", "echo"]
    assert docker(given_pod) == expected


@pytest.mark.parametrize(
    ("container", "arguments"),
    [
        ({"env": [{"name": "A", "value": "b c"}]}, ["--env", "A=b c"]),
        ({"env": [{"name": "A"}]}, ["--env", "A="]),
        ({"workingDir": "/tmp"}, ["--workdir", "/tmp"]),
        ({"resources": {"limits": {"memory": "1.5Gi"}}}, ["--memory", "1610612736"]),
        ({"resources": {"limits": {"memory": "2G"}}}, ["--memory", "2000000000"]),
        ({"resources": {"limits": {"cpu": "1500m"}}}, ["--cpus", "1.500"]),
        # Kubernetes takes a limit above what there is; Docker does not.
        ({"resources": {"limits": {"cpu": "64"}}}, ["--cpus", "2"]),
        (
            {"securityContext": {"allowPrivilegeEscalation": False}},
            ["--security-opt", "no-new-privileges"],
        ),
        (
            {"securityContext": {"capabilities": {"drop": ["ALL"]}}},
            ["--cap-drop", "ALL"],
        ),
        ({"securityContext": {"readOnlyRootFilesystem": True}}, ["--read-only"]),
        ({"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}, []),
        (
            {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
            ["--security-opt", "seccomp=unconfined"],
        ),
    ],
)
def test_fields_that_docker_gets(container: Any, arguments: list[str]) -> None:
    given_pod = pod(container)
    pods.check(given_pod, TO)
    assert docker(given_pod) == [*arguments, "maxai/shop:tag"]


@pytest.mark.parametrize(
    "spec",
    [
        {"affinity": {"nodeAffinity": {}}},
        {"automountServiceAccountToken": True},
        {"imagePullSecrets": [{"name": "registry"}]},
        {"nodeSelector": {"disk": "ssd"}},
        {"priorityClassName": "low"},
        {"restartPolicy": "Never"},
        {"schedulerName": "volcano"},
        {"securityContext": {"fsGroup": 1, "runAsNonRoot": True, "runAsUser": 10001}},
        {"serviceAccountName": "someone"},
        {"terminationGracePeriodSeconds": 5},
        {"tolerations": [{"operator": "Exists"}]},
        # What is empty asks for nothing.
        {"hostNetwork": False, "volumes": [], "initContainers": []},
    ],
)
def test_fields_without_effect(spec: Any) -> None:
    given_pod = pod(**spec)
    pods.check(given_pod, TO)
    assert docker(given_pod) == ["maxai/shop:tag"]


@pytest.mark.parametrize(
    ("container", "spec", "path"),
    [
        ({}, {"activeDeadlineSeconds": 5}, "spec.activeDeadlineSeconds"),
        ({}, {"dnsConfig": {"searches": ["a"]}}, "spec.dnsConfig"),
        ({}, {"hostAliases": [{"ip": "10.0.0.1"}]}, "spec.hostAliases"),
        ({}, {"hostIPC": True}, "spec.hostIPC"),
        ({}, {"hostNetwork": True}, "spec.hostNetwork"),
        ({}, {"hostname": "name"}, "spec.hostname"),
        (
            {},
            {"initContainers": [{"name": "a", "restartPolicy": "Always"}]},
            "spec.initContainers[0].restartPolicy",
        ),
        ({}, {"runtimeClassName": "gvisor"}, "spec.runtimeClassName"),
        (
            {},
            {"securityContext": {"sysctls": [{"name": "a", "value": "b"}]}},
            "spec.securityContext.sysctls",
        ),
        ({}, {"shareProcessNamespace": True}, "spec.shareProcessNamespace"),
        *(
            (
                {},
                {"volumes": [{"name": "v", kind: {"a": 1}}]},
                f"spec.volumes[0].{kind}",
            )
            for kind in ("csi", "downwardAPI", "ephemeral", "hostPath", "nfs")
        ),
        (
            {},
            {
                "volumes": [
                    {
                        "name": "v",
                        "projected": {
                            "sources": [{"serviceAccountToken": {"path": "a"}}]
                        },
                    }
                ]
            },
            "spec.volumes[0].projected.sources[0].serviceAccountToken",
        ),
        (
            {
                "env": [
                    {"name": "A"},
                    {"name": "B", "valueFrom": {"resourceFieldRef": {"resource": "a"}}},
                ]
            },
            {},
            "spec.containers[0].env[1].valueFrom.resourceFieldRef",
        ),
        ({"lifecycle": {"preStop": {}}}, {}, "spec.containers[0].lifecycle"),
        ({"livenessProbe": {"exec": {}}}, {}, "spec.containers[0].livenessProbe"),
        (
            {"resources": {"limits": {"nvidia.com/gpu": "1"}}},
            {},
            "spec.containers[0].resources.limits.nvidia.com/gpu",
        ),
        (
            {"securityContext": {"privileged": True}},
            {},
            "spec.containers[0].securityContext.privileged",
        ),
        (
            {"securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}},
            {},
            "spec.containers[0].securityContext.capabilities.add",
        ),
        ({"stdin": True}, {}, "spec.containers[0].stdin"),
        (
            {"volumeMounts": [{"name": "v", "subPathExpr": "a"}]},
            {},
            "spec.containers[0].volumeMounts[0].subPathExpr",
        ),
        (
            {"volumeMounts": [{"name": "v", "mountPropagation": "HostToContainer"}]},
            {},
            "spec.containers[0].volumeMounts[0].mountPropagation",
        ),
        (
            {"volumeDevices": [{"name": "v", "devicePath": "/v"}]},
            {},
            "spec.containers[0].volumeDevices",
        ),
    ],
)
def test_refused_field(container: Any, spec: Any, path: str) -> None:
    with pytest.raises(InputError) as error:
        docker(pod(container, **spec))
    assert error.value.problem.startswith(f"{path} does not work in a local run: ")


def test_second_container_is_refused() -> None:
    given_pod = pod()
    given_pod["spec"]["containers"].append({"name": "other", "image": "other"})
    with pytest.raises(InputError, match=r"spec\.containers\[1\] does not work"):
        docker(given_pod)


def test_reference_is_refused() -> None:
    with pytest.raises(InputError, match=r"\$\(HOME\) is filled in by Kubernetes"):
        docker(pod({"args": ["$(HOME)"]}))


def test_local_seccomp_profile_is_refused() -> None:
    profile = {"type": "Localhost", "localhostProfile": "a"}
    with pytest.raises(
        InputError, match="seccompProfile.localhostProfile does not work"
    ):
        docker(pod(securityContext={"seccompProfile": profile}))


def _with_sidecar() -> dict[str, Any]:
    given_pod = pod({"volumeMounts": [{"mountPath": "/airflow/xcom", "name": "xcom"}]})
    spec = given_pod["spec"]
    spec["volumes"] = [{"name": "xcom", "emptyDir": {}}]
    spec["containers"].append({"name": "airflow-xcom-sidecar", "image": "alpine"})
    return given_pod


def test_sidecar_becomes_a_folder() -> None:
    given_pod = _with_sidecar()
    before = copy.deepcopy(given_pod)
    expected = ["--volume", "/pod/volumes/xcom:/airflow/xcom", "maxai/shop:tag"]
    assert docker(given_pod) == expected
    assert given_pod == before


def test_sidecar_hides_no_volume() -> None:
    given_pod = _with_sidecar()
    given_pod["spec"]["volumes"].append({"name": "v", "nfs": {"path": "/"}})
    with pytest.raises(InputError, match=r"spec\.volumes\[1\]\.nfs does not work"):
        docker(given_pod)


@pytest.mark.parametrize(
    ("container", "name", "message"),
    [
        ({"resources": {"limitz": {}}}, "pod", r"spec\.containers\.0\.resources"),
        ({"resources": {"limits": {"cpu": "1 core"}}}, "pod", "'1 core'"),
        ({"resources": {"requests": {"memory": "1Gib"}}}, "pod", "1Gib"),
        ({"env": [{"nam": "A", "value": "b"}]}, "pod", r"\.env\.0"),
        ({"args": "module"}, "pod", r"\.args"),
        ({}, "my_pod", "the pod's name 'my_pod'"),
    ],
)
def test_pod_that_kubernetes_refuses(container: Any, name: str, message: str) -> None:
    given_pod = pod(container)
    given_pod["metadata"]["name"] = name
    with pytest.raises(InputError, match=f"Kubernetes would reject .*{message}"):
        pods.check(given_pod, TO)


@given(st.text(min_size=1).filter(lambda name: f"spec.{name}" not in pods.FIELDS))
def test_field_that_nobody_knows_is_refused(name: str) -> None:
    if name in ("containers", "securityContext"):
        return
    with pytest.raises(InputError, match="does not work in a local run"):
        docker(pod(**{name: "value"}))


# Spark.


def submitted(*arguments: str) -> list[str]:
    """Return the arguments for Docker, without those that all jobs have."""
    given_ones = ["--master", "local[*]", "--conf", IMAGE, *arguments]
    made = spark.docker_container(given_ones, TO, Path("/job")).arguments
    assert made[2:4] == ["--volume", "/somewhere:/data"]
    assert made[4:6] == ["--env", "SPARK_DRIVER_BIND_ADDRESS=127.0.0.1"]
    assert made[6:8] == ["--env", "SPARK_SUBMIT_OPTS=-XX:TieredStopAtLevel=1"]
    return made[8:]


START = ["maxai/shop:tag", "driver", "--master", "local[*]"]


def test_arguments_of_a_job() -> None:
    handler = ("--conf", "not an argument of spark-submit", "--files", "x")
    assert submitted(APPLICATION, *handler) == [*START, APPLICATION, *handler]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--name", "job"],
        ["--verbose"],
        ["--driver-memory", "2g"],
        ["--class", "a.B"],
        ["--conf", "spark.driver.memory=2g"],
        ["--conf", "spark.sql.shuffle.partitions=8"],
        ["--conf", "spark.executorEnv.A=b=c"],
    ],
)
def test_arguments_of_spark_submit(arguments: list[str]) -> None:
    assert submitted(*arguments, APPLICATION) == [*START, *arguments, APPLICATION]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--num-executors", "2"],
        ["--executor-cores", "2"],
        ["--executor-memory", "2g"],
        ["--total-executor-cores", "2"],
        ["--queue", "a"],
        ["--deploy-mode", "cluster"],
        ["--conf", "spark.submit.deployMode=cluster"],
        ["--conf", "spark.executor.instances=2"],
        ["--conf", "spark.kubernetes.namespace=a"],
        ["--conf", "spark.kubernetes.driver.label.a=b"],
        ["--conf", "spark.kubernetes.executor.annotation.a=b"],
        ["--conf", "spark.kubernetes.node.selector.a=b"],
        ["--conf", "spark.kubernetes.executor.request.cores=1"],
        ["--conf", "spark.kubernetes.authenticate.driver.serviceAccountName=a"],
        ["--conf", "spark.kubernetes.container.image.pullSecrets=a"],
        ["--conf", "spark.kubernetes.executor.secretKeyRef.A=a:b"],
        ["--conf", "spark.kubernetes.executor.secrets.a=/a"],
        ["--conf", "spark.kubernetes.executor.volumes.emptyDir.a.mount.path=/a"],
    ],
)
def test_what_has_no_effect(arguments: list[str]) -> None:
    assert submitted(*arguments, APPLICATION) == [*START, APPLICATION]


def test_environment_of_the_driver() -> None:
    given_conf = ("--conf", "spark.kubernetes.driverEnv.A=b=c")
    assert submitted(*given_conf, APPLICATION) == [
        "--env",
        "A=b=c",
        *START,
        APPLICATION,
    ]


def test_image_of_the_driver_wins() -> None:
    key = "spark.kubernetes.driver.container.image=maxai/bank"
    images = {**TO.images, "maxai/bank": "maxai/bank:tag"}
    to = Settings("run", "/x", 2, images, "/local")
    arguments = ["--master", "local[*]", "--conf", IMAGE, "--conf", key, APPLICATION]
    made = spark.docker_container(arguments, to, Path()).arguments
    assert "maxai/bank:tag" in made and "maxai/shop:tag" not in made


def test_arguments_of_the_application_are_none_of_sparks() -> None:
    own = ["--conf", "spark.kubernetes.container.image=maxai/other"]
    arguments = ["--master", "local[*]", "--conf", IMAGE, APPLICATION, *own]
    made = spark.docker_container(arguments, TO, Path()).arguments
    assert "maxai/shop:tag" in made


@pytest.mark.parametrize(
    ("argument", "values"),
    [
        *(
            (name, ["x"])
            for name, rule in spark.ARGUMENTS.items()
            if rule.does is spark.Does.REFUSE
        ),
        ("--no-such-argument", ["x"]),
        ("--status", ["driver-1"]),
        *(
            (key, [])
            for key in (
                "spark.archives",
                "spark.files",
                "spark.jars",
                "spark.jars.packages",
                "spark.kerberos.keytab",
                "spark.submit.pyFiles",
                "spark.kubernetes.driver.podTemplateFile",
                "spark.kubernetes.driver.volumes.hostPath.a.mount.path",
                "spark.kubernetes.driver.volumes.nfs.a.mount.path",
                "spark.kubernetes.executor.podTemplateFile",
                "spark.kubernetes.executor.volumes.hostPath.a.mount.path",
                "spark.kubernetes.executor.volumes.nfs.a.mount.path",
                "spark.kubernetes.file.upload.path",
                "spark.kubernetes.no.such.key",
                "no.key.of.spark",
            )
        ),
    ],
)
def test_refused_argument(argument: str, values: list[str]) -> None:
    given_ones = [argument, *values] if values else ["--conf", f"{argument}=x"]
    with pytest.raises(InputError) as error:
        submitted(*given_ones, APPLICATION)
    assert error.value.problem.startswith(f"{argument} ")


def test_another_master_is_refused() -> None:
    with pytest.raises(InputError, match="the master is yarn; remove its conn_id"):
        spark.docker_container(["--master", "yarn", APPLICATION], TO, Path())


def test_image_is_needed() -> None:
    with pytest.raises(InputError, match="container.image is missing"):
        spark.docker_container(["--master", "local[*]", APPLICATION], TO, Path())


# Outputs.


def test_table() -> None:
    rows = [
        ("first", "success", 61.04, ["data/a.csv (1 kB)", "data/b.csv (2 kB)"]),
        ("second[0]", "skipped", None, []),
    ]
    assert table(rows) == (
        "task       state    seconds  output\n"
        "---------  -------  -------  ------\n"
        "first      success     61.0  data/a.csv (1 kB)\n"
        "                             data/b.csv (2 kB)\n"
        "second[0]  skipped"
    )


@pytest.mark.parametrize("key", ["arguments", "application_args"])
def test_outputs(tmp_path: Path, key: str) -> None:
    details = [
        {"source": "file", "filePath": "a.csv"},
        {"source": "file", "filePath": "/data/b.parquet"},
        {"source": "file", "filePath": "none.csv"},
        {"source": "s3", "filePath": "bucket/c.csv"},
    ]
    config = {"task": {"output": [{"sourceDetails": each} for each in details]}}
    (tmp_path / "a.csv").write_text("a" * 10)
    (tmp_path / "b.parquet").mkdir()
    (tmp_path / "b.parquet/part").write_text("a" * 12345)

    class Task:
        pass

    task = Task()
    setattr(task, key, ["module", "--config", json.dumps(config), "--task", "task"])
    assert list(_outputs(task, tmp_path)) == [
        f"{tmp_path}/a.csv (10 B)",
        f"{tmp_path}/b.parquet (12.3 kB)",
        f"{tmp_path}/none.csv (missing)",
        "s3://bucket/c.csv",
    ]
    assert not list(_outputs(Task(), tmp_path))


def test_size(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as large:
        large.truncate(2_500_000_000)
    assert _size(tmp_path / "large") == "2.5 GB"
