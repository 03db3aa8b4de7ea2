"""Tests that the handlers of the domain DOMAIN accept the arguments in its py_configs."""

from __future__ import annotations

import ast
import importlib
import os
from pathlib import Path
from typing import Any

from maxairesources.config_store.task import Arguments, check_task
from maxairesources.configs.document import parse, validate
from maxairesources.configs.py_config import PyConfig
from maxairesources.errors import InputError
from maxairesources.launches import handler_name, read_launches
from maxairesources.tree import KUBEPOD_CONFIG, SPARK_CONFIG

FOLDER = Path("maxaiconfigs", os.environ["DOMAIN"])
CONFIGS = sorted(FOLDER.rglob("py_config.json"))


def read(path: Path) -> dict[str, Any]:
    return parse(path.read_text(), path)


def arguments(usecase: Path, task: str) -> type[Arguments] | None:
    """Return the model of the arguments of the handler that a usecase's task runs.

    It is None for a handler without such a model, which checks its arguments itself. Such a
    handler may run when it is imported.
    """
    for path in (usecase / KUBEPOD_CONFIG, usecase / SPARK_CONFIG):
        for launch in read_launches(read(path)) if path.exists() else []:
            if launch.task == task and launch.file:
                body = ast.parse(Path(launch.file).read_text()).body
                classes = [node.name for node in body if isinstance(node, ast.ClassDef)]
                if "Arguments" not in classes:
                    return None
                module = importlib.import_module(handler_name(launch.file, False))
                model: type[Arguments] = module.Arguments
                return model
    raise AssertionError(f"no launch config of {usecase} has a handler for task {task}")


def check(path: Path, config: dict[str, Any]) -> None:
    for name in validate(PyConfig, config, path).tasks:
        if model := arguments(path.parent.parent, name):
            try:
                check_task(config, name, model)
            except InputError as error:
                raise AssertionError(
                    f"{path}: {error.problem}; {error.remedy}"
                ) from None


def test_handlers_accept_the_arguments_of_the_py_configs() -> None:
    for path in CONFIGS:
        check(path, read(path))


def test_handlers_accept_the_arguments_with_each_overlay() -> None:
    for path in FOLDER.rglob("py_config.*.json"):
        config, overlay = read(path.with_name("py_config.json")), read(path)
        for name in config.keys() & overlay.keys() - {"$allow_secret", "$schema"}:
            given = overlay[name].get("function", {}).get("args", {})
            args = {**config[name]["function"]["args"], **given}
            kept = {key: value for key, value in args.items() if value is not None}
            config[name]["function"]["args"] = kept
        check(path, config)
