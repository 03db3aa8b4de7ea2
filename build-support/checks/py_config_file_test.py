"""Tests that the handlers of the domain DOMAIN accept the arguments in its py_configs."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from maxairesources.config_store.task import Arguments, read_task
from maxairesources.configs.document import parse, validate
from maxairesources.configs.py_config import PyConfig
from maxairesources.launches import handler_name, read_launches
from maxairesources.tree import KUBEPOD_CONFIG, SPARK_CONFIG

FOLDER = Path("maxaiconfigs", os.environ["DOMAIN"])
CONFIGS = sorted(FOLDER.rglob("py_config.json"))


def read(path: Path) -> dict[str, Any]:
    return parse(path.read_text(), path)


def arguments(usecase: Path, task: str) -> type[Arguments]:
    """Return the model of the arguments of the handler that a usecase's task runs."""
    for path in (usecase / KUBEPOD_CONFIG, usecase / SPARK_CONFIG):
        for launch in read_launches(read(path)) if path.exists() else []:
            if launch.task == task and launch.file:
                module = importlib.import_module(handler_name(launch.file, False))
                model: type[Arguments] = module.Arguments
                return model
    raise AssertionError(f"no launch config of {usecase} has a handler for task {task}")


def test_each_usecase_has_a_py_config() -> None:
    handlers = Path("maxaiusecases", FOLDER.name).glob("*/handlers")
    assert {path.parent.name for path in handlers} == {p.parts[2] for p in CONFIGS}


def test_handlers_accept_the_arguments_of_the_py_configs() -> None:
    for path in CONFIGS:
        config = read(path)
        for name, task in validate(PyConfig, config, path).tasks.items():
            assert task.input and task.output
            for port in (*task.input, *task.output):
                assert not Path(port.sourceDetails.filePath).is_absolute()
            read_task(config, name, arguments(path.parent.parent, name))


def test_handlers_accept_the_arguments_of_the_overlays() -> None:
    """Airflow's templates are left out: their values are not known yet."""
    for path in FOLDER.rglob("py_config.*.json"):
        base, overlay = read(path.with_name("py_config.json")), read(path)
        for name in base.keys() & overlay.keys() - {"$schema"}:
            given = overlay[name].get("function", {}).get("args", {})
            model = arguments(path.parent.parent, name)
            assert given.keys() <= model.model_fields.keys(), path
            values = {
                key: value for key, value in given.items() if "{{" not in str(value)
            }
            base[name]["function"]["args"].update(values)
            read_task(base, name, model)
