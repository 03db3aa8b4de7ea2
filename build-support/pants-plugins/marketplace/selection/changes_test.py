from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from marketplace.selection import changes
from marketplace.selection.changes import NoChanges, read_changes


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(changes, "get_buildroot", lambda: str(tmp_path))
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "test")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "test@localhost")
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    write(tmp_path, "a/old name.txt", "one\ntwo\nthree\n")
    commit(tmp_path)
    git(tmp_path, "tag", "base")
    return tmp_path


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "change")


def test_an_unchanged_clone_has_no_changes(root: Path) -> None:
    assert read_changes("base").files == ()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("pants", True),
        ("pants.toml", True),
        ("build-support/macros.py", True),
        (".gitignore", True),
        ("3rdparty/python/pytest.lock", True),
        ("3rdparty/python/new_tool.lock", True),
        ("3rdparty/python/airflow.lock", False),
        ("3rdparty/python/black.txt", False),
        ("build-support/images/customize", True),
        ("build-support/images/base_image_test.py", False),
        ("build-support/images/BUILD", False),
        ("build-support/pants-plugins/marketplace/changes.py", True),
        ("build-support/pants-plugins/marketplace/changes_test.py", False),
        ("build-support/pants-plugins/README.md", False),
        ("maxaiusecases/shop/Dockerfile", False),
        ("README.md", False),
    ],
)
def test_files_that_everything_depends_on_affect_everything(
    root: Path, path: str, expected: bool
) -> None:
    write(root, path, "changed")
    assert read_changes("base").everything == ((path,) if expected else ())


def test_a_symbolic_link_in_a_tree_is_refused(root: Path) -> None:
    (root / "maxaiusecases").mkdir()
    (root / "maxaiusecases/link.py").symlink_to("../a/old name.txt")
    commit(root)
    with pytest.raises(
        NoChanges,
        match="maxaiusecases/link.py: Git does not report changes inside a symbolic link; ",
    ):
        read_changes("base")


def test_a_submodule_in_a_tree_is_refused(root: Path) -> None:
    git(root, "clone", "--quiet", ".", "maxaiusecases")
    commit(root)
    with pytest.raises(
        NoChanges,
        match="maxaiusecases: Git does not report changes inside a submodule; replace it",
    ):
        read_changes("base")


def test_a_name_that_pants_cannot_see_is_refused(root: Path) -> None:
    with open(bytes(root) + b"/a/caf\xe9.py", "wb"):
        pass
    with pytest.raises(
        NoChanges,
        match="a/caf\ufffd.py: Pants cannot see the file, whose name is not valid UTF-8; rename",
    ):
        read_changes("base")


@pytest.mark.parametrize(
    ("since", "command"),
    [
        ("origin/main", "git fetch origin main"),
        ("origin/release/1.2", "git fetch origin release/1.2"),
        ("fork/release/1.2", "git fetch fork release/1.2"),
        ("release/1.2", "git fetch origin release/1.2"),
        ("v1", "git fetch origin v1"),
    ],
)
def test_a_missing_commit_is_reported_with_the_command_that_fetches_it(
    since: str, command: str, root: Path
) -> None:
    git(root, "remote", "add", "fork", ".")
    with pytest.raises(NoChanges) as error:
        read_changes(since)
    assert str(error.value) == (
        f"--changed-since={since}: this clone has no such commit; run "
        f"`{command}`, or correct the name"
    )


def test_a_base_without_a_common_commit_is_reported(root: Path) -> None:
    git(root, "checkout", "--quiet", "--orphan", "other")
    write(root, "b.txt", "")
    commit(root)
    message = (
        "--changed-since=main: HEAD has no commit in common with it in this clone; "
    )
    with pytest.raises(NoChanges, match=message):
        read_changes("main")


def test_a_missing_base_in_a_shallow_clone_is_reported(
    root: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    git(root, "branch", "other")
    write(root, "b.txt", "")
    commit(root)
    clone = tmp_path_factory.mktemp("clone")
    git(
        clone,
        "clone",
        "--quiet",
        "--depth=1",
        "--no-single-branch",
        f"file://{root}",
        ".",
    )
    monkeypatch.setattr(changes, "get_buildroot", lambda: str(clone))
    with pytest.raises(NoChanges, match="git fetch --unshallow"):
        read_changes("origin/other")
    with pytest.raises(NoChanges, match="git fetch --unshallow"):
        read_changes("0123456789012345678901234567890123456789")
