"""The models of spark_config.json and kubepod_config.json: how tasks are launched."""

import difflib
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from maxairesources.configs.document import Config, ConfigModel
from maxairesources.errors import InputError

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
            raise InputError(problem, "prefix a key of Hadoop with spark.hadoop.")
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


class LaunchedTask(ConfigModel):
    """The launch of one task.

    Attributes:
        id: the task's place in the order of the tasks.
        name: the task's name, the same as in the DAG and in the py_config.
    """

    id: int
    name: Text


class SparkTask(LaunchedTask):
    """The launch of one task by SparkSubmitOperator.

    Attributes:
        spark_submit_conf: the operator's arguments; its `conf` overrides the common one
            key by key.
    """

    spark_submit_conf: Annotated[SparkSubmit, WithJsonSchema({"type": "object"})]


class KubepodTask(LaunchedTask):
    """The launch of one task by KubernetesPodOperator.

    Attributes:
        conf: the operator's arguments, which override the common ones; the first of its
            `arguments` is the handler's module.
    """

    conf: dict[str, Any]


class SparkConfig(Config):
    """How SparkSubmitOperator launches a usecase's tasks.

    Attributes:
        conf: Spark's configuration for all tasks.
        tasks: the launch of each task.
    """

    conf: SparkConf
    tasks: list[SparkTask] = Field(min_length=1)


class KubepodConfig(Config):
    """How KubernetesPodOperator launches a usecase's tasks.

    Attributes:
        conf: the operator's arguments for all tasks.
        tasks: the launch of each task.
    """

    conf: dict[str, Any] = {}
    tasks: list[KubepodTask] = Field(min_length=1)


class KubepodArguments(BaseModel):
    """What each task of a kubepod_config needs, beside the operator's other arguments."""

    model_config = ConfigDict(strict=True)
    image: Text
    arguments: list[Text] = Field(min_length=1)
