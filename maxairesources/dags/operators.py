"""The operators of DAGFactory, by name, and checks of their arguments."""

import functools
import importlib
import inspect
import itertools
import json
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from airflow.sdk import Context
from airflow.sdk.definitions.mappedoperator import MappedOperator
from jinja2 import TemplateSyntaxError, meta

from maxairesources.configs.document import Wrong
from maxairesources.configs.objective import KUBEPOD, SPARK
from maxairesources.tree import nearest

# The class of each operator. The modules take seconds to import, so a DAG imports only those
# that it uses. DummyOperator and PostgresOperator are older names of today's classes.
_STANDARD = "airflow.providers.standard.operators"
OPERATORS = {
    "BashOperator": f"{_STANDARD}.bash:BashOperator",
    "BranchPythonOperator": f"{_STANDARD}.python:BranchPythonOperator",
    "DummyOperator": f"{_STANDARD}.empty:EmptyOperator",
    KUBEPOD: f"airflow.providers.cncf.kubernetes.operators.pod:{KUBEPOD}",
    "PostgresOperator": (
        "airflow.providers.common.sql.operators.sql:SQLExecuteQueryOperator"
    ),
    "PythonOperator": f"{_STANDARD}.python:PythonOperator",
    "ShortCircuitOperator": f"{_STANDARD}.python:ShortCircuitOperator",
    SPARK: f"airflow.providers.apache.spark.operators.spark_submit:{SPARK}",
}

# Arguments that KubernetesPodOperator accepts only as objects of the Kubernetes client, or
# from which it silently removes unknown keys.
_OBJECTS = {
    "affinity": "V1Affinity",
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
_HALF_TEMPLATE = re.compile(r"(?<!\{)\{\s*[\w.]+\s*\}\}")


def operator_class(name: str) -> Any:
    """Return the class of an operator, a key of `OPERATORS`."""
    module, _, class_name = OPERATORS[name].partition(":")
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
def simple_types(taker: type) -> dict[str, tuple[str, ...]]:
    """Return the arguments that accept only a simple JSON value, with their Python types."""
    bases: tuple[Any, ...] = taker.__mro__
    types: dict[str, tuple[str, ...]] = {}
    for base in reversed(bases):
        for name, parameter in inspect.signature(base.__init__).parameters.items():
            types[name] = tuple(str(parameter.annotation).split(" | "))
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
    if _HALF_TEMPLATE.search(text):
        return f"{text!r} lacks a brace", "begin a template with {{ and end it with }}"
    try:
        environment.compile(text)
        names = meta.find_undeclared_variables(environment.parse(text))
    except TemplateSyntaxError as error:
        return f"{text!r} is not a valid template ({error.message})", "fix the syntax"
    known = {*Context.__annotations__, *environment.globals}
    for name in sorted(names - known):
        return f"{text!r} has an unknown variable {name!r}", nearest(name, known)
    return None


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
            raise Wrong(f"Kubernetes rejects it ({error})", remedy, (name,)) from None
        # The client silently removes unknown keys.
        if client.sanitize_for_serialization(converted[name]) != arguments[name]:
            problem = f"{arguments[name]!r} has a key that Kubernetes does not know"
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
