"""Airflow's cluster policy in a local run: checks tasks, and replaces how pods run.

Airflow calls `task_policy` for each task whenever it parses a DAG. A task that is refused is
an import error of its DAG, so no task of the DAG runs.
"""

from pathlib import Path
from typing import Any

from airflow.exceptions import AirflowClusterPolicyViolation
from airflow.sdk.bases.decorator import DecoratedOperator
from airflow.sdk.definitions.mappedoperator import MappedOperator

from maxairesources.testing.dag_checks import unmapped
from maxairesources.errors import InputError
from maxaitools.local.containers import settings

_OPERATORS = ("KubernetesPodOperator", "SparkSubmitOperator")


def task_policy(task: Any) -> None:
    """Check that a task can run here, and run pods with the Docker engine.

    Raises:
        AirflowClusterPolicyViolation: the task cannot run here.
    """
    kind: Any = task.operator_class if isinstance(task, MappedOperator) else type(task)
    for operator in (each for each in kind.__mro__ if each.__name__ in _OPERATORS):
        # At the top, Airflow itself would not be complete yet.
        from maxaitools.local import pod_containers

        for each in kind.__mro__:
            # A subclass may ask for its cluster; @task.kubernetes only adds its script.
            owns = issubclass(each, operator) and "execute" in vars(each)
            if owns and not issubclass(each, DecoratedOperator):
                each.execute = pod_containers.execute
        try:
            for each in unmapped(task):
                pod_containers.check(each, settings())
        except InputError as error:
            place = "/".join(Path(task.dag.fileloc).parts[-4:-1])
            error.subject = f"maxaidags/{place}/dag.py: task {task.task_id!r}"
            raise AirflowClusterPolicyViolation(str(error)) from error
