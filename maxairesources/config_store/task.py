"""The part of a py_config for one task: its ports and arguments, validated.

In a checkout, the py_config and the data root are found, for the command line of a handler and for
notebooks. In an image, Airflow passes them.
"""

import datetime
import os
import re
import zoneinfo
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, Field

from maxairesources.configs.document import ConfigModel, parse, validate
from maxairesources.configs.py_config import Port, PyConfig, Task
from maxairesources.errors import InputError
from maxairesources.tree import CONFIGS, PY_CONFIG, USECASES, nearest
from maxairesources.utilities import storage

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


class AnyArguments(Arguments, extra="allow"):
    """Arguments of any name and type."""


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


def open_task(
    name: str, arguments: type[Any] = AnyArguments, *, config: str | None = None
) -> Settings[Any]:
    """Return what `read_task` returns, for a notebook in the folder of the task's usecase.

    `config` is the path of a py_config (default: that of the usecase that has the task).
    """
    if (configs := find_configs(Path.cwd())) is None:
        remedy = "move the notebook to maxaiusecases/<domain>/<usecase>/notebooks/"
        raise InputError("is not in a usecase", remedy, Path.cwd())
    path = config or find_py_config(configs, name)
    return read_task(parse(storage.read_text(path), path), name, arguments)


def find_task(config: dict[str, Any], name: str) -> Task:
    """Return a task of a whole py_config, without a check of its arguments."""
    tasks = validate(PyConfig, config).tasks
    if name not in tasks:
        remedy = nearest(name, tasks) if tasks else "add it"
        raise InputError(f"has no task {name!r}", remedy)
    return tasks[name]


def find_configs(place: str | Path) -> Path | None:
    """Return the folder of the configs of the usecase that a file or folder belongs to.

    It is None outside of a checkout. In a checkout, the data root of this process is data/, as
    in a local run of a DAG, unless the environment names another.
    """
    path = f"{Path(place).resolve().as_posix()}/"
    found = re.match(f"(.*/){USECASES}/([^/]+/[^/]+)/", path)
    if not found or not Path(found[1], CONFIGS).is_dir():
        return None
    os.environ.setdefault("MAXAI_DATA_ROOT", f"{found[1]}data")
    return Path(found[1], CONFIGS, found[2])


def find_py_config(configs: Path, name: str) -> str:
    """Return the path of the only py_config of a usecase that has a task.

    Raises:
        InputError: no py_config in the folder `configs` has the task, or several have it.
    """
    paths = [os.path.relpath(file) for file in sorted(configs.glob(f"*/{PY_CONFIG}"))]
    tasks = {path: {*parse(storage.read_text(path), path)} for path in paths}
    if len(found := [path for path in paths if name in tasks[path]]) == 1:
        return found[0]
    problem = f"no py_config has a task {name!r}"
    remedy = nearest(name, set().union(*tasks.values()), "add it")
    if found:
        problem = f"several py_configs have a task {name!r}"
        remedy = f"name one as the config: {', '.join(found)}"
    raise InputError(problem, remedy, os.path.relpath(configs))
