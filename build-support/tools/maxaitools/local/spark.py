"""A spark-submit that runs the application in the image of its domain.

Airflow's SparkSubmitOperator calls the spark-submit on the PATH, which is this one in a local
run. It calls the spark-submit of the image with `local[*]`: driver and executors are one
process.
"""

import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from maxairesources.errors import InputError
from maxairesources.tree import nearest
from maxaitools.local.containers import (
    Container,
    Settings,
    common_arguments,
    image_of,
    run_container,
    settings,
)
from maxaitools.local.volumes import make_volumes, volumes_and_variables

MASTER = "local[*]"


class Does(Enum):
    """The effect of an argument or a key of Spark here."""

    PASS = "the image's spark-submit gets it"
    POD = "the container gets it, as the driver's pod would"
    NOTHING = "it only matters in a cluster"
    REFUSE = "it does not work here, and the job may rely on it"


class Rule(NamedTuple):
    """The effect of an argument or a key, and the reason."""

    does: Does
    why: str


_PASS = Rule(Does.PASS, "means the same in the image")
_PLACE = Rule(Does.NOTHING, "places or sizes what runs in a cluster")
_POD = Rule(Does.POD, "is given to the driver's pod")
_DRIVER = Rule(Does.NOTHING, "is for executors, and the driver runs the tasks")
_LOCAL = Rule(Does.NOTHING, "the driver always runs here")
_FILES = Rule(Does.REFUSE, "is a file that only the submitting machine has")
_DOWNLOAD = Rule(Does.REFUSE, "is downloaded at the start; make it part of the image")
_IDENTITY = Rule(Does.REFUSE, "is an identity that a laptop does not have")

# Arguments of spark-submit. One that is not listed is refused.
ARGUMENTS = {
    "--archives": _FILES,
    "--class": _PASS,
    "--deploy-mode": _LOCAL,
    "--driver-class-path": _PASS,
    "--driver-java-options": _PASS,
    "--driver-library-path": _PASS,
    "--driver-memory": _PASS,
    "--exclude-packages": _DOWNLOAD,
    "--executor-cores": _PLACE,
    "--executor-memory": _PLACE,
    "--files": _FILES,
    "--jars": _FILES,
    "--keytab": _IDENTITY,
    "--name": _PASS,
    "--num-executors": _PLACE,
    "--packages": _DOWNLOAD,
    "--principal": _IDENTITY,
    "--properties-file": _FILES,
    "--proxy-user": _IDENTITY,
    "--py-files": _FILES,
    "--queue": _PLACE,
    "--repositories": _DOWNLOAD,
    "--total-executor-cores": _PLACE,
    "--verbose": _PASS,
}

# Options of the driver's volumes. Some only matter in a cluster.
_PATH, _CLAIM = "mount.path", "options.claimName"
_VOLUME_OPTIONS = {
    _PATH,
    _CLAIM,
    "mount.readOnly",
    "mount.subPath",
    "options.medium",
    "options.sizeLimit",
    "options.storageClass",
}

# Keys of Spark. The longest matching entry decides; an entry that ends with a point matches
# all keys below it.
_KUBERNETES = "spark.kubernetes."
_ENV = f"{_KUBERNETES}driverEnv."
KEYS = {
    "spark.": _PASS,
    "spark.archives": _FILES,
    "spark.driver.bindAddress": _LOCAL,
    "spark.driver.host": _LOCAL,
    "spark.driver.port": _LOCAL,
    **{
        f"spark.executor.{key}": _PLACE
        for key in ("cores", "instances", "memory", "memoryOverhead", "pyspark.memory")
    },
    "spark.files": _FILES,
    "spark.jars": _FILES,
    "spark.jars.excludes": _DOWNLOAD,
    "spark.jars.ivy": _PASS,
    "spark.jars.packages": _DOWNLOAD,
    "spark.jars.repositories": _DOWNLOAD,
    "spark.kerberos.": _IDENTITY,
    "spark.master": _LOCAL,
    "spark.submit.deployMode": _LOCAL,
    "spark.submit.pyFiles": _FILES,
    _KUBERNETES: Rule(Does.REFUSE, "needs Kubernetes"),
    # The cluster of Spark on Kubernetes, and the account that it uses.
    f"{_KUBERNETES}allocation.": _PLACE,
    f"{_KUBERNETES}authenticate.": _PLACE,
    f"{_KUBERNETES}context": _PLACE,
    f"{_KUBERNETES}driver.master": _PLACE,
    f"{_KUBERNETES}namespace": _PLACE,
    f"{_KUBERNETES}report.interval": _PLACE,
    f"{_KUBERNETES}submission.": _PLACE,
    f"{_KUBERNETES}trust.certificates": _PLACE,
    # Which image: `_image` reads these.
    f"{_KUBERNETES}container.image": _LOCAL,
    f"{_KUBERNETES}container.image.pullPolicy": _PLACE,
    f"{_KUBERNETES}container.image.pullSecrets": _PLACE,
    f"{_KUBERNETES}driver.container.image": _LOCAL,
    f"{_KUBERNETES}executor.container.image": _LOCAL,
    # Where pods go, how large they are, and what they are called.
    f"{_KUBERNETES}memoryOverheadFactor": _PLACE,
    f"{_KUBERNETES}node.selector.": _PLACE,
    f"{_KUBERNETES}scheduler.name": _PLACE,
    **{
        f"{_KUBERNETES}{role}.{key}": _PLACE
        for role in ("driver", "executor")
        for key in (
            "annotation.",
            "deleteOnTermination",
            "label.",
            "limit.cores",
            "node.selector.",
            "pod.name",
            "podNamePrefix",
            "request.cores",
            "scheduler.name",
            "service.annotation.",
            "service.deleteOnTermination",
            "service.label.",
        )
    },
    # What a pod is given.
    _ENV: _POD,
    **{
        f"{_KUBERNETES}{role}.{key}": Rule(Does.REFUSE, why)
        for role in ("driver", "executor")
        for key, why in {
            "podTemplateContainerName": "names a part of a pod template",
            "podTemplateFile": "is a pod that only Kubernetes can make",
            "volumes.": "is a volume that only the cluster has",
        }.items()
    },
    **{
        f"{_KUBERNETES}{role}.{key}": rule
        for role, rule in (("driver", _POD), ("executor", _DRIVER))
        for key in (
            "secretKeyRef.",
            "secrets.",
            "volumes.emptyDir.",
            "volumes.persistentVolumeClaim.",
        )
    },
}


def docker_container(arguments: Sequence[str], to: Settings, folder: Path) -> Container:
    """Return the container that runs what spark-submit is asked for.

    Args:
        arguments: those of spark-submit.
        to: the settings of the run.
        folder: the folder of this run.

    Raises:
        InputError: an argument or a key does not work here.
    """
    passed = []
    options, conf, rest = _parse(arguments)
    for name, value in options:
        if name == "--master":
            if value != [MASTER]:
                raise InputError(
                    f"the master is {value[0]}",
                    "remove its conn_id (in an overlay, if a cluster needs it)",
                )
        elif _does(name, ARGUMENTS.get(name)) is Does.PASS:
            passed += [name, *value]
    for key, text in conf.items():
        if _does(key, _rule(key)) is Does.PASS:
            passed += ["--conf", f"{key}={text}"]
    pod = driver_pod(arguments)
    (container,) = pod["spec"]["containers"]
    given, secrets = volumes_and_variables(container, pod, to, folder)
    made = [*common_arguments(), *given, _image(conf, to), "driver", "--master", MASTER]
    return Container("driver", [*made, *passed, *rest], secrets)


def driver_pod(arguments: Sequence[str]) -> dict[str, Any]:
    """Return the volumes and variables of the driver's pod, as the JSON that Kubernetes would get.

    Args:
        arguments: those of spark-submit.

    Raises:
        InputError: a volume lacks an option, or has one that does not work here.
    """
    variables = {
        # The driver talks to itself alone.
        "SPARK_DRIVER_BIND_ADDRESS": "127.0.0.1",
        # Java optimizes less and starts faster; local data is small.
        "SPARK_SUBMIT_OPTS": "-XX:TieredStopAtLevel=1",
    }
    env: list[Any] = [{"name": n, "value": value} for n, value in variables.items()]
    mounts: list[Any] = []
    volumes: list[Any] = []
    options: dict[tuple[str, str], dict[str, str]] = {}
    for key, value in _parse(arguments)[1].items():
        kind, _, name = key.removeprefix(f"{_KUBERNETES}driver.").partition(".")
        if key.startswith(_ENV):
            env.append({"name": key.removeprefix(_ENV), "value": value})
        elif kind == "secretKeyRef":
            secret, _, entry = value.partition(":")
            ref = {"name": secret, "key": entry}
            env.append({"name": name, "valueFrom": {"secretKeyRef": ref}})
        elif kind == "secrets":
            volumes.append({"name": f"{name}-volume", "secret": {"secretName": name}})
            mounts.append({"name": f"{name}-volume", "mountPath": value})
        elif kind == "volumes":
            kind, name, option = [*name.split(".", 2), "", ""][:3]
            options.setdefault((kind, name), {})[option] = value
    for (kind, name), given in options.items():
        _check_volume(kind, name, given)
        volumes.append({"name": name, kind: {"claimName": given.get(_CLAIM)}})
        where = {"mountPath": given[_PATH], "subPath": given.get("mount.subPath")}
        read_only = given.get("mount.readOnly") == "true"
        mounts.append({"name": name, "readOnly": read_only, **where})
    container = {"env": env, "volumeMounts": mounts}
    return {"metadata": {}, "spec": {"containers": [container], "volumes": volumes}}


def _check_volume(kind: str, name: str, given: dict[str, str]) -> None:
    """Raise an InputError for options of a volume that are missing, or not known."""
    start = f"{_KUBERNETES}driver.volumes.{kind}.{name}"
    for option in given.keys() - _VOLUME_OPTIONS:
        problem = f"{start}.{option} does not work in a local run"
        raise InputError(problem, nearest(option, _VOLUME_OPTIONS))
    for option in (_PATH, _CLAIM)[: 1 if kind == "emptyDir" else 2]:
        if option not in given:
            raise InputError(f"{start}.{option} is missing", "add it")


def _parse(
    arguments: Sequence[str],
) -> tuple[list[tuple[str, list[str]]], dict[str, str], list[str]]:
    """Return spark-submit's options, the keys of Spark, and the application's arguments."""
    options, conf, rest = [], {}, list(arguments)
    while rest and rest[0].startswith("-"):
        name = rest.pop(0)
        value = [] if name == "--verbose" else [rest.pop(0)]
        if name == "--conf":
            key, _, conf[key] = value[0].partition("=")
        else:
            options.append((name, value))
    return options, conf, rest


def _image(conf: dict[str, str], to: Settings) -> str:
    for key in ("driver.container.image", "container.image"):
        if name := conf.get(_KUBERNETES + key):
            return image_of(name, to.images)
    raise InputError(
        f"{_KUBERNETES}container.image is missing", "set it to the image of the domain"
    )


def _rule(key: str) -> Rule | None:
    """Return the rule of a key of Spark, None if there is none."""
    fitting = [
        entry
        for entry in KEYS
        if key == entry or entry.endswith(".") and key.startswith(entry)
    ]
    return KEYS[max(fitting, key=len)] if fitting else None


def _does(name: str, rule: Rule | None) -> Does:
    """Return what an argument or key does here, unless it is refused."""
    if rule is None:
        raise InputError(f"{name} is not an argument of spark-submit here", "remove it")
    if rule.does is Does.REFUSE:
        raise InputError(
            f"{name} {rule.why}", "remove it (in an overlay, if a cluster needs it)"
        )
    return rule.does


def main() -> int:
    """Run the application that Airflow submits, and return the exit code."""
    # The container ends with this process, so no handler is needed.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        with tempfile.TemporaryDirectory(
            dir=os.environ["AIRFLOW_HOME"], ignore_cleanup_errors=True
        ) as folder:
            container = docker_container(sys.argv[1:], settings(), Path(folder))
            make_volumes(driver_pod(sys.argv[1:])["spec"], settings(), Path(folder))
            return run_container(container)
    except InputError as error:
        error.subject = error.subject or "spark-submit"
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
