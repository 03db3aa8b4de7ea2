"""The part of a py_config for one task: its ports and arguments, validated."""

import datetime
import zoneinfo
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, Field

from maxairesources.configs.document import ConfigModel, validate
from maxairesources.configs.py_config import Port, PyConfig, Task
from maxairesources.errors import InputError
from maxairesources.tree import nearest

# The largest seed that NumPy's older generator takes, which scikit-learn uses.
_LARGEST = 2**32 - 1


def _time_zone(name: str) -> str:
    try:
        return zoneinfo.ZoneInfo(name).key
    except (ValueError, OSError, KeyError):
        remedy = "use a name such as America/New_York"
        raise InputError(f"{name!r} is not a time zone", remedy) from None


# Types of arguments that several handlers have.
Count = Annotated[int, Field(ge=1, le=_LARGEST)]
Date = datetime.date
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
    """The name of a task, the ports that it reads and writes, and its arguments."""

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
    part = find_task(config, name)
    path = (name, "function", "args")
    args = validate(arguments, part.function.args, path=path, strict=False)
    return Settings(name, part.input, part.output, args)


def find_task(config: dict[str, Any], name: str) -> Task:
    """Return a task of a whole py_config, without a check of its arguments."""
    tasks = validate(PyConfig, config).tasks
    if name not in tasks:
        remedy = nearest(name, tasks) if tasks else "add it"
        raise InputError(f"has no task {name!r}", remedy)
    return tasks[name]
