"""Tests that the tasks and ports in the py_configs of the domain DOMAIN can be read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from maxairesources.config_store.task import read_task, task_names
from maxairesources.utilities.ports import find_port

CONFIGS = sorted(Path("maxaiconfigs", os.environ["DOMAIN"]).rglob("py_config.json"))


def test_the_domain_has_a_py_config() -> None:
    assert CONFIGS


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.parent.name)
def test_tasks_and_ports_can_be_read(path: Path) -> None:
    config = json.loads(path.read_text())
    assert task_names(config)
    for name in task_names(config):
        task = read_task(config, name, config[name]["function"]["args"])
        assert task.input and task.output
        for ports in (task.input, task.output):
            for port in ports:
                assert not find_port(ports, port["port"]).path.is_absolute()
