import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from maxairesources.config_store import check

TASK: dict[str, Any] = {"input": [], "output": [], "function": {"args": {}}}
POD = {
    "image": "maxai/retail",
    "arguments": ["maxaiusecases.retail.churn.handlers.fit"],
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    launch = {"tasks": [{"id": 1, "name": "fit", "conf": POD}]}
    write(tmp_path, "kubepod_config.json", launch)
    for objective in ("monthly", "weekly"):
        write(tmp_path, f"{objective}/py_config.json", {"fit": TASK})
    return tmp_path


def write(root: Path, name: str, config: Any) -> None:
    path = root / "maxaiconfigs/retail/churn" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(config if isinstance(config, str) else json.dumps(config))


def test_right_configs_have_no_error(root: Path) -> None:
    assert check.find_errors(root, ["retail"]) == []


def test_each_error_is_told_once(root: Path) -> None:
    """A launch config serves two objectives, and each is read with two overlays."""
    write(root, "kubepod_config.json", {"tasks": [{"id": 1, "nam": "fit"}]})
    write(root, "kubepod_config.prod.json", {})
    (error,) = check.find_errors(root, ["retail"])
    assert error.startswith("maxaiconfigs/retail/churn/kubepod_config.json: $.tasks[0]")
    assert "did you mean name?" in error


@pytest.mark.parametrize("deployment", ["dev", "prod", "staging_2"])
def test_overlays_are_checked_too(root: Path, deployment: str) -> None:
    write(root, f"weekly/py_config.{deployment}.json", {"fit": {"function": None}})
    (error,) = check.find_errors(root, ["retail"])
    assert error == (
        "maxaiconfigs/retail/churn/weekly/py_config.json with "
        f"py_config.{deployment}.json: $.fit.function is missing; add it"
    )


def test_each_objective_is_checked(root: Path) -> None:
    write(root, "monthly/py_config.json", "{")
    write(root, "weekly/py_config.json", "[]")
    assert len(check.find_errors(root, ["retail"])) == 2


def test_other_domains_do_not_count(root: Path) -> None:
    write(root, "weekly/py_config.json", "{")
    assert check.find_errors(root, ["finance"]) == []


def test_command_prints_one_line_an_error_and_needs_no_airflow(root: Path) -> None:
    write(root, "weekly/py_config.json", "{")
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", check.__name__, "retail"],
        cwd=root,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)),
        },
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert result.stdout.count("\n") == 1
    assert "is no JSON" in result.stdout
    assert "airflow" not in result.stderr
