"""Finds mistakes in a DAG that would appear only when its tasks run in a cluster."""

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Any

from airflow.sdk import DAG, Context
from airflow.sdk.definitions._internal.mixins import ResolveMixin
from airflow.sdk.definitions.mappedoperator import MappedOperator
from jinja2 import TemplateSyntaxError, meta
from kubernetes.client import ApiClient
from pydantic import TypeAdapter, ValidationError

from maxairesources.configs.document import Place, has_template, shown, walk
from maxairesources.dags.operators import launcher, parameters
from maxairesources.deployed import ObjectiveConfigs
from maxairesources.errors import InputError
from maxairesources.launches import SPARK, Launch
from maxairesources.testing.pod_checks import mistakes_in_pod
from maxairesources.tree import SPARK_IMAGES, json_path, nearest, repository_of

# Variables of Airflow 2, and those of Airflow 3:
# https://airflow.apache.org/docs/apache-airflow/stable/installation/upgrading_to_airflow3.html
_OF_AIRFLOW_2 = {
    "conf": "dag_run.conf",
    "execution_date": "logical_date",
    "next_ds": "data_interval_end | ds",
    "next_ds_nodash": "data_interval_end | ds_nodash",
    "next_execution_date": "data_interval_end",
    "prev_ds": "prev_data_interval_start_success | ds",
    "prev_ds_nodash": "prev_data_interval_start_success | ds_nodash",
    "prev_execution_date": "prev_data_interval_start_success",
    "prev_execution_date_success": "prev_data_interval_start_success",
    "tomorrow_ds": "macros.ds_add(ds, 1)",
    "tomorrow_ds_nodash": "macros.ds_add(ds, 1) | replace('-', '')",
    "triggering_dataset_events": "triggering_asset_events",
    "yesterday_ds": "macros.ds_add(ds, -1)",
    "yesterday_ds_nodash": "macros.ds_add(ds, -1) | replace('-', '')",
}


def mistakes_in(dag: DAG, configs: ObjectiveConfigs, file: str) -> Iterator[object]:
    """Yield a message for each mistake in a DAG and in the configs of its objective.

    `file` is the path of its dag.py, from maxaidags on.
    """
    tasks: dict[str, Any] = {str(task.label): task for task in dag.tasks}
    py_config, py_config_file = configs.py_config, configs.py_config_file
    launched = tasks.keys() & configs.launches.keys()
    for name in py_config.keys() - launched:
        problem = f"$.{name}: {file} launches no task {name!r}"
        yield InputError(problem, nearest(name, launched), py_config_file)
    yield from _mistakes_in_templates(dag, py_config, (), py_config_file)
    known = {name for task in dag.tasks for name in parameters(_kind(task))}
    # Airflow ignores a default argument that no operator has.
    for name in dag.default_args.keys() - known if tasks else ():
        problem = f"default_args: no operator has an argument {name!r}"
        yield InputError(problem, nearest(name, known, "remove it"), file)
    for name, task in tasks.items():
        launch = configs.launches.get(name)
        if launch:
            yield from _mistakes_in_launch(dag, task, launch, configs, file)
        where = f"{launch.file if launch else file}: task {name}"
        yield from (f"{where}: {mistake}" for mistake in _mistakes_in_task(task))


def _mistakes_in_launch(
    dag: DAG, task: Any, launch: Launch, configs: ObjectiveConfigs, file: str
) -> Iterator[InputError]:
    """Yield the mistakes of a task that a launch config has."""
    name, own = launch.task, repository_of(file.split("/")[1])
    if launch.operator != launcher(_kind(task)):
        problem = f"task {name!r} is not a {launch.operator}, but {launch.file} "
        remedy = "use that operator, or remove it there"
        yield InputError(f"{problem}launches it with one", remedy, file)
        return
    if name not in configs.py_config:
        problem = f"task {name!r} is not in {configs.py_config_file}"
        remedy = nearest(name, configs.py_config, "add it there")
        yield InputError(problem, remedy, file)
    for key, value in launch.arguments.items():
        path = (*launch.path, key)
        for problem, remedy in _mistakes_in_argument(task, key, value):
            yield InputError(f"{json_path(path)} {problem}", remedy, launch.file)
        if key in task.template_fields:
            yield from _mistakes_in_templates(dag, value, path, launch.file)
    for path, value in walk(launch.arguments, launch.path):
        # People choose the keys of these.
        if {"annotations", "env_vars", "labels"} & {*path}:
            continue
        if re.fullmatch("pod_template_file|spark.*[.]podTemplateFile", str(path[-1])):
            problem = f"{json_path(path)}: a pod template could name any image"
            yield InputError(problem, "put its content into the config", launch.file)
        if path[-1] in ("image", *SPARK_IMAGES) and value != own:
            problem = f"{json_path(path)} is {shown(value)}"
            remedy = f"use {own}, the image of the domain"
            yield InputError(problem, remedy, launch.file)


def _mistakes_in_argument(task: Any, key: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield the problem and the remedy of each mistake in an operator's argument."""
    annotation = parameters(_kind(task)).get(key, "")
    if value is not None and re.search("Callable|Callback", annotation):
        yield "is a function in Python", "remove it, and pass it to add() in dag.py"
    elif {*annotation.split(" | ")} <= {"bool", "float", "int", "str", "None"}:
        try:
            TypeAdapter(eval(annotation)).validate_python(value, strict=True)
        except ValidationError:
            yield f"is {shown(value)}", f"use a value of the type {annotation}"
    if key not in task.template_fields and any(has_template(v) for _, v in walk(value)):
        problem = f"is {shown(value)}, but Airflow renders no template in this argument"
        yield problem, "use the value itself"


def _mistakes_in_templates(
    dag: DAG, config: Any, path: Place, file: str
) -> Iterator[InputError]:
    """Yield the strings in a part of a config that Airflow cannot render."""
    environment = dag.get_template_env()
    known = {*Context.__annotations__, *environment.globals} - _OF_AIRFLOW_2.keys()
    for place, text in walk(config, path):
        if not has_template(text):
            continue
        start, names = f"{json_path(place)}: {shown(text)}", set()
        try:
            environment.compile(text)
            names = meta.find_undeclared_variables(environment.parse(text)) - known
        except TemplateSyntaxError as error:
            problem = f"{start} is not a valid template ({error.message})"
            yield InputError(problem, "fix the syntax", file)
        for name in sorted(names):
            remedy = nearest(name, known)
            if name in _OF_AIRFLOW_2:
                remedy = f"Airflow 3 has {_OF_AIRFLOW_2[name]} instead"
            yield InputError(f"{start} has an unknown variable {name!r}", remedy, file)


def _mistakes_in_task(task: Any) -> Iterator[str]:
    """Yield the mistakes of a task that would fail in a cluster."""
    operator = launcher(_kind(task))
    for each in unmapped(task) if operator else ():
        if operator == SPARK:
            (both, *others), keys = SPARK_IMAGES, {*(each.conf or {})}
            if both not in keys and not keys.issuperset(others):
                yield f"{both} is missing"
            continue
        for name in each.template_fields:
            if isinstance(getattr(each, name, None), ResolveMixin):
                setattr(each, name, None)
        # Airflow would look for the connection, the file or the context of a cluster.
        for name in (
            "cluster_context",
            "config_file",
            "in_cluster",
            "kubernetes_conn_id",
        ):
            setattr(each, name, None)
        each.namespace = each.namespace or "default"
        try:
            built = each.build_pod_request_obj(dry_run=True)
        except Exception as error:
            yield f"Airflow cannot build its pod ({error})"
            continue
        yield from mistakes_in_pod(_Client().sanitize_for_serialization(built))


def _kind(task: Any) -> Any:
    """Return the class of a task's operator."""
    return task.operator_class if isinstance(task, MappedOperator) else type(task)


def unmapped(task: Any) -> Iterator[Any]:
    """Yield the operator of a task, or one for each combination of its literal lists."""
    if not isinstance(task, MappedOperator):
        # The original must not change.
        yield task.prepare_for_execution()
        return
    value: Any = task.expand_input.value
    lists: Iterable[Any] = value.values() if isinstance(value, dict) else ()
    if not lists or not all(isinstance(items, list) for items in lists):
        # The result of another task is known, and checked, only when the task runs.
        return
    for items in itertools.product(*lists):
        yield task.unmap(dict(zip(value, items)))


class _Client(ApiClient):
    """Replaces values that are known only at run time, such as the result of another task."""

    def sanitize_for_serialization(self, obj: Any) -> Any:
        if isinstance(obj, ResolveMixin):
            return "{{ known at run time }}"
        return super().sanitize_for_serialization(obj)
