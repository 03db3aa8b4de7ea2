"""Finds mistakes in the tasks of a DAG that would appear only when they run in a cluster."""

import copy
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from airflow.sdk import DAG
from airflow.sdk.definitions._internal.mixins import ResolveMixin
from airflow.sdk.definitions.mappedoperator import MappedOperator
from kubernetes.client import ApiClient

from maxairesources.configs.objective import KUBEPOD, SPARK
from maxairesources.dags.pods import mistakes_in_pod
from maxairesources.launches import lacks_spark_image


def mistakes_in(dag: DAG) -> Iterator[str]:
    """Yield a line for each mistake in a DAG's tasks that would fail in a cluster."""
    tasks: Iterable[Any] = dag.tasks
    for task in (each for mapped in tasks for each in unmapped(mapped)):
        if task.task_type == KUBEPOD:
            try:
                built = with_known_values(task).build_pod_request_obj(dry_run=True)
            except Exception as error:
                yield f"task {task.task_id}: Airflow cannot build its pod ({error})"
                continue
            pod = ApiClient().sanitize_for_serialization(built)
            for mistake in mistakes_in_pod(pod):
                yield f"task {task.task_id}: {mistake}"
        elif task.task_type == SPARK:
            if lacks_spark_image(task.conf or {}):
                yield f"task {task.task_id}: spark.kubernetes.container.image is missing"


def unmapped(task: Any) -> Iterator[Any]:
    """Yield the operator of a task, or one for each combination of its literal lists."""
    if not isinstance(task, MappedOperator):
        # The original must not change.
        yield task.prepare_for_execution()
        return
    value: Any = task.expand_input.value
    lists = value.values() if isinstance(value, dict) else ()
    if not lists or not all(isinstance(items, list) for items in lists):
        # The result of another task is known, and checked, only when the task runs.
        return
    for items in itertools.product(*lists):
        yield task.unmap(dict(zip(value, items)))


def with_known_values(task: Any) -> Any:
    """Change a copy of a pod's operator, so that nothing depends on a run or a cluster.

    A value that is known only at run time, such as the result of another task, becomes a
    placeholder; an argument that is one altogether becomes None.
    """
    for name in task.template_fields:
        value = getattr(task, name, None)
        known = None if isinstance(value, ResolveMixin) else _known(value)
        setattr(task, name, known)
    # Airflow would look for the connection, the file or the context here.
    for name in ("cluster_context", "config_file", "in_cluster", "kubernetes_conn_id"):
        setattr(task, name, None)
    task.namespace = task.namespace or "default"
    return task


def _known(value: Any) -> Any:
    if isinstance(value, ResolveMixin):
        return "{{ known at run time }}"
    if isinstance(value, dict):
        return {key: _known(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_known(item) for item in value]
    # An object of the Kubernetes client, which the DAG itself still uses.
    value = copy.copy(value)
    for name in getattr(value, "openapi_types", ()):
        setattr(value, name, _known(getattr(value, name)))
    return value
