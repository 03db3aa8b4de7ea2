"""The operators that a DAG may use, by name."""

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

# Where each operator comes from. The modules take seconds to import, so only those of the
# operators that a DAG uses are. Two of the names are older than today's classes.
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

# What KubernetesPodOperator takes as objects of Kubernetes' client and not as JSON, or of
# which it leaves out in silence what it does not know.
_OBJECTS = {
    "affinity": "V1Affinity",
    "image_pull_secrets": "list[V1LocalObjectReference]",
    "ports": "list[V1ContainerPort]",
    "tolerations": "list[V1Toleration]",
    "volume_mounts": "list[V1VolumeMount]",
    "volumes": "list[V1Volume]",
}

# Python's types that JSON has, and how a person calls them.
_JSON_TYPES: dict[str, tuple[Any, str]] = {
    "bool": (bool, "true or false"),
    "float": ((int, float), "a number"),
    "int": (int, "a whole number"),
    "str": (str, "a text"),
    "None": (type(None), "null"),
}
# A template whose first brace is missing; Jinja takes it for plain text.
_HALF_TEMPLATE = re.compile(r"(?<!\{)\{\s*[\w.]+\s*\}\}")


def operator_class(name: str) -> Any:
    """Return the class of an operator, a key of `OPERATORS`."""
    module, _, class_name = OPERATORS[name].partition(":")
    return getattr(importlib.import_module(module), class_name)


@functools.cache
def parameters(taker: type) -> frozenset[str]:
    """Return the names of the arguments that a DAG or an operator takes.

    The id and the DAG are left out, for `DAGFactory` gives them.
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
    """Return the types of those arguments that take nothing but a simple JSON value.

    Each is the names of Python's types, of which the argument takes any.
    """
    bases: tuple[Any, ...] = taker.__mro__
    types: dict[str, tuple[str, ...]] = {}
    for base in reversed(bases):
        for name, parameter in inspect.signature(base.__init__).parameters.items():
            types[name] = tuple(str(parameter.annotation).split(" | "))
    return {
        name: parts for name, parts in types.items() if _JSON_TYPES.keys() >= {*parts}
    }


def mistake_in_value(taker: type, name: str, value: object) -> tuple[str, str] | None:
    """Return what is wrong with the type of an operator's argument from a config, or None.

    Args:
        taker: the operator's class.
        name: the argument.
        value: the value, as JSON has it.

    Returns:
        The problem and the remedy.
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
    return f"is {'null' if value is None else repr(value)}", f"give {wanted}"


def mistake_in_template(environment: Any, text: str) -> tuple[str, str] | None:
    """Return what is wrong with a text that Airflow renders, or None.

    Args:
        environment: the DAG's Jinja environment.
        text: the text.

    Returns:
        The problem and the remedy.
    """
    if not re.search(r"\{[{%#]|\}\}", text):
        return None
    if _HALF_TEMPLATE.search(text):
        return f"{text!r} lacks a brace", "begin a template with {{ and end it with }}"
    try:
        environment.compile(text)
        names = meta.find_undeclared_variables(environment.parse(text))
    except TemplateSyntaxError as error:
        return f"{text!r} is no template ({error.message})", "mend it"
    known = {*Context.__annotations__, *environment.globals}
    for name in sorted(names - known):
        return f"{text!r} has an unknown variable {name!r}", nearest(name, known)
    return None


def to_objects(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return a pod operator's arguments from a config as the operator takes them.

    Raises:
        Wrong: Kubernetes knows no such object; its path is the argument's name.
    """
    found = arguments.keys() & _OBJECTS.keys()
    if not found:
        return arguments
    # Its import takes a second, which the operator's has spent already.
    from kubernetes.client import ApiClient

    client, converted = ApiClient(), {}
    for name in found:
        response = SimpleNamespace(data=json.dumps(arguments[name]))
        try:
            converted[name] = client.deserialize(response, _OBJECTS[name])
        except (AttributeError, TypeError, ValueError) as error:
            raise Wrong(
                f"Kubernetes refuses it ({error})", "mend it", (name,)
            ) from None
        # What the client does not know it leaves out in silence.
        if client.sanitize_for_serialization(converted[name]) != arguments[name]:
            problem = f"{arguments[name]!r} has a key that Kubernetes does not know"
            raise Wrong(problem, "mend it", (name,))
    return {**arguments, **converted}


def unmapped(task: Any) -> Iterator[Any]:
    """Yield the operators of a task: one, or as many as its literal lists make."""
    if not isinstance(task, MappedOperator):
        # The original must stay what the DAG file made of it.
        yield task.prepare_for_execution()
        return
    value: Any = task.expand_input.value
    lists = value.values() if isinstance(value, dict) else ()
    if not lists or not all(isinstance(items, list) for items in lists):
        # What another task returns is known, and so checked, when it is its turn.
        return
    for items in itertools.product(*lists):
        yield task.unmap(dict(zip(value, items)))
