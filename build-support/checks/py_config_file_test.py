"""Tests that the handlers of the domain DOMAIN accept the arguments in its py_configs."""

import os
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from maxairesources.config_store.task import Arguments
from maxairesources.configs.document import parse, validate
from maxairesources.configs.py_config import PyConfig
from maxairesources.errors import InputError
from maxairesources.launches import handler_name, merge, read_launches

FOLDER = Path("maxaiconfigs", os.environ["DOMAIN"])


def read(path: Path) -> dict[str, Any]:
    return parse(path.read_text(), path)


def arguments(py_config: Path, task: str) -> type[Arguments] | None:
    """Return the model of the arguments of the handler that a task of a py_config runs.

    It is None for a handler without such a model, which checks its arguments itself. Such a
    handler may run when it is imported.
    """
    usecase = py_config.parent.parent
    configs = [read(path) for path in usecase.glob("*_config.json")]
    launches = [launch for config in configs for launch in read_launches(config)]
    files = {str(each.handler_file) for each in launches if each.task == task}
    file = next((each for each in files if Path(each).is_file()), None)
    if file is None:
        problem = f"$.{task}: no launch config runs a handler that exists for it"
        remedy = "correct it there, or remove the task here"
        raise InputError(problem, remedy, py_config)
    if not re.search(r"^class Arguments\b", Path(file).read_text(), re.MULTILINE):
        return None
    model: type[Arguments] = import_module(handler_name(file, False)).Arguments
    return model


# A py_config alone, such as py_config.json, and one with an overlay, such as py_config.prod.json.
@pytest.mark.parametrize("path", sorted(FOLDER.rglob("py_config.*json")), ids=str)
def test_handlers_accept_the_arguments(path: Path) -> None:
    config = read(path.with_name("py_config.json"))
    if path.name != "py_config.json":
        config = merge(config, read(path))
    for name, task in validate(PyConfig, config, path).tasks.items():
        place, args = (name, "function", "args"), task.function.args
        try:
            if model := arguments(path, name):
                validate(model, args, path, place, templates=True)
        except InputError as error:
            pytest.fail(str(error), pytrace=False)
