"""Translates the jobs of SparkSubmitOperator into pods that run here.

The image's spark-submit gets all arguments, but for the master, which is local[*]: driver and
executors are one process, and Spark ignores the keys of a cluster. The pod gets the
variables, secrets and volumes that those keys give to the driver's pod.
"""

import re
from typing import Any

from maxairesources.errors import InputError
from maxaitools.local.containers import refusal

_KUBERNETES = "spark.kubernetes."
_DRIVER = f"{_KUBERNETES}driver."
_ENV = f"{_KUBERNETES}driverEnv."
_PATH, _CLAIM = "mount.path", "options.claimName"
_NEEDED = {"emptyDir": (_PATH,), "persistentVolumeClaim": (_PATH, _CLAIM)}

_VARIABLES = {
    # The driver talks to itself alone.
    "SPARK_DRIVER_BIND_ADDRESS": "127.0.0.1",
    # Java optimizes less and starts faster; local data is small.
    "SPARK_SUBMIT_OPTS": "-XX:TieredStopAtLevel=1",
}


def driver_pod(task: Any) -> dict[str, Any]:
    """Return the driver's pod of a SparkSubmitOperator, as the JSON that Kubernetes would get.

    Args:
        task: the operator.

    Raises:
        InputError: a volume does not work here.
    """
    hook = task._get_hook()
    local = {"master": "local[*]", "deploy_mode": None, "queue": None}
    hook._connection = {**hook._connection, **local}
    _, *command = hook._build_spark_submit_command(task.application)
    conf = {key: str(value) for key, value in (task.conf or {}).items()}
    variables = {**_VARIABLES, **(task.env_vars or {}), **_below(_ENV, conf)}
    env: list[Any] = [{"name": n, "value": str(v)} for n, v in variables.items()]
    for name, value in _below(f"{_DRIVER}secretKeyRef.", conf).items():
        ref = dict(zip(("name", "key"), value.split(":", 1)))
        env.append({"name": name, "valueFrom": {"secretKeyRef": ref}})
    mounts, volumes = _volumes(conf)
    image = conf.get(f"{_DRIVER}container.image")
    container = {
        "name": "driver",
        "image": image or conf.get(f"{_KUBERNETES}container.image", ""),
        # A level in the config follows, and counts.
        "args": ["driver", "--conf", "spark.log.level=WARN", *command],
        "env": env,
        "volumeMounts": mounts,
    }
    return {"metadata": {}, "spec": {"containers": [container], "volumes": volumes}}


def driver_memory(task: Any) -> int | None:
    """Return the bytes that a config gives the heap of Spark's driver, if it does."""
    conf = getattr(task, "conf", None) or {}
    given = getattr(task, "_driver_memory", None) or conf.get("spark.driver.memory")
    found = re.fullmatch(r"(\d+)([kmgt])b?", str(given).strip().lower())
    return int(found[1]) * 1024 ** (1 + "kmgt".index(found[2])) if found else None


def _below(prefix: str, conf: dict[str, str]) -> dict[str, str]:
    """Return the keys that start with a prefix, without it."""
    return {key[len(prefix) :]: conf[key] for key in conf if key.startswith(prefix)}


def _volumes(conf: dict[str, str]) -> tuple[list[Any], list[Any]]:
    """Return the mounts and the volumes of the driver."""
    mounts: list[Any] = []
    volumes: list[Any] = []
    for name, path in _below(f"{_DRIVER}secrets.", conf).items():
        mounts.append({"name": f"{name}-volume", "mountPath": path})
        volumes.append({"name": f"{name}-volume", "secret": {"secretName": name}})
    options: dict[tuple[str, str], dict[str, str]] = {}
    for key, value in _below(_DRIVER, conf).items():
        part, kind, name, option = [*key.split(".", 3), "", "", ""][:4]
        if part == "podTemplateFile" or part == "volumes" and kind not in _NEEDED:
            raise refusal(f"{_DRIVER}{key}")
        if part == "volumes":
            options.setdefault((kind, name), {})[option] = value
    for (kind, name), given in options.items():
        for option in _NEEDED[kind]:
            if option not in given:
                key = f"{_DRIVER}volumes.{kind}.{name}.{option}"
                raise InputError(f"{key} is missing", "add it")
        read_only = given.get("mount.readOnly") == "true"
        where = {"mountPath": given[_PATH], "subPath": given.get("mount.subPath")}
        mounts.append({"name": name, "readOnly": read_only, **where})
        volumes.append({"name": name, kind: {"claimName": given.get(_CLAIM)}})
    return mounts, volumes
