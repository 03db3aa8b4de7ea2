"""Airflow's cluster policy in a local run: checks tasks, and replaces how pods run.

Airflow calls `task_policy` for each task whenever it parses a DAG. A task that is refused is
an import error of its DAG, so no task of the DAG runs.
"""

import sys
from pathlib import Path
from typing import Any

from airflow.exceptions import AirflowClusterPolicyViolation
from airflow.sdk.definitions.mappedoperator import MappedOperator

from maxairesources.testing.dag_checks import unmapped
from maxairesources.errors import InputError
from maxaitools.local.containers import settings

_OPERATORS = "airflow.providers.{}"
_PODS = _OPERATORS.format("cncf.kubernetes.operators.pod")
_SPARK = _OPERATORS.format("apache.spark.operators.spark_submit")
_ENVIRONMENT = "spark.kubernetes.driverEnv"


def task_policy(task: Any) -> None:
    """Check that a task can run here, and run pods with the Docker engine.

    Raises:
        AirflowClusterPolicyViolation: the task cannot run here.
    """
    try:
        _check(task)
    except InputError as error:
        place = "/".join(Path(task.dag.fileloc).parts[-4:-1])
        error.subject = f"maxaidags/{place}/dag.py: task {task.task_id!r}"
        raise AirflowClusterPolicyViolation(str(error)) from error


def _check(task: Any) -> None:
    kind = task.operator_class if isinstance(task, MappedOperator) else type(task)
    # The module of a task's operator is already imported; no other is needed.
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
        # They are not part of the pod.
        if each.callbacks:
            raise InputError(
                "callbacks do not work in a local run: their arguments come from a "
                "cluster",
                "remove it (in an overlay, if a cluster needs it)",
            )
        try:
            pod = pods.manifest(each)
        except Exception as error:
            raise InputError(
                f"Airflow cannot build its pod ({error})", "correct its arguments"
            ) from error
        pods.check(pod, settings())


def _check_spark(task: Any) -> None:
    from maxaitools.local import spark

    for each in unmapped(task):
        hook = each._get_hook()
        arguments = hook._build_spark_submit_command(each.application)[1:]
        if hook._env:
            raise InputError(
                "spark-submit without a cluster ignores env_vars",
                f"use {_ENVIRONMENT}.NAME in conf, which does the same in a cluster",
            )
        spark.docker_container(arguments, settings(), Path())
