"""Tests of volumes, Secrets and ConfigMaps in the pods and Spark jobs of local runs."""

import re
from pathlib import Path
from typing import Any

import pytest

from maxairesources.errors import InputError
from maxaitools.local import pods, spark
from maxaitools.local.containers import Container, Settings
from maxaitools.local.volumes import make_volumes


@pytest.fixture
def to(tmp_path: Path) -> Settings:
    """Return settings with a Secret and a ConfigMap."""
    for file, content in {
        "secrets/db/user": "me\n",
        "secrets/db/password": "a\nb\n\n",
        "secrets/empty/key": "",
        "config-maps/app.settings/run.sh": "echo a\r\n",
        "config-maps/app.settings/LEVEL": "x=$(y)",
    }.items():
        path = tmp_path / "local" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())
    (tmp_path / "data").mkdir()
    images = {"maxai/shop": "maxai/shop:tag"}
    return Settings("run", str(tmp_path / "data"), 2, images, str(tmp_path / "local"))


def pod(*volumes: Any, first: Any = (), **container: Any) -> dict[str, Any]:
    """Return a pod, as the JSON that Kubernetes would get."""
    base = {"name": "base", "image": "maxai/shop", **container}
    metadata = {"name": "pod", "namespace": "ns", "labels": {"a/b": "c"}}
    spec = {"containers": [base], "initContainers": [*first], "volumes": [*volumes]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def started(given_pod: dict[str, Any], to: Settings) -> Container:
    """Return a pod's only container, of a pod that passes the check."""
    pods.check(given_pod, to)
    (container,) = pods.docker_containers(given_pod, to, Path("/pod"))
    return container


def values_of(container: Container, option: str) -> list[str]:
    """Return what an option of `docker run` is given, without the common values."""
    words = container.arguments
    found = [after for word, after in zip(words, words[1:]) if word == option]
    return [value for value in found if not value.endswith("/data:/data")]


def ref(kind: str, name: str, key: str, **more: Any) -> dict[str, Any]:
    return {"valueFrom": {f"{kind}KeyRef": {"name": name, "key": key, **more}}}


# Variables.


def test_secret_variables_are_passed_by_name(to: Settings) -> None:
    env = [
        {"name": "A", **ref("secret", "db", "password")},
        {"name": "B", **ref("configMap", "app.settings", "LEVEL")},
        {"name": "C", **ref("secret", "db", "no", optional=True)},
        {"name": "D", **ref("secret", "none", "no", optional=True)},
        {"name": "E", **ref("secret", "empty", "key")},
    ]
    container = started(pod(env=env), to)
    # A value that is not written in the pod holds no reference.
    assert values_of(container, "--env") == ["A", "B=x=$(y)", "E"]
    # One newline, which an editor adds, is not part of the value.
    assert container.secrets == {"A": "a\nb\n", "E": ""}


def test_all_keys_become_variables(to: Settings) -> None:
    env_from = [
        {"prefix": "DB_", "secretRef": {"name": "db"}},
        {"configMapRef": {"name": "app.settings"}},
        {"secretRef": {"name": "none", "optional": True}},
    ]
    env = [{"name": "LEVEL", "value": "own"}]
    container = started(pod(env=env, envFrom=env_from), to)
    expected = ["DB_password", "DB_user", "LEVEL=own", "run.sh=echo a\r"]
    assert values_of(container, "--env") == expected
    assert container.secrets == {"DB_user": "me", "DB_password": "a\nb\n"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("metadata.name", "pod"),
        ("metadata.namespace", "ns"),
        ("metadata.labels['a/b']", "c"),
        ("metadata.annotations['a/b']", ""),
    ],
)
def test_fields_of_the_pod(to: Settings, field: str, value: str) -> None:
    env = [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": field}}}]
    assert values_of(started(pod(env=env), to), "--env") == [f"A={value}"]


def test_field_of_the_cluster_is_refused(to: Settings) -> None:
    env = [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]
    with pytest.raises(InputError, match="fieldRef status.podIP does not work"):
        started(pod(env=env), to)


# Volumes.


def mounted(to: Settings, *mounts: dict[str, Any], **volume: Any) -> list[str]:
    """Return what is mounted of a volume, apart from the data root."""
    given = [{"name": "v", **mount} for mount in mounts]
    given_pod = pod({"name": "v", **volume}, volumeMounts=given)
    return values_of(started(given_pod, to), "--volume")


@pytest.mark.parametrize("kind", ["emptyDir", None])
def test_empty_folder(to: Settings, kind: str | None) -> None:
    # Kubernetes takes a volume without a kind for this one.
    volume = {kind: {"medium": "Memory", "sizeLimit": "1Gi"}} if kind else {}
    mounts: list[Any] = [
        {"mountPath": "/a/"},
        {"mountPath": "/b", "subPath": "x/y", "readOnly": True},
    ]
    expected = ["/pod/volumes/v:/a", "/pod/volumes/v/x/y:/b:ro"]
    assert mounted(to, *mounts, **volume) == expected


def test_claim(to: Settings) -> None:
    place, mount = f"{to.data}/volumes/models", {"mountPath": "/m"}
    claim: dict[str, Any] = {"claimName": "models"}
    assert mounted(to, mount, persistentVolumeClaim=claim) == [f"{place}:/m"]
    read_only = [f"{place}:/m:ro"]
    mount["readOnly"] = True  # type: ignore[assignment]
    assert mounted(to, mount, persistentVolumeClaim=claim) == read_only
    claim["readOnly"], mount = True, {"mountPath": "/m"}
    assert mounted(to, mount, persistentVolumeClaim=claim) == read_only


def test_claim_at_data_is_the_data_root(to: Settings) -> None:
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "shared"}}
    mount = {"name": "v", "mountPath": "/data", "subPath": "a", "readOnly": True}
    arguments = started(pod(volume, volumeMounts=[mount]), to).arguments
    assert arguments[2:4] == ["--volume", f"{to.data}:/data:ro"]
    assert arguments.count("--volume") == 1


@pytest.mark.parametrize(
    ("volume", "files"),
    [
        (
            {"secret": {"secretName": "db", "defaultMode": 0o100}},
            {"password": ("a\nb\n\n", 0o500), "user": ("me\n", 0o500)},
        ),
        (
            {
                "configMap": {
                    "name": "app.settings",
                    "items": [{"key": "run.sh", "path": "bin/run", "mode": 0o755}],
                }
            },
            {"bin/run": ("echo a\r\n", 0o755)},
        ),
        (
            {
                "secret": {
                    "secretName": "db",
                    "items": [{"key": "user", "path": "a"}, {"key": "x", "path": "b"}],
                    "optional": True,
                }
            },
            {"a": ("me\n", 0o644)},
        ),
        ({"configMap": {"name": "none", "optional": True}}, {}),
        (
            {
                "projected": {
                    "defaultMode": 0o600,
                    "sources": [
                        {"secret": {"name": "empty"}},
                        {
                            "configMap": {
                                "name": "app.settings",
                                "items": [{"key": "LEVEL", "path": "level"}],
                            }
                        },
                    ],
                }
            },
            {"key": ("", 0o600), "level": ("x=$(y)", 0o600)},
        ),
    ],
)
def test_files_of_a_volume(
    to: Settings, tmp_path: Path, volume: Any, files: dict[str, tuple[str, int]]
) -> None:
    assert mounted(to, {"mountPath": "/a"}, **volume) == ["/pod/volumes/v:/a:ro"]
    mounts = [{"name": "v", "mountPath": "/a"}]
    spec = pod({"name": "v", **volume}, volumeMounts=mounts)["spec"]
    make_volumes(spec, to, tmp_path / "pod")
    place = tmp_path / "pod/volumes/v"
    assert {
        str(file.relative_to(place)): (
            file.read_bytes().decode(),
            file.stat().st_mode & 0o777,
        )
        for file in place.rglob("*")
        if file.is_file()
    } == files


def test_folders_are_made_once_for_all_containers(to: Settings, tmp_path: Path) -> None:
    first = {
        "name": "first",
        "image": "maxai/shop",
        "command": ["a"],
        "volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "x"}],
    }
    volumes = [
        {"name": "v", "emptyDir": {}},
        {"name": "c", "persistentVolumeClaim": {"claimName": "models"}},
    ]
    mounts = [
        {"name": "v", "mountPath": "/w"},
        {"name": "c", "mountPath": "/m", "subPath": "old"},
    ]
    given_pod = pod(*volumes, first=[first], volumeMounts=mounts)
    pods.check(given_pod, to)
    assert [*tmp_path.glob("data/*")] == []
    one, two = pods.docker_containers(given_pod, to, tmp_path / "pod")
    assert (one.name, two.name) == ("first", "base")
    assert one.arguments[-3:] == ["--entrypoint", "a", "maxai/shop:tag"]
    assert values_of(one, "--volume") == [f"{tmp_path}/pod/volumes/v/x:/v"]
    assert values_of(two, "--volume")[0] == f"{tmp_path}/pod/volumes/v:/w"
    make_volumes(given_pod["spec"], to, tmp_path / "pod")
    assert (tmp_path / "pod/volumes/v/x").is_dir()
    assert (tmp_path / "data/volumes/models/old").is_dir()


# Mistakes.

DB = {"secret": {"secretName": "db"}}


@pytest.mark.parametrize(
    ("volume", "mount", "message"),
    [
        (
            {"secret": {"secretName": "new"}},
            {},
            "a local run reads the Secret 'new' from the folder local/secrets/new, which is "
            "missing; type `mkdir -p local/secrets/new && printf %s VALUE > "
            "local/secrets/new/KEY`",
        ),
        (
            {"secret": {"secretName": "db", "items": [{"key": "no", "path": "a"}]}},
            {},
            "type `printf %s VALUE > local/secrets/db/no`",
        ),
        (DB, {"subPath": "no"}, "type `printf %s VALUE > local/secrets/db/no`"),
        (
            {"secret": {"secretName": "db", "items": [{"key": "user", "path": "a"}]}},
            {"subPath": "user"},
            "the volume 'v' has no file 'user'; use one of: a",
        ),
        (
            {"configMap": {"name": "no"}},
            {},
            "the ConfigMap 'no' from the folder local/config-maps/no,",
        ),
        ({"configMap": {"name": "../db"}}, {}, "'../db' is not a valid name"),
        ({"secret": {}}, {}, "'' is not a valid name"),
        ({"persistentVolumeClaim": {"claimName": "../x"}}, {}, "'../x' is not a valid"),
        (
            {"secret": {"secretName": "db", "items": [{"key": "..", "path": "a"}]}},
            {},
            "local/secrets/db/.. is not a file with a valid key as its name",
        ),
        (
            {
                "secret": {
                    "secretName": "db",
                    "items": [{"key": "user", "path": "../a"}],
                }
            },
            {},
            "'../a' leads out of its volume",
        ),
        ({}, {"subPath": "a/../../b"}, "'a/../../b' leads out of its volume"),
        ({}, {"subPath": "/a"}, "'/a' leads out of its volume"),
        ({}, {"mountPath": "a"}, "the mountPath 'a' is not valid"),
        ({}, {"mountPath": "/"}, "the mountPath '/' is not valid"),
        ({}, {"mountPath": "/a:b"}, "the mountPath '/a:b' is not valid"),
        ({}, {"name": "w"}, "the pod mounts a volume 'w' that it lacks"),
        ({"name": "../v"}, {"name": "../v"}, "the volume's name '../v' is not valid"),
    ],
)
def test_mistake(to: Settings, volume: Any, mount: Any, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        mounted(to, {"mountPath": "/v", **mount}, **volume)


def test_missing_key_of_a_variable(to: Settings) -> None:
    env = [{"name": "A", **ref("secret", "new", "password")}]
    with pytest.raises(
        InputError, match="'new' from the file local/secrets/new/password"
    ):
        started(pod(env=env), to)


def test_binary_file_is_not_a_variable(to: Settings) -> None:
    Path(to.local, "secrets/db/user").write_bytes(b"a\0b")
    env = [{"name": "A", **ref("secret", "db", "user")}]
    with pytest.raises(InputError, match="^config: local/secrets/db/user is binary"):
        started(pod(env=env), to)


def test_place_is_mounted_once(to: Settings) -> None:
    with pytest.raises(InputError, match="mounts 2 volumes at /v"):
        mounted(to, {"mountPath": "/v"}, {"mountPath": "/v/"}, emptyDir={})


def test_secret_that_nothing_mounts_has_to_exist(to: Settings) -> None:
    volume = {"name": "v", "secret": {"secretName": "new"}}
    with pytest.raises(InputError, match="the Secret 'new' from the folder local/se"):
        started(pod(volume), to)


def test_file_that_is_not_a_key(to: Settings) -> None:
    Path(to.local, "secrets/db/user~").touch()
    with pytest.raises(InputError, match="local/secrets/db/user~ is not a file with a"):
        mounted(to, {"mountPath": "/v"}, **DB)


# Spark.


def submitted(to: Settings, **conf: str) -> Container:
    arguments = ["--master", "local[*]"]
    for key, value in {"container.image": "maxai/shop", **conf}.items():
        arguments += ["--conf", f"spark.kubernetes.{key}={value}"]
    return spark.docker_container([*arguments, "local:///a.py"], to, Path("/job"))


def test_volumes_and_secrets_of_the_driver(to: Settings) -> None:
    container = submitted(
        to,
        **{
            "driver.secretKeyRef.USER": "db:user",
            "driver.secrets.db": "/secrets",
            "driver.volumes.emptyDir.v.mount.path": "/v",
            "driver.volumes.emptyDir.v.options.sizeLimit": "1Gi",
            "driver.volumes.persistentVolumeClaim.w.mount.path": "/w",
            "driver.volumes.persistentVolumeClaim.w.mount.readOnly": "true",
            "driver.volumes.persistentVolumeClaim.w.mount.subPath": "a",
            "driver.volumes.persistentVolumeClaim.w.options.claimName": "models",
        },
    )
    assert values_of(container, "--volume") == [
        "/job/volumes/db-volume:/secrets:ro",
        "/job/volumes/v:/v",
        f"{to.data}/volumes/models/a:/w:ro",
    ]
    assert values_of(container, "--env")[-1] == "USER"
    assert container.secrets == {"USER": "me"}
    # The image's spark-submit has nothing to do with them.
    assert "--conf" not in container.arguments


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("secretKeyRef.A", "local/secrets/x/ is not a file with a valid key"),
        ("secrets.no", "the Secret 'no' from the folder local/secrets/no"),
        ("volumes.emptyDir.v.mount.readOnly", "v.mount.path is missing"),
        ("volumes.emptyDir.v.mount.subPathExpr", "did you mean mount.subPath"),
        ("volumes.emptyDir.v", "emptyDir.v. does not work"),
        ("volumes.persistentVolumeClaim.v.mount.path", "options.claimName is missing"),
    ],
)
def test_mistake_in_a_key_of_the_driver(to: Settings, key: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        submitted(to, **{f"driver.{key}": "x"})
