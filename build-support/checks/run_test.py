"""Tests of the script `run`, with a stub of Pants that logs its calls."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

# Fails as many tests as the file `failures` has lines, and then passes.
PANTS = """#!/bin/sh
echo "$*" >> "$LOG"
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


class Tree:
    def __init__(self, root: Path) -> None:
        self.root = root
        checks = root / "build-support/checks"
        checks.mkdir(parents=True)
        shutil.copy("build-support/checks/run", checks)
        for path, text in (
            ("pants", PANTS),
            ("build-support/setup", "#!/bin/sh\n"),
            ("build-support/checks/without-samples", "#!/bin/sh\necho templates\n"),
            ("build-support/checks/workflows", "#!/bin/sh\necho workflows\n"),
        ):
            (root / path).write_text(text)
            (root / path).chmod(0o755)

    def run(self, *arguments: str) -> tuple[int, str, list[str]]:
        log = self.root / "calls"
        done = subprocess.run(
            [self.root / "build-support/checks/run", *arguments],
            env={"PATH": os.environ["PATH"], "LOG": str(log)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        calls = log.read_text().splitlines() if log.exists() else []
        return done.returncode, done.stdout, calls


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_everything_is_checked_in_order(tree: Tree) -> None:
    code, output, calls = tree.run()
    assert code == 0, output
    assert calls == [
        "tailor --check ::",
        "lint check ::",
        "lint --only=conventions ::",
        "dependencies ::",
        "test ::",
        "package ::",
    ]
    assert output.endswith("workflows\n") and "templates\n" in output


def test_the_selection_and_the_shard_reach_pants(tree: Tree) -> None:
    code, _, calls = tree.run("--changed-since=main", "--test-shard=1/3", "test")
    assert (code, calls) == (0, ["--changed-since=main --test-shard=1/3 test ::"])


@pytest.mark.parametrize(
    ("failures", "always", "code", "flaky"),
    [
        (PASSED + ENGINE, False, 0, ["a/engine_test.py:tests"]),
        (
            ENGINE + BATCH,
            False,
            0,
            ["a/engine_test.py:tests", "b/engine_test.py:tests"],
        ),
        (ENGINE, True, 1, []),
        (ENGINE + PURE, False, 1, []),
        ("error: a BUILD file is wrong\n", False, 1, []),
    ],
)
def test_tests_with_an_engine_are_retried_once(
    failures: str, always: bool, code: int, flaky: list[str], tree: Tree
) -> None:
    (tree.root / "failures").write_text(failures)
    if always:
        (tree.root / "always").touch()
    found, output, calls = tree.run("test")
    assert found == code, output
    warning = "::warning title=Flaky test::"
    assert [
        line.removeprefix(warning).split()[0]
        for line in output.splitlines()
        if line.startswith(warning)
    ] == flaky
    is_retried = "pure" not in failures and "error" not in failures
    assert calls.count("test ::") == 1 + is_retried


@pytest.mark.parametrize("argument", ["--changed-since=", "tests", "--all"])
def test_wrong_usage(argument: str, tree: Tree) -> None:
    code, output, calls = tree.run(argument)
    assert (code, calls) == (2, [])
    assert output.startswith("usage: build-support/checks/run")
