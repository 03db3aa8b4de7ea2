"""The part of a py_config for one task: its ports and arguments, validated."""

import datetime
import zoneinfo
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from maxairesources.configs import py_config
from maxairesources.configs.document import (
    ConfigModel,
    check_without_templates,
    validate,
)
from maxairesources.configs.py_config import Port
from maxairesources.errors import InputError
from maxairesources.tree import nearest

# The largest seed that NumPy's older generator takes, which scikit-learn uses.
_LARGEST = 2**32 - 1


def _date(value: Any) -> datetime.date:
    # Pydantic also accepts a string of digits, as seconds since 1970.
    try:
        return datetime.date.fromisoformat(value)
    except (TypeError, ValueError):
        raise InputError(
            f"{value!r} is not a date", "use one such as 2018-01-01"
        ) from None


def _time_zone(name: str) -> str:
    try:
        return zoneinfo.ZoneInfo(name).key
    except (ValueError, OSError, KeyError):
        remedy = "use a name such as America/New_York"
        raise InputError(f"{name!r} is not a time zone", remedy) from None


# Types of arguments that several handlers have.
Count = Annotated[int, Field(ge=1, le=_LARGEST)]
Date = Annotated[datetime.date, BeforeValidator(_date)]
Seed = Annotated[int, Field(ge=0, le=_LARGEST)]
Share = Annotated[float, Field(gt=0, lt=1)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]


class Arguments(ConfigModel):
    """The base of a handler's arguments. A handler without arguments uses it directly.

    The subclass of a handler is also named `Arguments`, so that a test finds it.
    """


A = TypeVar("A", bound=Arguments)


@dataclass(frozen=True)
class Settings(Generic[A]):
    """The ports and arguments of a task.

    Attributes:
        name: the task's name, the key in the py_config.
        input: the ports that the task reads.
        output: the ports that the task writes.
        args: the arguments of the task's function.
    """

    name: str
    input: list[Port]
    output: list[Port]
    args: A


def read_task(config: dict[str, Any], name: str, arguments: type[A]) -> Settings[A]:
    """Return the part of a py_config for one task.

    Airflow renders a template to a string. Therefore, where an argument is a number or a
    boolean, a string such as "7" or "True" becomes one, as in pydantic's lax mode.

    Args:
        config: the whole py_config.
        name: the task's name.
        arguments: the model of the arguments of the task's handler.

    Raises:
        InputError: the task is missing, or a value does not match the model.
    """
    part, path = _part(config, name)
    args = validate(arguments, part.function.args, path=path, strict=False)
    return Settings(name, part.input, part.output, args)


def check_task(config: dict[str, Any], name: str, arguments: type[A]) -> None:
    """Check a task in a committed py_config, in which a string does not become a number.

    It skips the templates of Airflow, since their values are not known yet.

    Args:
        config: the whole py_config.
        name: the task's name.
        arguments: the model of the arguments of the task's handler.

    Raises:
        InputError: the task is missing, or a value does not match the model.
    """
    part, path = _part(config, name)
    check_without_templates(arguments, part.function.args, path)


def _part(config: dict[str, Any], name: str) -> tuple[py_config.Task, tuple[Any, ...]]:
    """Return a task of a config, and the path of its arguments."""
    names = [key for key in config if not key.startswith("$")]
    if name not in names:
        raise InputError(f"has no task {name!r}", nearest(name, names, "add it"))
    part = validate(py_config.Task, config[name], path=(name,))
    return part, (name, "function", "args")
