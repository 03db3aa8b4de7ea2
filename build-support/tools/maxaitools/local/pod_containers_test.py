"""Tests of the containers that pods and Spark jobs become in a local run."""

import re
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator

from maxairesources.errors import InputError
from maxaitools.local import pod_containers
from maxaitools.local.containers import Container, LocalRun
from maxaitools.local.spark_jobs import driver_memory, driver_pod

FIELD = {"fieldRef": {"fieldPath": "status.podIP"}}


@pytest.fixture
def to(tmp_path: Path) -> LocalRun:
    """Return settings with Secrets and a ConfigMap."""
    for file, content in {
        "secrets/db/user": "me\n",
        "secrets/db/password": "a\nb\n\n",
        "config-maps/app.settings/LEVEL": "x=$(y)",
    }.items():
        path = tmp_path / "local" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    images = {"maxai/shop": "maxai/shop:tag", "maxai/retail": "maxai/retail:tag"}
    return LocalRun("/data-root", str(tmp_path / "local"), images)


def pod(container: Any = None, **spec: Any) -> dict[str, Any]:
    """Return a pod, as the JSON that Kubernetes would get."""
    base = {"name": "base", "image": "maxai/shop", **(container or {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "pod", "namespace": "ns"},
        "spec": {"containers": [base], **spec},
    }


def started(given: dict[str, Any], to: LocalRun) -> Container:
    """Return the only container of a pod."""
    (container,) = pod_containers.docker_containers(given, to, Path("/pod"))
    return container


def values_of(container: Container, option: str) -> list[str]:
    """Return what an option of `docker run` is given, without the data root."""
    words = container.arguments
    found = [after for word, after in zip(words, words[1:]) if word == option]
    return [value for value in found if value != "/data-root:/data"]


@pytest.mark.parametrize(
    ("container", "arguments"),
    [
        ({"args": ["module", "--task", "x"]}, ["IMAGE", "module", "--task", "x"]),
        (
            {"command": ["sh", "-c"], "args": ["echo"]},
            ["--entrypoint", "sh", "IMAGE", "-c", "echo"],
        ),
        ({"env": [{"name": "A", "value": "b c"}]}, ["--env", "A=b c", "IMAGE"]),
        ({"workingDir": "/tmp"}, ["--workdir", "/tmp", "IMAGE"]),
        (
            {"resources": {"limits": {"memory": "1.5Gi", "cpu": "1500m"}}},
            ["--memory", "1610612736", "IMAGE"],
        ),
        (
            {"securityContext": {"readOnlyRootFilesystem": True, "runAsUser": 1}},
            ["--read-only", "IMAGE"],
        ),
        # An empty field asks for nothing.
        ({"lifecycle": {}, "stdin": False}, ["IMAGE"]),
    ],
)
def test_arguments_of_docker(
    container: Any, arguments: list[str], to: LocalRun
) -> None:
    made = started(pod(container), to).arguments
    assert made[0] == "--user" and made[2:4] == ["--volume", "/data-root:/data"]
    image = [word.replace("IMAGE", "maxai/shop:tag") for word in arguments]
    assert made[4:] == image


def test_what_has_no_effect_is_named(to: LocalRun) -> None:
    container = {"ports": [{"containerPort": 80}], "imagePullPolicy": "Always"}
    spec = {"tolerations": [{"operator": "Exists"}], "serviceAccountName": "someone"}
    given = pod(container, **spec)
    assert started(given, to).arguments[4:] == ["maxai/shop:tag"]
    assert {*pod_containers.ignored_in(given)} == {
        *("spec.containers[].ports", "spec.containers[].imagePullPolicy"),
        *("spec.tolerations", "spec.serviceAccountName"),
    }


@pytest.mark.parametrize(
    ("container", "spec", "message"),
    [
        ({}, {"hostNetwork": True}, "spec.hostNetwork does not work in a local run"),
        ({}, {"noSuchField": "x"}, "spec.noSuchField does not work"),
        (
            {},
            {"initContainers": [{"name": "a", "restartPolicy": "Always"}]},
            "spec.initContainers[0].restartPolicy does not work",
        ),
        *(({}, {"volumes": [{k: {"a": 1}}]}, k) for k in ("csi", "hostPath", "nfs")),
        ({"livenessProbe": {"exec": {"command": ["a"]}}}, {}, "livenessProbe"),
        ({"resources": {"limits": {"nvidia.com/gpu": "1"}}}, {}, "nvidia.com/gpu"),
        ({"volumeMounts": [{"name": "v", "subPathExpr": "a"}]}, {}, "subPathExpr"),
        (
            {},
            {"containers": [{"name": "a"}, {"name": "b"}]},
            "spec.containers[1] does not work",
        ),
        ({"args": ["$(HOME)"]}, {}, "$(HOME) is filled in by Kubernetes only"),
        ({"env": [{"name": "A", "valueFrom": FIELD}]}, {}, "valueFrom.fieldRef"),
        ({"image": "maxai/shpo"}, {}, "did you mean maxai/shop?"),
        ({"image": "alpine"}, {}, "use one of: maxai/retail, maxai/shop"),
    ],
)
def test_refused_pod(container: Any, spec: Any, message: str, to: LocalRun) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        pod_containers.docker_containers(pod(container, **spec), to, Path("/pod"))


def ref(kind: str, name: str, key: str, **more: Any) -> dict[str, Any]:
    return {"valueFrom": {f"{kind}KeyRef": {"name": name, "key": key, **more}}}


def test_variables(to: LocalRun) -> None:
    container = {
        "envFrom": [
            {"prefix": "DB_", "secretRef": {"name": "db"}},
            {"configMapRef": {"name": "app.settings"}},
            {"secretRef": {"name": "none", "optional": True}},
        ],
        "env": [
            {"name": "LEVEL", "value": "own"},
            {"name": "A", **ref("secret", "db", "password")},
            {"name": "B", **ref("configMap", "app.settings", "LEVEL")},
            {"name": "C", **ref("secret", "db", "no", optional=True)},
        ],
    }
    made = started(pod(container), to)
    # Secrets are named only, so that no list of processes shows them.
    expected = ["DB_password", "DB_user", "A", "LEVEL=own", "B=x=$(y)"]
    assert values_of(made, "--env") == expected
    # One newline, which an editor adds, is not part of the value.
    assert made.secrets == {"DB_user": "me", "DB_password": "a\nb\n", "A": "a\nb\n"}


CLAIM = {"persistentVolumeClaim": {"claimName": "models"}}
DB: dict[str, Any] = {"secret": {"secretName": "db"}}
USER = {"secret": {"secretName": "db", "items": [{"key": "user", "path": "a/b"}]}}


@pytest.mark.parametrize(
    ("volume", "mount", "expected"),
    [
        # Kubernetes takes a volume without a kind for an emptyDir.
        ({}, {"mountPath": "/a/"}, ["/pod/volumes/v:/a"]),
        (
            {"emptyDir": {"medium": "Memory"}},
            {"mountPath": "/b", "subPath": "x/y", "readOnly": True},
            ["/pod/volumes/v/x/y:/b:ro"],
        ),
        (CLAIM, {"mountPath": "/m"}, ["/data-root/volumes/models:/m"]),
        (
            {"persistentVolumeClaim": {"claimName": "models", "readOnly": True}},
            {"mountPath": "/m", "subPath": "x"},
            ["/data-root/volumes/models/x:/m:ro"],
        ),
        # A claim at /data is the data root, and mounted once.
        (CLAIM, {"mountPath": "/data", "readOnly": True}, ["/data-root:/data:ro"]),
        (DB, {"mountPath": "/s"}, ["LOCAL/secrets/db:/s:ro"]),
        (DB, {"mountPath": "/p", "subPath": "user"}, ["LOCAL/secrets/db/user:/p:ro"]),
        (USER, {"mountPath": "/s"}, ["LOCAL/secrets/db/user:/s/a/b:ro"]),
        (USER, {"mountPath": "/s", "subPath": "a/b"}, ["LOCAL/secrets/db/user:/s:ro"]),
        (
            {"configMap": {"name": "app.settings"}},
            {"mountPath": "/c"},
            ["LOCAL/config-maps/app.settings:/c:ro"],
        ),
        ({"configMap": {"name": "none", "optional": True}}, {"mountPath": "/c"}, []),
    ],
)
def test_volume(volume: Any, mount: Any, expected: list[str], to: LocalRun) -> None:
    container = {"volumeMounts": [{"name": "v", **mount}]}
    made = started(pod(container, volumes=[{"name": "v", **volume}]), to)
    given = [value.replace(to.local, "LOCAL") for value in values_of(made, "--volume")]
    assert given == expected
    assert len(made.folders) == len(expected)


@pytest.mark.parametrize(
    ("source", "key", "message"),
    [
        (
            {"secretName": "new"},
            "",
            "a local run reads the Secret 'new' from local/secrets/new/, which is missing; "
            "type `mkdir -p local/secrets/new && printf %s VALUE > local/secrets/new/KEY`",
        ),
        ({"secretName": "db"}, "no", "printf %s VALUE > local/secrets/db/no`"),
        (
            {"secretName": "db", "items": [{"key": "no", "path": "a"}]},
            "",
            "printf %s VALUE > local/secrets/db/no`",
        ),
    ],
)
def test_missing_secret(source: Any, key: str, message: str, to: LocalRun) -> None:
    container = {"volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": key}]}
    with pytest.raises(InputError, match=re.escape(message)):
        started(pod(container, volumes=[{"name": "v", "secret": source}]), to)


def submitted(conf: dict[str, str], to: LocalRun, **arguments: Any) -> Container:
    """Return the container of a Spark job."""
    conf = {"spark.kubernetes.container.image": "maxai/shop", **conf}
    job = SparkSubmitOperator(
        task_id="job", application="local:///a.py", conf=conf, **arguments
    )
    return started(driver_pod(job), to)


def test_spark_gets_all_arguments_but_the_master(to: LocalRun) -> None:
    conf = {"spark.executor.instances": "2", "spark.sql.shuffle.partitions": "8"}
    given = {"deploy_mode": "cluster", "packages": "a:b:1", "conn_id": "no_such"}
    made = submitted(conf, to, application_args=["--task", "x"], **given).arguments
    start = made.index("maxai/shop:tag")
    assert made[start + 1 : start + 6] == [
        *("driver", "--conf", "spark.log.level=WARN"),
        *("--master", "local[*]"),
    ]
    text = " ".join(made[start:])
    assert "--conf spark.executor.instances=2" in text and "--packages a:b:1" in text
    assert made[-3:] == ["local:///a.py", "--task", "x"]
    assert "cluster" not in made


def test_driver_gets_its_variables_secrets_and_volumes(to: LocalRun) -> None:
    driver = "spark.kubernetes.driver"
    claim = f"{driver}.volumes.persistentVolumeClaim.w"
    conf = {
        f"{driver}.container.image": "maxai/retail",
        f"{driver}Env.A": "b=c",
        f"{driver}.secretKeyRef.USER": "db:user",
        f"{driver}.secrets.db": "/secrets",
        f"{driver}.volumes.emptyDir.v.mount.path": "/v",
        f"{driver}.volumes.emptyDir.v.options.sizeLimit": "1Gi",
        f"{claim}.mount.path": "/w",
        f"{claim}.mount.readOnly": "true",
        f"{claim}.mount.subPath": "a",
        f"{claim}.options.claimName": "models",
        "spark.kubernetes.executor.secrets.no": "/no",
    }
    container = submitted(conf, to, env_vars={"B": "1"})
    assert "maxai/retail:tag" in container.arguments
    assert values_of(container, "--volume") == [
        f"{to.local}/secrets/db:/secrets:ro",
        "/pod/volumes/v:/v",
        "/data-root/volumes/models/a:/w:ro",
    ]
    variables = values_of(container, "--env")
    assert variables[0] == "USER" and variables[-2:] == ["B=1", "A=b=c"]
    assert container.secrets == {"USER": "me"}


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("podTemplateFile", "spark.kubernetes.driver.podTemplateFile does not work"),
        (
            "volumes.hostPath.v.mount.path",
            "volumes.hostPath.v.mount.path does not work",
        ),
        ("volumes.emptyDir.v.mount.readOnly", "v.mount.path is missing"),
        ("volumes.persistentVolumeClaim.v.mount.path", "options.claimName is missing"),
        ("secrets.no", "the Secret 'no' from local/secrets/no/"),
        ("container.image", "image 'x' is not built here"),
    ],
)
def test_refused_key_of_the_driver(key: str, message: str, to: LocalRun) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        submitted({f"spark.kubernetes.driver.{key}": "x"}, to)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"conf": {"spark.driver.memory": "512m"}}, 512 * 2**20),
        ({"conf": {"spark.driver.memory": "1g"}, "driver_memory": "2G"}, 2 * 2**30),
        ({"conf": {"spark.driver.memory": "2048"}}, None),
        ({}, None),
    ],
)
def test_memory_of_a_driver(given: Any, expected: int | None) -> None:
    assert driver_memory(SparkSubmitOperator(task_id="task", **given)) == expected
