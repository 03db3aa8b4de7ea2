"""The operators of DAGFactory, by name, and checks of their arguments."""

import functools
import importlib
import inspect
import json
import re
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from airflow.sdk import BaseOperator, Context
from jinja2 import TemplateSyntaxError, meta
from pydantic import TypeAdapter, ValidationError

from maxairesources.configs.document import Wrong
from maxairesources.configs.objective import KUBEPOD, SPARK
from maxairesources.tree import nearest

# The class of each operator. The modules take seconds to import, so a DAG imports only those
# that it uses. DummyOperator and PostgresOperator are older names of today's classes.
_STANDARD = "airflow.providers.standard.operators"
_SQL = "airflow.providers.common.sql.operators.sql:SQLExecuteQueryOperator"
OPERATORS = {
    "BashOperator": f"{_STANDARD}.bash:BashOperator",
    "BranchPythonOperator": f"{_STANDARD}.python:BranchPythonOperator",
    "DummyOperator": f"{_STANDARD}.empty:EmptyOperator",
    "EmptyOperator": f"{_STANDARD}.empty:EmptyOperator",
    KUBEPOD: f"airflow.providers.cncf.kubernetes.operators.pod:{KUBEPOD}",
    "PostgresOperator": _SQL,
    "PythonOperator": f"{_STANDARD}.python:PythonOperator",
    "SQLExecuteQueryOperator": _SQL,
    "ShortCircuitOperator": f"{_STANDARD}.python:ShortCircuitOperator",
    SPARK: f"airflow.providers.apache.spark.operators.spark_submit:{SPARK}",
}

# Arguments that KubernetesPodOperator accepts only as objects of the Kubernetes client, or
# from which it silently removes unknown keys.
_OBJECTS = {
    "affinity": "V1Affinity",
    "env_from": "list[V1EnvFromSource]",
    "full_pod_spec": "V1Pod",
    "host_aliases": "list[V1HostAlias]",
    "init_containers": "list[V1Container]",
    "image_pull_secrets": "list[V1LocalObjectReference]",
    "ports": "list[V1ContainerPort]",
    "tolerations": "list[V1Toleration]",
    "volume_mounts": "list[V1VolumeMount]",
    "volumes": "list[V1Volume]",
}

# Python's types that JSON has, and their names in messages.
_JSON_TYPES: dict[str, tuple[Any, str]] = {
    "bool": (bool, "true or false"),
    "float": ((int, float), "a number"),
    "int": (int, "a whole number"),
    "str": (str, "a string"),
    "None": (type(None), "null"),
}
# A template whose first brace is missing; Jinja renders it as plain text.
_HALF_TEMPLATE = re.compile(r"(?<!\{)\{\s*(\w+)[\w.]*\s*\}\}")
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


def operator_class(operator: Any) -> Any:
    """Return the class of an operator.

    Args:
        operator: a key of `OPERATORS`, or the class itself.

    Raises:
        Wrong: it is neither.
    """
    if isinstance(operator, type) and issubclass(operator, BaseOperator):
        return operator
    if operator not in OPERATORS:
        remedy = nearest(str(operator), OPERATORS, "use the class of the operator")
        raise Wrong(f"has an unknown operator {operator!r}", remedy)
    module, _, class_name = OPERATORS[operator].partition(":")
    return getattr(importlib.import_module(module), class_name)


@functools.cache
def parameters(taker: type) -> frozenset[str]:
    """Return the names of the arguments of a DAG or an operator.

    The id and the DAG are not included, because `DAGFactory` passes them.
    """
    bases: tuple[Any, ...] = taker.__mro__
    names = {
        name
        for base in bases
        for name, parameter in inspect.signature(base.__init__).parameters.items()
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    }
    return frozenset(names - {"self", "dag", "dag_id", "task_id"})


@functools.cache
def _annotations(taker: type) -> dict[str, str]:
    """Return the annotation of each argument of an operator."""
    bases: tuple[Any, ...] = taker.__mro__
    return {
        name: str(parameter.annotation)
        for base in reversed(bases)
        for name, parameter in inspect.signature(base.__init__).parameters.items()
    }


@functools.cache
def simple_types(taker: type) -> dict[str, tuple[str, ...]]:
    """Return the arguments that accept only a simple JSON value, with their Python types."""
    types = {name: tuple(a.split(" | ")) for name, a in _annotations(taker).items()}
    return {
        name: parts for name, parts in types.items() if _JSON_TYPES.keys() >= {*parts}
    }


def mistake_in_value(taker: type, name: str, value: object) -> tuple[str, str] | None:
    """Check the type of an operator's argument from a config.

    Args:
        taker: the operator's class.
        name: the argument.
        value: the JSON value.

    Returns:
        The problem and the remedy; None if there is no problem.
    """
    if value is not None and re.search("Callable|Callback", _annotations(taker)[name]):
        return "is a function in Python", "remove it, and pass it to add() in dag.py"
    parts = simple_types(taker).get(name)
    if not parts:
        return None
    for part in parts:
        right = isinstance(value, _JSON_TYPES[part][0])
        # Python's booleans are numbers too.
        if right and (part == "bool" or not isinstance(value, bool)):
            return None
    wanted = " or ".join(_JSON_TYPES[part][1] for part in parts if part != "None")
    return f"is {'null' if value is None else repr(value)}", f"use {wanted}"


def mistake_in_template(environment: Any, text: str) -> tuple[str, str] | None:
    """Check a string that Airflow renders.

    Args:
        environment: the DAG's Jinja environment.
        text: the string.

    Returns:
        The problem and the remedy; None if there is no problem.
    """
    if not re.search(r"\{[{%#]|\}\}", text):
        return None
    shown = repr(text if len(text) < 80 else f"{text[:77]}...")
    known = {*Context.__annotations__, *environment.globals} - _OF_AIRFLOW_2.keys()
    half = _HALF_TEMPLATE.search(text)
    if half and half[1] in known:
        return f"{shown} lacks a brace", "begin a template with {{ and end it with }}"
    try:
        environment.compile(text)
        names = meta.find_undeclared_variables(environment.parse(text))
    except TemplateSyntaxError as error:
        return f"{shown} is not a valid template ({error.message})", "fix the syntax"
    for name in sorted(names - known):
        remedy = nearest(name, known)
        if name in _OF_AIRFLOW_2:
            remedy = f"Airflow 3 has {_OF_AIRFLOW_2[name]} instead"
        return f"{shown} has an unknown variable {name!r}", remedy
    return None


def to_durations(taker: type, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return an operator's arguments with timedeltas in place of JSON's durations.

    Args:
        taker: the operator's class.
        arguments: its arguments; a duration is a number of seconds, or ISO 8601.

    Raises:
        Wrong: a value is not a duration; the path is the name of the argument.
    """
    converted: dict[str, Any] = {}
    for name, value in arguments.items():
        if value is None or "timedelta" not in _annotations(taker).get(name, ""):
            continue
        try:
            if isinstance(value, bool):
                raise ValueError
            converted[name] = TypeAdapter(timedelta).validate_python(value)
        except (OverflowError, ValueError, ValidationError):
            remedy = "use a number of seconds, or ISO 8601 such as PT1H30M"
            raise Wrong(f"is {value!r}", remedy, (name,)) from None
    return {**arguments, **converted}


def to_objects(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return a pod operator's arguments with the objects that it needs in place of JSON.

    Raises:
        Wrong: Kubernetes rejects an object; the path is the name of the argument.
    """
    found = arguments.keys() & _OBJECTS.keys()
    if not found:
        return arguments
    # The import takes a second. The operator has already imported it.
    from kubernetes.client import ApiClient

    client, converted = ApiClient(), {}
    for name in found:
        remedy = f"use the fields of Kubernetes' {_OBJECTS[name]}"
        response = SimpleNamespace(data=json.dumps(arguments[name]))
        try:
            converted[name] = client.deserialize(response, _OBJECTS[name])
        except (AttributeError, TypeError, ValueError) as error:
            raise Wrong(f"is wrong ({error})", remedy, (name,)) from None
        # The client silently removes unknown keys.
        if client.sanitize_for_serialization(converted[name]) != arguments[name]:
            problem = f"is {arguments[name]!r}, with a key that Kubernetes lacks"
            raise Wrong(problem, remedy, (name,))
    return {**arguments, **converted}


def with_new_names(
    operator: str, arguments: dict[str, Any], default_args: dict[str, Any]
) -> dict[str, Any]:
    """Return the arguments of an operator under the names of today's class.

    The old PostgresOperator called the connection postgres_conn_id, with a default.

    Args:
        operator: the name of the operator.
        arguments: its arguments.
        default_args: the default arguments of the DAG.

    Raises:
        Wrong: the connection is given under both names.
    """
    old, new = "postgres_conn_id", "conn_id"
    if operator != "PostgresOperator":
        return arguments
    if old in arguments and new in arguments:
        raise Wrong(f"{new} and {old} are the same", "keep one of them")
    others = {key: value for key, value in arguments.items() if key != old}
    if old in arguments:
        return {**others, new: arguments[old]}
    if old in default_args:
        return {new: default_args[old], **others}
    return others if new in default_args else {new: "postgres_default", **others}
