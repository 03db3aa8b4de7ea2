"""spark-submit for a laptop: runs in the domain's image what Airflow submits.

Airflow's SparkSubmitOperator calls the spark-submit that it finds on the PATH, which a
run of `build-support/local` makes this one. The image's own spark-submit then runs the
application with `local[*]`: driver and executors are one process.
"""

import signal
import sys
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from local_runner.containers import (
    Settings,
    common_arguments,
    image_of,
    run_container,
    settings,
)
from maxairesources.errors import InputError

MASTER = "local[*]"


class Does(Enum):
    """What an argument or a key of Spark does here."""

    PASS = "the image's spark-submit gets it"
    NOTHING = "it only says where in a cluster, and how large"
    REFUSE = "it cannot be had here, and the job may rely on it"


class Rule(NamedTuple):
    """What is done with an argument or a key, and why."""

    does: Does
    why: str


_PASS = Rule(Does.PASS, "means the same in the image")
_PLACE = Rule(Does.NOTHING, "places or sizes what runs in a cluster")
_LOCAL = Rule(Does.NOTHING, "this tool says where the driver runs")
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

# Keys of Spark. The longest entry that a key begins with decides; one that ends with a
# point stands for all keys below it.
_KUBERNETES = "spark.kubernetes."
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
    _KUBERNETES: Rule(Does.REFUSE, "is a matter of Kubernetes that is not known here"),
    # Where Spark on Kubernetes asks for pods, and as whom.
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
    f"{_KUBERNETES}driverEnv.": Rule(Does.NOTHING, "is the container's environment"),
    **{
        f"{_KUBERNETES}{role}.{key}": Rule(Does.REFUSE, why)
        for role in ("driver", "executor")
        for key, why in {
            "podTemplateContainerName": "names a part of a pod template",
            "podTemplateFile": "is a pod that only Kubernetes can make",
            "secretKeyRef.": "is a secret that the cluster has",
            "secrets.": "is a secret that the cluster has",
            "volumes.": "is a volume that the cluster has",
        }.items()
    },
}


def docker_arguments(arguments: Sequence[str], to: Settings) -> list[str]:
    """Return the arguments of `docker run` for arguments of spark-submit.

    Raises:
        InputError: an argument or a key cannot be honoured here.
    """
    passed, environment = [], []
    options, conf, rest = _parse(arguments)
    for name, value in options:
        if name == "--master":
            if value != [MASTER]:
                raise InputError(
                    f"the master is {value[0]}",
                    "drop its conn_id (in an overlay, if a cluster needs it)",
                )
        elif _does(name, ARGUMENTS.get(name)) is Does.PASS:
            passed += [name, *value]
    for key, text in conf.items():
        if key.startswith(f"{_KUBERNETES}driverEnv."):
            name = key.removeprefix(f"{_KUBERNETES}driverEnv.")
            environment += ["--env", f"{name}={text}"]
        elif _does(key, _rule(key)) is Does.PASS:
            passed += ["--conf", f"{key}={text}"]
    return [
        *common_arguments(to),
        # The driver talks to itself alone.
        *("--env", "SPARK_DRIVER_BIND_ADDRESS=127.0.0.1"),
        # Java compiles what runs once fast rather than well.
        *("--env", "SPARK_SUBMIT_OPTS=-XX:TieredStopAtLevel=1"),
        *environment,
        _image(conf, to),
        *("driver", "--master", MASTER),
        *passed,
        *rest,
    ]


def _parse(
    arguments: Sequence[str],
) -> tuple[list[tuple[str, list[str]]], dict[str, str], list[str]]:
    """Return spark-submit's options, the keys of Spark, and what the application gets."""
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
        f"{_KUBERNETES}container.image is missing", "give the domain's image"
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
        raise InputError(f"{name} is not known to spark-submit here", "drop it")
    if rule.does is Does.REFUSE:
        raise InputError(
            f"{name} {rule.why}", "drop it (in an overlay, if a cluster needs it)"
        )
    return rule.does


def main() -> int:
    """Run what Airflow submits, and return the exit code."""
    # The container ends with this process, so it need not be told.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return run_container(docker_arguments(sys.argv[1:], settings()))
    except InputError as error:
        error.subject = error.subject or "spark-submit"
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
