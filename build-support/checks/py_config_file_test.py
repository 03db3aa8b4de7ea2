"""Tests that the handlers of the domain DOMAIN accept the arguments in its py_configs."""

from __future__ import annotations

import ast
import importlib
import os
from pathlib import Path
from typing import Any

import pytest

from maxairesources.config_store.task import Arguments, check_task
from maxairesources.configs.document import parse, validate
from maxairesources.configs.py_config import PyConfig
from maxairesources.errors import InputError
from maxairesources.launches import handler_name, merge, read_launches

FOLDER = Path("maxaiconfigs", os.environ["DOMAIN"])


def read(path: Path) -> dict[str, Any]:
    return parse(path.read_text(), path)


def arguments(usecase: Path, task: str) -> type[Arguments] | None:
    """Return the model of the arguments of the handler that a usecase's task runs.

    It is None for a handler without such a model, which checks its arguments itself. Such a
    handler may run when it is imported.
    """
    for path in usecase.glob("*_config.json"):
        for launch in read_launches(read(path)):
            if launch.task == task and launch.file:
                body = ast.parse(Path(launch.file).read_text()).body
                classes = [node.name for node in body if isinstance(node, ast.ClassDef)]
                if "Arguments" not in classes:
                    return None
                module = importlib.import_module(handler_name(launch.file, False))
                model: type[Arguments] = module.Arguments
                return model
    raise AssertionError(f"no launch config of {usecase} has a handler for task {task}")


# A py_config alone, such as py_config.json, and one with an overlay, such as py_config.prod.json.
@pytest.mark.parametrize("path", sorted(FOLDER.rglob("py_config.*json")), ids=str)
def test_handlers_accept_the_arguments(path: Path) -> None:
    config = read(path.with_name("py_config.json"))
    if path.name != "py_config.json":
        config = merge(config, read(path))
    for task in validate(PyConfig, config, path).tasks:
        if model := arguments(path.parent.parent, task):
            try:
                check_task(config, task, model)
            except InputError as error:
                pytest.fail(f"{path}: {error.problem}; {error.remedy}", pytrace=False)
