"""What Airflow's cluster policy does on a laptop: checks tasks, and swaps how pods run.

Airflow calls `task_policy` for each task at each parse, in whatever process parses. A
task that is refused is an import error of its DAG, so nothing of the DAG runs.
"""

import sys
from pathlib import Path
from typing import Any

from airflow.exceptions import AirflowClusterPolicyViolation
from airflow.sdk.definitions.mappedoperator import MappedOperator

from maxairesources.dags.operators import unmapped
from maxairesources.errors import InputError
from maxaitools.local.containers import settings

_OPERATORS = "airflow.providers.{}"
_PODS = _OPERATORS.format("cncf.kubernetes.operators.pod")
_SPARK = _OPERATORS.format("apache.spark.operators.spark_submit")
_ENVIRONMENT = "spark.kubernetes.driverEnv"


def task_policy(task: Any) -> None:
    """Check that a task can run here, and have pods run by the Docker engine.

    Raises:
        AirflowClusterPolicyViolation: it cannot.
    """
    try:
        _check(task)
    except InputError as error:
        place = "/".join(Path(task.dag.fileloc).parts[-4:-1])
        error.subject = f"maxaidags/{place}/dag.py: task {task.task_id!r}"
        raise AirflowClusterPolicyViolation(str(error)) from error


def _check(task: Any) -> None:
    kind = task.operator_class if isinstance(task, MappedOperator) else type(task)
    # Nothing is imported for this: a task's own module is imported already.
    if pods := sys.modules.get(_PODS):
        if issubclass(kind, pods.KubernetesPodOperator):
            _check_pod(task, pods.KubernetesPodOperator)
    if spark := sys.modules.get(_SPARK):
        if issubclass(kind, spark.SparkSubmitOperator):
            _check_spark(task)


def _check_pod(task: Any, operator: Any) -> None:
    from maxaitools.local import pods

    operator.execute = pods.execute
    for each in unmapped(task):
        # The pod does not have them.
        if each.callbacks:
            raise InputError(
                "callbacks cannot be honoured on a laptop: they are called with what a "
                "cluster answers",
                "drop it (in an overlay, if a cluster needs it)",
            )
        try:
            pod = pods.manifest(each)
        except Exception as error:
            raise InputError(
                f"Airflow cannot make its pod ({error})", "mend its arguments"
            ) from error
        pods.check(pod, settings())


def _check_spark(task: Any) -> None:
    from maxaitools.local import spark

    for each in unmapped(task):
        hook = each._get_hook()
        arguments = hook._build_spark_submit_command(each.application)[1:]
        if hook._env:
            raise InputError(
                "env_vars are not handed on by a spark-submit without a cluster",
                f"give {_ENVIRONMENT}.NAME in conf, which is the same in a cluster",
            )
        spark.docker_container(arguments, settings(), Path())
