"""Asks Git which files differ from a commit.

Files are compared with the merge base, so commits that others have merged in the meantime do
not count. Uncommitted and untracked files count.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass

from pants.base.build_environment import get_buildroot

from marketplace.graph import MarketplaceError
from maxairesources.tree import SOURCES, UNTRACKED

# Every image, test and check depends on these files. The locks are those of the launcher and the
# tools: targets are in the other resolves. Tests and READMEs of the plugin affect nothing else.
_EVERYTHING = re.compile(
    r"(pants|(marketplace|pants|pants\.ci)\.toml|build-support/macros\.py|maxairesources/(__init__|launches|tree)\.py"
    r"|3rdparty/python/(?!(act|airflow|build-support|library|pants-plugins)\.)[^/]*\.lock"
    r"|build-support/(mypy\.ini|images/(?!BUILD|[^/]*_test\.py).*"
    r"|pants-plugins/(?!.*(_test\.py|README\.md|/BUILD)$).*))"
)
# The modes of entries whose content Git does not track as files.
_UNSEEN = {"120000": "symbolic link", "160000": "submodule"}


@dataclass(frozen=True)
class Changes:
    """The files that differ from a commit.

    Attributes:
        since: the commit, as the user named it.
        base: the merge base.
        files: the changed, added, deleted and untracked files; a renamed file by both names.
        deleted: the deleted files among them.
        everything: the files among them that affect everything.
    """

    since: str
    base: str
    files: tuple[str, ...]
    deleted: tuple[str, ...] = ()
    everything: tuple[str, ...] = ()


def read_changes(since: str) -> Changes:
    """Return the changes since the merge base of a commit and HEAD.

    Raises:
        MarketplaceError: Git does not know the commit or the merge base, or cannot see all changes.
    """
    root, base = get_buildroot(), _merge_base(since)
    # Pants follows a link, but Git reports a change of its target under the target's own name.
    # Git reports no files of a submodule.
    for entry in _git("ls-files", "--stage", "-z", *SOURCES):
        if kind := _UNSEEN.get(entry.partition(" ")[0]):
            path = entry.partition("\t")[2]
            raise MarketplaceError(
                f"{path}: Git does not report changes inside a {kind}; replace it with a copy"
            )
    changed = _git("diff", "--name-only", "--no-renames", "--relative", "-z", base)
    untracked = _git(*UNTRACKED, ":(glob)*")
    for path in untracked:
        if path.endswith("/"):
            raise MarketplaceError(
                f"{path}: Git does not report changes inside another clone; move it out of here"
            )
    files = tuple(sorted({*changed, *untracked}))
    return Changes(
        since,
        base,
        files,
        tuple(path for path in files if not os.path.lexists(os.path.join(root, path))),
        tuple(path for path in files if _EVERYTHING.fullmatch(path)),
    )


def _merge_base(since: str) -> str:
    found = _run("merge-base", since, "HEAD")
    if not found.returncode:
        return found.stdout.strip()
    fetch = f"git fetch origin {since[since.startswith('origin/') and 7:]}"
    if _git("rev-parse", "--is-shallow-repository") == ["true\n"]:
        fetch = "git fetch --unshallow"
    raise MarketplaceError(
        f"--changed-since={since}: this clone has no such commit, or none in common with HEAD; "
        f"run `{fetch}`, or correct the name"
    )


def _git(*arguments: str) -> list[str]:
    """Return the parts of Git's output between null characters."""
    result = _run(*arguments)
    if result.returncode:
        raise MarketplaceError(f"git {arguments[0]}: {result.stderr.strip()}")
    return [*filter(None, result.stdout.split("\0"))]


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [shutil.which("git") or "git", "-C", get_buildroot(), *arguments],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        # With this, a full path and no `cwd`, Python spawns the process instead of forking. A
        # fork of the daemon takes 70 ms when it has a gigabyte of memory.
        close_fds=False,
    )


def read_before(base: str, path: str) -> str | None:
    """Return the content of a file at a commit; None if it is missing there."""
    shown = _run("show", f"{base}:./{path}")
    return None if shown.returncode else shown.stdout
