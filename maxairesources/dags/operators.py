"""The operators of DAGFactory, by name, and their arguments in a launch config."""

import functools
import inspect
import json
import pkgutil
import re
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from airflow.sdk import BaseOperator
from pydantic import TypeAdapter, ValidationError

from maxairesources.errors import InputError
from maxairesources.launches import KUBEPOD, SPARK, Launch
from maxairesources.tree import LAUNCHED_FROM, json_path, nearest

# The class of each operator. The modules take seconds to import, so a DAG imports only those
# that it uses. DummyOperator is the older name of EmptyOperator.
_STANDARD = "airflow.providers.standard.operators"
OPERATORS = {
    "BashOperator": f"{_STANDARD}.bash:BashOperator",
    "BranchPythonOperator": f"{_STANDARD}.python:BranchPythonOperator",
    "DummyOperator": f"{_STANDARD}.empty:EmptyOperator",
    "EmptyOperator": f"{_STANDARD}.empty:EmptyOperator",
    KUBEPOD: f"airflow.providers.cncf.kubernetes.operators.pod:{KUBEPOD}",
    "PostgresOperator": "maxairesources.dags.postgres:PostgresOperator",
    "PythonOperator": f"{_STANDARD}.python:PythonOperator",
    "SQLExecuteQueryOperator": "airflow.providers.common.sql.operators.sql:SQLExecuteQueryOperator",
    "ShortCircuitOperator": f"{_STANDARD}.python:ShortCircuitOperator",
    SPARK: f"airflow.providers.apache.spark.operators.spark_submit:{SPARK}",
}

# The annotation of an argument that is only an object of the Kubernetes client, or a list. The
# resources may stay JSON, in which quantities may be numbers.
_OBJECT = re.compile(r"((?:list\[)?)k8s\.(V1(?!Resource)\w+\]?) \| None")
# Arguments that are a timedelta in Python.
_DURATIONS = ("execution_timeout", "max_retry_delay", "retry_delay")


def operator_class(operator: Any, subject: object = None) -> Any:
    """Return the class of an operator: it is a key of `OPERATORS`, or the class itself.

    Raises:
        InputError: it is neither; the error is about `subject`.
    """
    if isinstance(operator, type) and issubclass(operator, BaseOperator):
        return operator
    if operator not in OPERATORS:
        remedy = nearest(str(operator), OPERATORS, "use the class of the operator")
        raise InputError(f"unknown operator {operator!r}", remedy, subject)
    return pkgutil.resolve_name(OPERATORS[operator])


def launcher(operator: Any) -> str | None:
    """Return which operator of `LAUNCHED_FROM` a class is, or derives from; None for others."""
    names = (base.__name__ for base in operator.__mro__)
    return next((name for name in names if name in LAUNCHED_FROM), None)


@functools.cache
def parameters(taker: type) -> dict[str, str]:
    """Return the arguments of a DAG or an operator, and their annotations.

    The id and the DAG are not included, because `DAGFactory` passes them.
    """
    bases: tuple[Any, ...] = taker.__mro__
    return {
        name: str(parameter.annotation)
        for base in reversed(bases)
        for name, parameter in inspect.signature(base.__init__).parameters.items()
        if name not in ("self", "args", "kwargs", "dag", "dag_id", "task_id")
    }


def to_python(launch: Launch) -> dict[str, Any]:
    """Return the arguments of a launch as its operator needs them.

    Durations become timedeltas, and parts of a pod objects of the Kubernetes client.
    """
    converted = dict(launch.arguments)
    types = operator_class(launch.operator).__init__.__annotations__
    for name, value in launch.arguments.items():
        try:
            if name in _DURATIONS and value is not None:
                remedy = "use a number of seconds, or ISO 8601 such as PT1H30M"
                converted[name] = TypeAdapter(timedelta).validate_python(value)
            elif kind := _OBJECT.fullmatch(types.get(name, "")):
                remedy = f"use the fields of Kubernetes' {kind[1]}{kind[2]}"
                converted[name] = _kubernetes_object(value, kind[1] + kind[2])
        except (AttributeError, OverflowError, TypeError, ValueError) as error:
            problem = f"{json_path((*launch.path, name))} is {value!r}"
            if not isinstance(error, ValidationError):
                problem += f" ({error})"
            raise InputError(problem, remedy, launch.file) from None
    return converted


def _kubernetes_object(value: Any, kind: str) -> Any:
    """Return an object of the Kubernetes client from JSON."""
    # The import takes a second. The operator has already imported it.
    from kubernetes.client import ApiClient

    client = ApiClient()
    found = client.deserialize(SimpleNamespace(data=json.dumps(value)), kind)
    # The client silently removes unknown keys.
    if client.sanitize_for_serialization(found) != value:
        raise ValueError("with a key that Kubernetes lacks")
    return found
