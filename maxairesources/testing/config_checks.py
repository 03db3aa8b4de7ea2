"""The models of launch configs, and checks of the configs of an objective.

The checks read them alone and with the overlays of a deployment.
"""

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from maxairesources.configs.document import Config, ConfigModel, Place
from maxairesources.configs.document import shown, validate
from maxairesources.configs.py_config import PyConfig
from maxairesources.deployed import Deployed, ObjectiveConfigs
from maxairesources.deployed import overlay_of, read_config, read_file
from maxairesources.domains import find_mistake
from maxairesources.errors import InputError, raise_all
from maxairesources.launches import by_name, named_tasks
from maxairesources.settings import read_settings, repository_of
from maxairesources.tree import CONFIGS, DOMAIN_CONFIG, KUBEPOD_CONFIG, LAUNCHED_FROM
from maxairesources.tree import PY_CONFIG, SPARK_CONFIG, SPARK_IMAGES
from maxairesources.tree import json_path, nearest, path_of, walk

# The largest argument of a Linux process, in bytes: 32 pages of 4 KiB.
_LARGEST_ARGUMENT = 128 * 1024
# Frequent keys of Spark, and three others that nearly are one of them. Spark has some 1,900
# keys, and other libraries have keys of their own: any other key is passed on.
FREQUENT = """
spark.app.name spark.default.parallelism spark.driver.cores spark.driver.extraClassPath
spark.driver.extraJavaOptions spark.driver.maxResultSize spark.driver.memory
spark.driver.memoryOverhead spark.driver.minMemoryOverhead spark.dynamicAllocation.enabled
spark.dynamicAllocation.initialExecutors spark.dynamicAllocation.maxExecutors
spark.dynamicAllocation.minExecutors spark.dynamicAllocation.shuffleTracking.enabled
spark.eventLog.dir spark.eventLog.enabled spark.executor.cores spark.executor.extraClassPath
spark.executor.extraJavaOptions spark.executor.heartbeatInterval spark.executor.instances
spark.executor.memory spark.executor.memoryOverhead spark.executor.minMemoryOverhead
spark.jars spark.jars.packages spark.kubernetes.authenticate.driver.serviceAccountName
spark.kubernetes.container.image spark.kubernetes.container.image.pullPolicy
spark.kubernetes.container.image.pullSecrets spark.kubernetes.driver.container.image
spark.kubernetes.driver.request.cores spark.kubernetes.executor.container.image
spark.kubernetes.executor.request.cores spark.kubernetes.namespace spark.local.dir
spark.master spark.memory.fraction spark.memory.storageFraction spark.network.timeout
spark.serializer spark.sql.adaptive.enabled spark.sql.autoBroadcastJoinThreshold
spark.sql.execution.arrow.pyspark.enabled spark.sql.execution.arrow.sparkr.enabled
spark.sql.extensions spark.sql.files.maxPartitionBytes spark.sql.session.timeZone
spark.sql.shuffle.partitions spark.sql.sources.partitionOverwriteMode
spark.sql.warehouse.dir spark.submit.deployMode
""".split()
# A wrong letter or two. No other of Spark 4.3's keys is as close to a frequent one.
_CLOSE = 0.94


def _check_keys(conf: dict[str, Any]) -> dict[str, Any]:
    for key in conf:
        if not key.startswith("spark."):
            problem = f"{key!r} does not begin with spark., so Spark would ignore it"
            remedy = "prefix a key of Hadoop with spark.hadoop.; an argument of the "
            raise InputError(problem, f"{remedy}operator belongs in spark_submit_conf")
        close = difflib.get_close_matches(key, FREQUENT, 1, _CLOSE)
        if close and key not in FREQUENT:
            remedy = f"did you mean {close[0]}?"
            raise InputError(f"{key!r} is not a key of Spark", remedy)
    return conf


Text = Annotated[str, Field(min_length=1)]
SparkConf = Annotated[dict[str, str | int | float | bool], AfterValidator(_check_keys)]


class SparkSubmit(BaseModel):
    """What each task of a spark_config needs, beside the operator's other arguments."""

    model_config = ConfigDict(extra="allow", strict=True)
    application: Text
    conf: SparkConf = {}


class SparkTask(ConfigModel):
    """The launch of one task by SparkSubmitOperator, with the operator's arguments.

    Their `conf` overrides the common one key by key.
    """

    id: int
    name: Text
    spark_submit_conf: Annotated[SparkSubmit, WithJsonSchema({"type": "object"})]


class KubepodTask(ConfigModel):
    """The launch of one task by KubernetesPodOperator, with the operator's arguments.

    They override the common ones. The first of `arguments` is the handler's module.
    """

    id: int
    name: Text
    conf: dict[str, Any]


class SparkConfig(Config):
    """How SparkSubmitOperator launches a usecase's tasks; `conf` is for all tasks."""

    conf: SparkConf
    tasks: list[SparkTask] = Field(min_length=1)

    @classmethod
    def advice(cls, place: Place, key: str) -> str | None:
        to = (*(place or ("tasks", 0)), "spark_submit_conf")
        if key.startswith("spark."):
            to = (*to, "conf") if place else ("conf",)
        return f"move it to {json_path(to)}"


class KubepodConfig(Config):
    """How KubernetesPodOperator launches a usecase's tasks; `conf` is for all tasks."""

    conf: dict[str, Any] = {}
    tasks: list[KubepodTask] = Field(min_length=1)

    @classmethod
    def advice(cls, place: Place, key: str) -> str | None:
        if key == "spark_submit_conf":
            return f"rename it to conf, or move the task to {SPARK_CONFIG}"
        return f"move it to {json_path((*place, 'conf'))}"


# The number of folders that each config is in.
_MODELS: dict[str, tuple[int, type[ConfigModel]]] = {
    PY_CONFIG: (3, PyConfig),
    SPARK_CONFIG: (2, SparkConfig),
    KUBEPOD_CONFIG: (2, KubepodConfig),
}


def check_configs(
    root: Path, names: Sequence[str], deployment: str | None = None
) -> ObjectiveConfigs:
    """Return the configs of an objective, if they are valid with the overlays of a deployment.

    Raises:
        InputError: a config is missing or wrong; with each mistake, its file and place.
    """
    raise_all(mistakes_in_configs(root, names, deployment))
    return Deployed(deployment).read_objective(root, names)


def mistakes_in_configs(
    root: Path, names: Sequence[str], deployment: str | None
) -> Iterator[InputError]:
    """Yield the mistakes in the configs of an objective; the subject of each is its file."""
    launched: dict[str, str] = {}
    domain_file = path_of(CONFIGS, names[:1], DOMAIN_CONFIG)
    if (root / domain_file).exists():
        if mistake := find_mistake((root / domain_file).read_bytes()):
            problem, _, remedy = mistake.partition("; ")
            yield InputError(problem, remedy, domain_file)
    for name, (depth, model) in _MODELS.items():
        path = path_of(CONFIGS, names[:depth], name)
        overlay = overlay_of(path, deployment)
        try:
            base, patch = read_file(root, path), read_file(root, overlay)
            for place, known in _not_in_base(by_name(base), by_name(patch)):
                problem = f"{json_path(place)}: {name} has no {place[-1]!r}"
                yield InputError(problem, nearest(place[-1], known), overlay)
            data, file = read_config(root, path, deployment)
            if model is PyConfig and len(json.dumps(data)) >= _LARGEST_ARGUMENT:
                problem = "has more than 128 KiB, too large for an argument"
                remedy = "move large values into a table that the handlers read"
                yield InputError(problem, remedy, file)
            if name in LAUNCHED_FROM.values():
                yield from _mistakes_in_images(data, root, names[0], file)
            for task, _ in named_tasks(data):
                if task in launched:
                    problem = f"task {task!r} is also in {launched[task]}"
                    yield InputError(problem, "keep one of them", file)
                launched[str(task)] = file
            if (root / path).exists():
                validate(model, data, file)
            elif any(root.glob(overlay_of(path, "*"))):
                yield InputError("is missing", "add it: its overlays need it", path)
        except InputError as error:
            yield error


def _mistakes_in_images(
    config: dict[str, Any], root: Path, domain: str, file: str
) -> Iterator[InputError]:
    own = repository_of(domain, root)
    for path, value in walk(config):
        key = str(path[-1]) if path else ""
        # People choose the keys of these.
        if {"annotations", "env_vars", "labels"} & {*path}:
            continue
        if re.fullmatch("pod_template_file|spark.*[.]podTemplateFile", key):
            problem = f"{json_path(path)}: a pod template could name any image"
            yield InputError(problem, "put its content into the config", file)
        if key in ("image", *SPARK_IMAGES) and value != own:
            remedy = f"use {own}, the image of the domain"
            if key == "image" and isinstance(path[-2], int):
                # It runs beside a handler in prod, where it sees the data and the secrets.
                found = re.fullmatch(
                    r"(\S+?)(:[\w.-]+)?@sha256:[0-9a-f]{64}", str(value)
                )
                if found and found[1] in read_settings(root)["images"]:
                    continue
                remedy += ", or one from `images` in marketplace.toml as REPOSITORY@sha256:..."
            yield InputError(f"{json_path(path)} is {shown(value)}", remedy, file)


def _not_in_base(
    base: Any, patch: dict[str, Any], path: Place = ()
) -> Iterator[tuple[Place, list[str]]]:
    """Yield the keys that a patch removes, or the arguments and tasks that it sets, in vain.

    RFC 7386 allows it, but here the key is misspelt or the overlay is out of date. The models
    know all other keys, except those of Spark and Kubernetes. Each comes with its place, and
    with the keys that the base has there.
    """
    base = base if isinstance(base, dict) else {}
    for key, value in patch.items():
        place = (*path, key)
        must_exist = path == ("tasks",) or path[1:3] == ("function", "args")
        if key not in base and (must_exist or value is None):
            yield place, [*base]
        elif isinstance(value, dict):
            yield from _not_in_base(base.get(key), value, place)
