"""A task's part of a py_config: its ports and its arguments, checked."""

import difflib
import zoneinfo
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from maxairesources.errors import InputError

# The largest seed that NumPy's older generator takes, which scikit-learn uses.
_LARGEST = 2**32 - 1


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return a remedy that names the valid names nearest to `name`, or all of them."""
    names = sorted(valid)
    close = difflib.get_close_matches(name, names)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"use one of: {', '.join(names) or 'none is defined'}"


def task_names(config: dict[str, Any]) -> list[str]:
    """Return the names of the tasks in a py_config; `$schema` is none."""
    return [name for name in config if not name.startswith("$")]


@dataclass(frozen=True)
class Task:
    """What a py_config tells one task.

    Attributes:
        name: the task's name, the key in the py_config.
        input: the ports that the task reads.
        output: the ports that the task writes.
        args: the arguments of the task's function, by name.
    """

    name: str
    input: list[Any]
    output: list[Any]
    args: dict[str, Any]

    def whole(self, name: str, minimum: int) -> int:
        """Return argument `name`, a whole number from `minimum` to 2**32 - 1."""
        value = self.args[name]
        # type() and not isinstance(), since True is an int.
        if type(value) is not int or not minimum <= value <= _LARGEST:
            wanted = f"a whole number from {minimum} on, at most {_LARGEST}"
            raise self._wrong(name, wanted)
        return value

    def share(self, name: str) -> float:
        """Return argument `name`, a number between 0 and 1, both excluded."""
        value = self.args[name]
        if not isinstance(value, float) or not 0 < value < 1:
            raise self._wrong(name, "a number between 0 and 1, both excluded")
        return value

    def texts(self, name: str) -> list[str]:
        """Return argument `name`, a list of texts; it may be empty."""
        value = self.args[name]
        if not isinstance(value, list) or not all(isinstance(x, str) for x in value):
            raise self._wrong(name, "a list of texts")
        return value

    def date(self, name: str) -> date:
        """Return argument `name`, a date such as 2018-01-01."""
        try:
            return date.fromisoformat(self.args[name])
        except (TypeError, ValueError) as error:
            raise self._wrong(name, "a date such as 2018-01-01") from error

    def time_zone(self, name: str) -> str:
        """Return argument `name`, the name of a time zone."""
        try:
            return zoneinfo.ZoneInfo(self.args[name]).key
        except (TypeError, ValueError, AttributeError, OSError, KeyError) as error:
            wanted = "the name of a time zone, such as America/New_York"
            raise self._wrong(name, wanted) from error

    def _wrong(self, name: str, wanted: str) -> InputError:
        return InputError(
            f"task {self.name}: function.args.{name} is {self.args[name]!r}",
            f"give {wanted}",
        )


def read_task(config: Any, name: str, arguments: Collection[str]) -> Task:
    """Return the part of a py_config that is about one task.

    Args:
        config: the whole py_config.
        name: the task's name.
        arguments: the names of the arguments that the task's function takes. Each of
            them must be there and no other may, so that a misspelt one is noticed.

    Raises:
        InputError: the task or a key is missing, unknown or of the wrong type.
    """
    if not isinstance(config, dict):
        raise InputError("the config is no JSON object", "give one key a task")
    if name not in task_names(config):
        raise InputError(f"no task {name!r}", nearest(name, task_names(config)))
    part = _typed(config, name, dict, f"task {name}")
    function = _typed(part, "function", dict, f"task {name}: function")
    where = f"task {name}: function.args"
    args = _typed(function, "args", dict, where)
    for argument in args:
        if argument not in arguments:
            raise InputError(
                f"{where} has an unknown {argument!r}", nearest(argument, arguments)
            )
    for argument in arguments:
        if argument not in args:
            raise InputError(f"{where}.{argument} is missing", "add it")
    return Task(
        name=name,
        input=_typed(part, "input", list, f"task {name}: input"),
        output=_typed(part, "output", list, f"task {name}: output"),
        args=args,
    )


def _typed(mapping: dict[str, Any], key: str, kind: type, where: str) -> Any:
    """Return `mapping[key]`, which must be of the JSON type that `kind` stands for."""
    json_name = "object" if kind is dict else "list"
    if key not in mapping:
        raise InputError(f"{where} is missing", f"add it, a JSON {json_name}")
    if not isinstance(mapping[key], kind):
        raise InputError(f"{where} is {mapping[key]!r}", f"give a JSON {json_name}")
    return mapping[key]
