from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from marketplace import changes
from marketplace.changes import read_changes
from marketplace.graph import MarketplaceError


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(changes, "get_buildroot", lambda: str(tmp_path))
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "test")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "test@localhost")
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    write(tmp_path, "a/old name.txt", "one\ntwo\nthree\n")
    commit(tmp_path)
    git(tmp_path, "branch", "other")
    return tmp_path


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "change")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("pants.toml", True),
        (".gitignore", True),
        ("3rdparty/python/pytest.lock", True),
        ("3rdparty/python/airflow.lock", False),
        ("3rdparty/python/black.txt", False),
        ("build-support/images/customize", True),
        ("build-support/images/base_image_test.py", False),
        ("build-support/images/BUILD", False),
        ("build-support/pants-plugins/marketplace/changes.py", True),
        ("build-support/pants-plugins/marketplace/changes_test.py", False),
        ("maxaiusecases/shop/Dockerfile", False),
    ],
)
def test_files_that_everything_depends_on_affect_everything(
    root: Path, path: str, expected: bool
) -> None:
    write(root, path, "changed")
    found = read_changes("other")
    assert (found.files, found.everything) == ((path,), (path,) if expected else ())


@pytest.mark.parametrize("kind", ["symbolic link", "submodule"])
def test_changes_that_git_does_not_report_are_refused(root: Path, kind: str) -> None:
    if kind == "submodule":
        git(root, "clone", "--quiet", ".", "maxaiusecases")
    else:
        (root / "maxaiusecases").symlink_to("a")
    commit(root)
    message = f"maxaiusecases: Git does not report changes inside a {kind}; replace it"
    with pytest.raises(MarketplaceError, match=message):
        read_changes("other")


@pytest.mark.parametrize("since", ["origin/a/b", "a/b", "main"])
def test_a_missing_base_is_reported_with_the_command_that_fetches_it(
    since: str, root: Path
) -> None:
    # HEAD has no commit in common with `main`.
    git(root, "checkout", "--quiet", "--orphan", "new")
    write(root, "b.txt", "")
    commit(root)
    name = since[-3:] if since != "main" else since
    with pytest.raises(MarketplaceError) as error:
        read_changes(since)
    assert str(error.value) == (
        f"--changed-since={since}: this clone has no such commit, or none in common with "
        f"HEAD; run `git fetch origin {name}`, or correct the name"
    )


def test_a_missing_base_in_a_shallow_clone_is_reported(
    root: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(root, "b.txt", "")
    commit(root)
    clone = tmp_path_factory.mktemp("clone")
    shallow = ("--depth=1", "--no-single-branch", f"file://{root}")
    git(clone, "clone", "--quiet", *shallow, ".")
    monkeypatch.setattr(changes, "get_buildroot", lambda: str(clone))
    for since in ("origin/other", "0123456789012345678901234567890123456789"):
        with pytest.raises(MarketplaceError, match="git fetch --unshallow"):
            read_changes(since)
