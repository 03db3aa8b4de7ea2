from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from marketplace import changes
from marketplace.changes import read_changes
from marketplace.graph import MarketplaceError


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a clone whose branch `other` is one commit behind."""
    monkeypatch.setattr(changes, "get_buildroot", lambda: str(tmp_path))
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    commit(tmp_path, "a")
    git(tmp_path, "branch", "other")
    commit(tmp_path, "b")
    return tmp_path


def git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    command = ["git", *identity, *arguments]
    subprocess.run(command, cwd=root, check=True, capture_output=True)


def commit(root: Path, path: str) -> None:
    (root / path).touch()
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "change")


@pytest.mark.parametrize("kind", ["symbolic link", "submodule"])
def test_changes_that_git_does_not_report_are_refused(root: Path, kind: str) -> None:
    if kind == "submodule":
        git(root, "clone", "--quiet", ".", "maxaiusecases")
    else:
        (root / "maxaiusecases").symlink_to("a")
    commit(root, "c")
    message = f"maxaiusecases: Git does not report changes inside a {kind}; replace it"
    with pytest.raises(MarketplaceError, match=message):
        read_changes("other")


@pytest.mark.parametrize(
    ("since", "branch"), [("origin/x/y", "x/y"), ("x/y", "x/y"), ("main", "main")]
)
def test_a_missing_base_is_reported_with_the_command_that_fetches_it(
    since: str, branch: str, root: Path
) -> None:
    # HEAD has no commit in common with `main`.
    git(root, "checkout", "--quiet", "--orphan", "new")
    commit(root, "c")
    with pytest.raises(MarketplaceError) as error:
        read_changes(since)
    assert str(error.value) == (
        f"--changed-since={since}: this clone has no such commit, or none in common with "
        f"HEAD; run `git fetch origin {branch}`, or correct the name"
    )


@pytest.mark.parametrize("since", ["origin/other", "0123456789" * 4])
def test_a_missing_base_in_a_shallow_clone_is_reported(
    since: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shallow = ("--depth=1", "--no-single-branch", f"file://{root}")
    git(root, "clone", "--quiet", *shallow, "clone")
    monkeypatch.setattr(changes, "get_buildroot", lambda: str(root / "clone"))
    with pytest.raises(MarketplaceError, match="git fetch --unshallow"):
        read_changes(since)
