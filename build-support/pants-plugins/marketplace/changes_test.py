from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from marketplace import changes
from marketplace.changes import read_changes
from marketplace.graph import MarketplaceError


def git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    command = ["git", *identity, *arguments]
    subprocess.run(command, cwd=root, check=True, capture_output=True)


def commit(root: Path, path: str) -> None:
    (root / path).touch()
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "change")


LINK, SUBMODULE = (["ln", "-s", "a"], ["git", "clone", "--quiet", "."])
ORPHAN = ["git", "checkout", "--quiet", "--orphan"]
SHALLOW = ["git", "clone", "--quiet", "--depth=1", "--no-single-branch"]
UNSEEN = "maxaiusecases: Git does not report changes inside a {}; replace it"
MISSING = "--changed-since={}: this clone has no such commit, or none in common with HEAD; run "


def test_files_that_git_ignores_are_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    (tmp_path / "maxai").mkdir()
    (tmp_path / "maxai/.gitignore").write_text("*.bin\n")
    commit(tmp_path, "a")
    (tmp_path / ".gitignore").write_text("*.csv\n")
    (tmp_path / ".git/info/exclude").write_text("*.txt\n")
    names = ("a.bin", "[1] é*.txt", "a.csv")
    for name in (*names, "__pycache__/a", ".ipynb_checkpoints/a.ipynb"):
        (tmp_path / "maxai" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "maxai" / name).touch()
    monkeypatch.setattr(changes, "get_buildroot", lambda: str(tmp_path))
    expected = {".gitignore", *(f"maxai/{name}" for name in names)}
    assert {*read_changes("main").files} == expected
    git(tmp_path, "init", "--quiet", "maxai/clone")
    (tmp_path / "maxai/clone/file").touch()
    with pytest.raises(MarketplaceError, match="maxai/clone/: Git does not report"):
        read_changes("main")


@pytest.mark.parametrize(
    ("command", "since", "expected"),
    [
        ([*LINK, "maxaiusecases"], "other", UNSEEN.format("symbolic link")),
        ([*SUBMODULE, "maxaiusecases"], "other", UNSEEN.format("submodule")),
        # HEAD has no commit in common with `main`.
        ([*ORPHAN, "new"], "main", f"{MISSING}`git fetch origin main`, or correct"),
        ([*ORPHAN, "new"], "origin/x/y", f"{MISSING}`git fetch origin x/y`"),
        (
            [*SHALLOW, "file://{}", "clone"],
            "origin/other",
            f"{MISSING}`git fetch --unsh",
        ),
        ([*SHALLOW, "file://{}", "clone"], "0123456789" * 4, "git fetch --unshallow"),
    ],
)
def test_changes_that_git_cannot_see_are_reported_with_a_fix(
    command: list[str],
    since: str,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The branch `other` is one commit behind.
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    commit(tmp_path, "a")
    git(tmp_path, "branch", "other")
    commit(tmp_path, "b")
    subprocess.run(
        [each.format(tmp_path) for each in command], cwd=tmp_path, check=True
    )
    if command[-1] != "clone":
        commit(tmp_path, "c")
    root = tmp_path / "clone" if command[-1] == "clone" else tmp_path
    monkeypatch.setattr(changes, "get_buildroot", lambda: str(root))
    with pytest.raises(MarketplaceError, match=re.escape(expected.format(since))):
        read_changes(since)
