"""Tests that the handlers of the domain DOMAIN understand what its py_configs tell them."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import pytest

from maxairesources.config_store.task import Arguments, read_task
from maxairesources.configs.document import parse, validate
from maxairesources.configs.py_config import PyConfig

FOLDER = Path("maxaiconfigs", os.environ["DOMAIN"])
CONFIGS = sorted(FOLDER.rglob("py_config.json"))


def read(path: Path) -> dict[str, Any]:
    return parse(path.read_text(), path)


def arguments(usecase: Path, task: str) -> type[Arguments]:
    """Return the model of the arguments of the handler that a usecase's task runs."""
    for path in (usecase / "kubepod_config.json", usecase / "spark_config.json"):
        for launch in read(path)["tasks"] if path.exists() else []:
            if launch["name"] == task:
                if "spark_submit_conf" in launch:
                    application = launch["spark_submit_conf"]["application"]
                    module = (
                        application.removeprefix("local:///opt/maxai/")
                        .removesuffix(".py")
                        .replace("/", ".")
                    )
                else:
                    module = launch["conf"]["arguments"][0]
                model: type[Arguments] = importlib.import_module(module).Arguments
                return model
    raise AssertionError(f"{usecase} does not say how {task} is launched")


def test_each_usecase_has_a_py_config() -> None:
    """A domain may have no usecase yet; else the tests below have something to look at."""
    handlers = Path("maxaiusecases", FOLDER.name).glob("*/handlers")
    assert {path.parent.name for path in handlers} == {p.parts[2] for p in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=str)
def test_handlers_take_what_the_py_config_tells_them(path: Path) -> None:
    config = read(path)
    for name, task in validate(PyConfig, config, path).tasks.items():
        assert task.input and task.output
        for port in (*task.input, *task.output):
            assert not Path(port.sourceDetails.filePath).is_absolute()
        read_task(config, name, arguments(path.parent.parent, name))


def test_overlays_set_arguments_that_the_handlers_take() -> None:
    """Templates of Airflow's are left out, for nobody knows their values yet."""
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
