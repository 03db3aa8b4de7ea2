"""Tests of the script `run`, with a stub of each program that it calls, which logs the calls."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CHECKS = "build-support/checks"
# `pants` fails the tests that the file `failures` lists, once or always, and then passes. Nothing
# but `.github` differs from the commit.
STUB = """\
#!/bin/sh
echo "${0##*/} $*" >> calls
case "${0##*/} $*" in
    "git "*" .github "*) exit 1 ;;
    "pants peek "*engine*) echo '"extra_env_vars": ["PATH"]' ;;
    "pants peek "*) echo '"resolve": "library"' ;;
    "pants "*"test ::")
        if [ -s failures ]; then
            cat failures
            grep -q always failures || : > failures
            exit 1
        fi ;;
esac
"""
STUBS = ("pants", "git", "build-support/setup", "build-support/images/base-image")
ENGINE = "✕ a/engine_test.py:tests failed in 2.00s.\n"
BATCH = "✕ b/engine_test.py:tests and 3 other files failed in 9.00s.\n"
PURE = "✕ a/pure_test.py:tests failed in 1.00s.\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / CHECKS).mkdir(parents=True)
    (tmp_path / "build-support/images").mkdir()
    shutil.copy(f"{CHECKS}/run", tmp_path / CHECKS)
    for path in (*STUBS, f"{CHECKS}/without-samples", f"{CHECKS}/workflows"):
        (tmp_path / path).write_text(STUB)
        (tmp_path / path).chmod(0o755)
    return tmp_path


def run(tree: Path, *arguments: str) -> tuple[int, str, list[str]]:
    """Return the exit code and the output of `run`, and the calls after that of `setup`."""
    done = subprocess.run(
        [tree / CHECKS / "run", *arguments],
        env={"PATH": f"{tree}:{os.environ['PATH']}", "TMPDIR": str(tree)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    log = tree / "calls"
    calls = log.read_text().splitlines() if log.exists() else ["setup "]
    assert calls[0] == "setup " and not [*tree.glob("tmp.*")]
    return done.returncode, done.stdout, [call.strip() for call in calls[1:]]


def test_everything_is_checked_in_order(tree: Path) -> None:
    code, output, calls = run(tree)
    assert code == 0, output
    pants = ("tailor --check", "lint check", "lint --only=conventions", "dependencies")
    lint = [*(f"pants {call} ::" for call in pants), "base-image stale"]
    others = ["pants test ::", "pants package ::", "without-samples", "workflows"]
    assert calls == [*lint, *others]


def test_the_selection_and_the_shard_reach_pants(tree: Path) -> None:
    steps = ("test", "templates", "workflows")
    _, _, calls = run(tree, "--changed-since=main", "--test-shard=1/3", *steps)
    test, *others = [call for call in calls if "git" not in call]
    assert test == "pants --changed-since=main --test-shard=1/3 test ::"
    assert others == ["workflows"]


@pytest.mark.parametrize(
    ("failures", "code", "flaky"),
    [
        (ENGINE, 0, "a"),
        (ENGINE + BATCH, 0, "ab"),
        (ENGINE + "always\n", 1, ""),
        (ENGINE + PURE, 1, ""),
        ("error: a BUILD file is wrong\n", 1, ""),
    ],
)
def test_tests_with_an_engine_are_retried_once(
    failures: str, code: int, flaky: str, tree: Path
) -> None:
    (tree / "failures").write_text(failures)
    found, output, calls = run(tree, "test")
    assert found == code, output
    warnings = [line for line in output.splitlines() if line.startswith("::")]
    for folder, warning in zip(flaky, warnings, strict=True):
        failed = f"{folder}/engine_test.py:tests failed, and passed"
        assert warning.startswith(f"::warning title=Flaky test::{failed}")
    is_retried = "pure" not in failures and "error" not in failures
    assert calls.count("pants test ::") == 1 + is_retried


@pytest.mark.parametrize("argument", ["--changed-since=", "tests", "--all"])
def test_wrong_usage(argument: str, tree: Path) -> None:
    code, output, calls = run(tree, argument)
    assert (code, calls) == (2, [])
    assert output.startswith("usage: build-support/checks/run")
