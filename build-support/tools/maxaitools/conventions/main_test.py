import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from maxaitools.conventions import main
from maxaitools.conventions.main import find_config_errors
from maxaitools.conventions.rules import RULES, rule_id

TASK: dict[str, Any] = {"input": [], "output": [], "function": {"args": {}}}
POD = {
    "image": "maxai/shop",
    "arguments": ["maxaiusecases.shop.churn.handlers.fit"],
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    launch = {"tasks": [{"id": 1, "name": "fit", "conf": POD}]}
    write(tmp_path, "kubepod_config.json", launch)
    for objective in ("monthly", "weekly"):
        write(tmp_path, f"{objective}/py_config.json", {"fit": TASK})
    return tmp_path


def write(root: Path, name: str, config: Any) -> None:
    path = root / "maxaiconfigs/shop/churn" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(config if isinstance(config, str) else json.dumps(config))


def errors(root: Path, domain: str) -> list[str]:
    return [str(error) for error in find_config_errors(root, domain)]


def test_valid_configs_have_no_error(root: Path) -> None:
    assert errors(root, "shop") == []


def test_each_error_is_reported_once(root: Path) -> None:
    """A launch config serves two objectives, and each is read with two overlays."""
    write(root, "kubepod_config.json", {"tasks": [{"id": 1, "nam": "fit"}]})
    write(root, "kubepod_config.prod.json", {})
    (error,) = errors(root, "shop")
    assert error.startswith("maxaiconfigs/shop/churn/kubepod_config.json: $.tasks[0]")
    assert "did you mean name?" in error


@pytest.mark.parametrize("deployment", ["dev", "prod", "staging_2"])
def test_overlays_are_checked_too(root: Path, deployment: str) -> None:
    write(root, f"weekly/py_config.{deployment}.json", {"fit": {"function": None}})
    (error,) = errors(root, "shop")
    assert error == (
        "maxaiconfigs/shop/churn/weekly/py_config.json with "
        f"py_config.{deployment}.json: $.fit.function is missing; add it"
    )


def test_each_objective_is_checked(root: Path) -> None:
    write(root, "monthly/py_config.json", "{")
    write(root, "weekly/py_config.json", "[]")
    assert len(errors(root, "shop")) == 2


def test_other_domains_do_not_count(root: Path) -> None:
    write(root, "weekly/py_config.json", "{")
    assert errors(root, "bank") == []


def run(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    (root / "build-support").mkdir()
    (root / "build-support/macros.py").write_text('DOMAINS = ("shop",)\n')
    (root / "pants.toml").write_text('[python.resolves]\nshop = "a.lock"\n')
    paths = os.pathsep.join(map(os.path.abspath, filter(None, sys.path)))
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", main.__name__, *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )


def test_command_prints_a_line_for_each_finding_and_needs_no_airflow(
    root: Path,
) -> None:
    write(root, "weekly/py_config.json", "{")
    result = run(root, "--domain=shop", "--deployments", "dev", "prod")
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    (line,) = (line for line in lines if ": config: " in line)
    assert line.startswith("maxaiconfigs/shop/churn/weekly/py_config.json: config: ")
    assert [line for line in lines if line.startswith("maxaiconfigs/shop: orphan: ")]
    assert "airflow" not in result.stderr


def test_command_prints_each_rule(root: Path) -> None:
    result = run(root)
    assert result.returncode == 0
    for rule in RULES:
        assert rule_id(rule) in result.stdout.splitlines()
    assert result.stdout.count("    Why: ") == len(RULES)
