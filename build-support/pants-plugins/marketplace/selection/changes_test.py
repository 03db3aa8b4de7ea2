from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from marketplace.selection import changes
from marketplace.selection.changes import NoChanges, read_archive, read_changes

TOML = """\
[GLOBAL]
a = 1 # A comment.
[python.resolves]
shop = "maxaiusecases/shop/requirements.lock"
black = "3rdparty/python/black.lock"
"""
MACROS = (
    'DOMAINS = ("bank", "shop")\nSPARK_DOMAINS = ("shop",)\n\n\ndef f():\n    pass\n'
)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(changes, "get_buildroot", lambda: str(tmp_path))
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "test")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "test@localhost")
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    write(tmp_path, "pants.toml", TOML)
    write(tmp_path, "build-support/macros.py", MACROS)
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


def test_an_archive_has_the_folders_that_a_commit_had(root: Path) -> None:
    write(root, "a/new.txt", "")
    write(root, "c/new.txt", "")
    with tarfile.open(fileobj=io.BytesIO(read_archive("base", ["a", "c"]))) as archive:
        assert archive.getnames() == ["a", "a/old name.txt"]


def test_an_unchanged_clone_has_no_changes(root: Path) -> None:
    assert read_changes("base").files == ()


def test_committed_uncommitted_and_untracked_files_count(root: Path) -> None:
    write(root, "b/committed.txt", "")
    commit(root)
    write(root, "a/old name.txt", "")
    write(root, "c/untracked é.txt", "")
    found = read_changes("base")
    assert found.files == ("a/old name.txt", "b/committed.txt", "c/untracked é.txt")
    assert found.deleted == ()


def test_a_renamed_file_counts_under_both_names(root: Path) -> None:
    git(root, "mv", "a/old name.txt", "b.txt")
    commit(root)
    found = read_changes("base")
    assert found.files == ("a/old name.txt", "b.txt")
    assert found.deleted == ("a/old name.txt",)


def test_a_reverted_change_does_not_count(root: Path) -> None:
    write(root, "a/old name.txt", "")
    commit(root)
    git(root, "revert", "--no-edit", "HEAD")
    assert read_changes("base").files == ()


def test_commits_merged_by_others_do_not_count(root: Path) -> None:
    git(root, "checkout", "--quiet", "-b", "mine")
    write(root, "mine.txt", "")
    commit(root)
    git(root, "checkout", "--quiet", "main")
    write(root, "theirs.txt", "")
    commit(root)
    git(root, "checkout", "--quiet", "mine")
    assert read_changes("main").files == ("mine.txt",)
    git(root, "merge", "--quiet", "--no-edit", "main")
    assert read_changes("main").files == ("mine.txt",)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("pants", True),
        (".gitignore", True),
        ("3rdparty/python/pytest.lock", True),
        ("3rdparty/python/new_tool.lock", True),
        ("3rdparty/python/airflow.lock", False),
        ("3rdparty/python/black.txt", False),
        ("build-support/images/recipe.sh", True),
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


def test_a_build_file_with_defaults_is_inherited(root: Path) -> None:
    write(root, "a/BUILD", "__defaults__(all=dict(tags=['a']))")
    write(root, "b/BUILD", "marketplace_domain()")
    commit(root)
    git(root, "tag", "with")
    write(root, "a/BUILD", "files(sources=['*'])")
    (root / "b/BUILD").unlink()
    write(root, "c/BUILD", "python_sources()")
    write(
        root, "BUILD", "marketplace_release(name='release')\nmarketplace_deployment()"
    )
    write(root, "d/BUILD", "marketplace_deployment()")
    assert read_changes("with").inherited == ("a/BUILD", "b/BUILD")


@pytest.mark.parametrize(
    ("old", "new", "everything", "domains"),
    [
        ("A comment.", "Another.", False, ()),
        ("a = 1", "a = 2", True, ()),
        ("black.lock", "black2.lock", True, ()),
        ("shop/requirements.lock", "shop/other.lock", False, ("shop",)),
        ("shop = ", 'zoo = "maxaiusecases/zoo/x.lock"\nshop = ', False, ("zoo",)),
        ("[GLOBAL]", "[GLOBAL", True, ()),
    ],
)
def test_pants_toml_is_compared_by_value(
    root: Path, old: str, new: str, everything: bool, domains: tuple[str, ...]
) -> None:
    write(root, "pants.toml", TOML.replace(old, new))
    found = read_changes("base")
    assert found.everything == (("pants.toml",) if everything else ())
    assert found.domains == domains
    assert found.lists == (() if everything else ("pants.toml",))


@pytest.mark.parametrize(
    ("old", "new", "everything", "domains"),
    [
        ("def f", "# A comment.\ndef f", False, ()),
        ("pass", "return", True, ()),
        ('"shop")', '"shop", "zoo")', False, ("zoo",)),
        ('("shop",)', '("bank", "shop")', False, ("bank",)),
        ("SPARK_DOMAINS =", "SPARKS =", True, ()),
        ('("bank", ', '("bank",  # Money (EU).\n', False, ()),
        ('("shop",)', "(f(),)", True, ()),
        ("def f", "def", True, ()),
    ],
)
def test_macros_are_compared_by_value(
    root: Path, old: str, new: str, everything: bool, domains: tuple[str, ...]
) -> None:
    write(root, "build-support/macros.py", MACROS.replace(old, new))
    found = read_changes("base")
    assert found.everything == (("build-support/macros.py",) if everything else ())
    assert found.domains == domains


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
