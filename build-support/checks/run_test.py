"""Tests of the script `run`, with a stub of Pants that logs its calls."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

# Fails as many tests as the file `failures` has lines, and then passes.
PANTS = """
case "$*" in
    peek*engine*) echo '"extra_env_vars": ["PATH"]' ;;
    peek*) echo '"resolve": "library"' ;;
    *"test ::")
        if [ -s failures ]; then
            cat failures
            [ -e always ] || : > failures
            exit 1
        fi ;;
esac
"""
PASSED = "✓ a/good_test.py:tests succeeded in 1.00s.\n"
ENGINE = "✕ a/engine_test.py:tests failed in 2.00s.\n"
BATCH = "✕ b/engine_test.py:tests and 3 other files failed in 9.00s.\n"
PURE = "✕ a/pure_test.py:tests failed in 1.00s.\n"
CHECKS = "build-support/checks"


class Tree:
    def __init__(self, root: Path) -> None:
        self.root = root
        (root / CHECKS).mkdir(parents=True)
        shutil.copy(f"{CHECKS}/run", root / CHECKS)
        for path, text in (
            ("pants", PANTS),
            ("build-support/setup", ""),
            (f"{CHECKS}/without-samples", ""),
            (f"{CHECKS}/workflows", ""),
            # Nothing but `.github` differs from the commit.
            (
                "git",
                'for last; do :; done\ncase "$*" in *" .github "*) exit 1 ;; esac\n',
            ),
        ):
            name = Path(path).name
            log = "" if name == "setup" else f'echo "{name} $*" >> "$LOG"\n'
            (root / path).write_text(f"#!/bin/sh\n{log}{text}")
            (root / path).chmod(0o755)

    def run(self, *arguments: str) -> tuple[int, str, list[str]]:
        log = self.root / "calls"
        path = f"{self.root}:{os.environ['PATH']}"
        done = subprocess.run(
            [self.root / CHECKS / "run", *arguments],
            env={"PATH": path, "LOG": str(log)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        calls = log.read_text().splitlines() if log.exists() else []
        return done.returncode, done.stdout, [call.strip() for call in calls]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_everything_is_checked_in_order(tree: Tree) -> None:
    code, output, calls = tree.run()
    assert code == 0, output
    pants = ("tailor --check", "lint check", "lint --only=conventions", "dependencies")
    wanted = [f"pants {call} ::" for call in (*pants, "test", "package")]
    assert calls == [*wanted, "without-samples", "workflows"]


def test_the_selection_and_the_shard_reach_pants(tree: Tree) -> None:
    steps = ("test", "templates", "workflows")
    _, _, calls = tree.run("--changed-since=main", "--test-shard=1/3", *steps)
    test, *others = [call for call in calls if "git" not in call]
    assert test == "pants --changed-since=main --test-shard=1/3 test ::"
    assert others == ["workflows"]


@pytest.mark.parametrize(
    ("failures", "always", "code", "flaky"),
    [
        (PASSED + ENGINE, False, 0, "a"),
        (ENGINE + BATCH, False, 0, "ab"),
        (ENGINE, True, 1, ""),
        (ENGINE + PURE, False, 1, ""),
        ("error: a BUILD file is wrong\n", False, 1, ""),
    ],
)
def test_tests_with_an_engine_are_retried_once(
    failures: str, always: bool, code: int, flaky: str, tree: Tree
) -> None:
    (tree.root / "failures").write_text(failures)
    if always:
        (tree.root / "always").touch()
    found, output, calls = tree.run("test")
    assert found == code, output
    assert [line for line in output.splitlines() if line.startswith("::")] == [
        f"::warning title=Flaky test::{folder}/engine_test.py:tests failed, and passed "
        "with the same inputs"
        for folder in flaky
    ]
    is_retried = "pure" not in failures and "error" not in failures
    assert calls.count("pants test ::") == 1 + is_retried


@pytest.mark.parametrize("argument", ["--changed-since=", "tests", "--all"])
def test_wrong_usage(argument: str, tree: Tree) -> None:
    code, output, calls = tree.run(argument)
    assert (code, calls) == (2, [])
    assert output.startswith("usage: build-support/checks/run")
