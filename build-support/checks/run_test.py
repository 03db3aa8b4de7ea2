"""Tests of the script `run`, with a stub of Pants that logs its calls."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CHECKS = "build-support/checks"
# Its tests fail while there is a file `fails`, and once if there is a file `flaky`.
PANTS = """
case "$*" in *"test ::") [ ! -e fails ] && ! rm flaky 2> /dev/null || exit 1 ;; esac
"""
# Nothing but `.github` differs from the commit.
GIT = """
case "$*" in *" .github "*) exit 1 ;; esac
"""
FILES = {
    "pants": PANTS,
    "git": GIT,
    f"{CHECKS}/without-samples": "",
    f"{CHECKS}/workflows": "",
}


def run(root: Path, *arguments: str) -> tuple[int, str, list[str]]:
    """Run the script, and return its exit code, its output and the calls."""
    (root / CHECKS).mkdir(parents=True)
    shutil.copy(f"{CHECKS}/run", root / CHECKS)
    log = 'echo "${0##*/} $*" >> "$LOG"\n'
    for path, text in {**FILES, "build-support/setup": ""}.items():
        (root / path).write_text(f"#!/bin/sh\n{log if path in FILES else ''}{text}")
        (root / path).chmod(0o755)
    calls = root / "calls"
    calls.touch()
    done = subprocess.run(
        [root / CHECKS / "run", *arguments],
        env={"PATH": f"{root}:{os.environ['PATH']}", "LOG": str(calls)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = (line.strip() for line in calls.read_text().splitlines())
    return done.returncode, done.stdout, [li for li in lines if "git" not in li]


def test_everything_is_checked_in_order(tmp_path: Path) -> None:
    code, output, calls = run(tmp_path)
    assert code == 0, output
    pants = ("tailor --check", "lint check", "lint --only=conventions", "dependencies")
    wanted = [f"pants {call} ::" for call in (*pants, "test", "package")]
    assert calls == [*wanted, "without-samples", "workflows"]


def test_a_base_selects_tests_and_steps(tmp_path: Path) -> None:
    steps = ("test", "templates", "workflows")
    code, _, calls = run(tmp_path, "--changed-since=main", "--test-shard=1/3", *steps)
    test = "pants --changed-since=main --test-shard=1/3 test ::"
    assert (code, calls) == (0, [test, "workflows"])


@pytest.mark.parametrize(("file", "code"), [("flaky", 0), ("fails", 1)])
def test_failed_tests_are_retried_once(file: str, code: int, tmp_path: Path) -> None:
    (tmp_path / file).touch()
    found, output, calls = run(tmp_path, "test", "package")
    assert found == code and calls[:2] == ["pants test ::", "pants test ::"]
    assert ("::warning title=Flaky test::" in output) == (code == 0)
    assert ("pants package ::" in calls) == (code == 0)


@pytest.mark.parametrize("argument", ["--changed-since=", "tests", "--all"])
def test_wrong_usage(argument: str, tmp_path: Path) -> None:
    code, output, calls = run(tmp_path, argument)
    assert (code, calls) == (2, [])
    assert output.startswith("usage: build-support/checks/run")
