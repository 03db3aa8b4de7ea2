"""The part of a py_config for one task: its ports and arguments, validated."""

import datetime
import zoneinfo
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from maxairesources.configs import py_config
from maxairesources.configs.document import ConfigModel, Wrong, validate
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
        raise Wrong(f"{value!r} is not a date", "use one such as 2018-01-01") from None


def _time_zone(name: str) -> str:
    try:
        return zoneinfo.ZoneInfo(name).key
    except (ValueError, OSError, KeyError):
        remedy = "use a name such as America/New_York"
        raise Wrong(f"{name!r} is not a time zone", remedy) from None


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
class Task(Generic[A]):
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


def read_task(config: dict[str, Any], name: str, arguments: type[A]) -> Task[A]:
    """Return the part of a py_config for one task.

    Args:
        config: the whole py_config.
        name: the task's name.
        arguments: the model of the arguments of the task's handler.

    Raises:
        InputError: there is no such task, or a value does not match the model.
    """
    names = [key for key in config if not key.startswith("$")]
    if name not in names:
        raise InputError(f"has no task {name!r}", nearest(name, names))
    part = validate(py_config.Task, config[name], path=(name,))
    args = validate(arguments, part.function.args, path=(name, "function", "args"))
    return Task(name, part.input, part.output, args)
