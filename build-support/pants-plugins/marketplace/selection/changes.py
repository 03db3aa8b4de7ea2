"""What differs from a commit: the files, and the changes that no file's owner stands for.

The commit that counts is the merge base, so that what others have merged meanwhile is no
change; uncommitted and untracked files count.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any

import toml
from pants.base.build_environment import get_buildroot

from maxairesources.tree import MACROS, PANTS_TOML, read_macros

# What every image, test and check is made with. The locks are the launcher's and the tools': all
# but those of resolves that targets are in. Tests and READMEs change nothing else.
_EVERYTHING = re.compile(
    r"(pants|pants\.ci\.toml|\.gitignore|maxairesources/(__init__|dynamic_imports|launches|tree)\.py"
    r"|3rdparty/python/(?!(airflow|build-support|library|pants-plugins)\.)[^/]*\.lock"
    r"|build-support/(mypy\.ini|images/(?!BUILD|[^/]*_test\.py).*"
    r"|pants-plugins/(?!.*(_test\.py|README\.md|/BUILD)$).*))"
)

# Where targets are, and the modes that git has for what it does not look into.
_SOURCES = ("3rdparty", "build-support", "maxai*")
_UNSEEN = {"120000": "symbolic link", "160000": "submodule"}

# Defaults and rules of dependencies hold for the folders below too; a macro may set both, but
# a target sets none.
_INHERITED = re.compile(
    r"__(defaults|dependencies_rules|dependents_rules)__"
    r"|marketplace_(?!(deployment|release)\b)"
)


class NoChanges(Exception):
    """Git cannot tell what has changed; the message says why and what to do."""


@dataclass(frozen=True)
class Changes:
    """What differs from a commit.

    Attributes:
        base: the merge base.
        files: the changed, added, deleted and untracked files; a renamed one by both names.
        deleted: those of them that are not there any more.
        everything: those of them that affect everything.
        domains: the domains that lists in `lists` were changed for, and that alone.
        lists: the files whose lists of domains were changed, if that is all.
        inherited: the changed BUILD files that say something for all folders below.
    """

    base: str
    files: tuple[str, ...]
    deleted: tuple[str, ...] = ()
    everything: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    inherited: tuple[str, ...] = ()


def read_changes(since: str) -> Changes:
    """Raises NoChanges when git does not know the commit, or no common ancestor with it."""
    root = get_buildroot()
    base = _merge_base(since)
    names = {
        *_git("diff", "--name-only", "--no-renames", "--relative", "-z", base).split(
            "\0"
        ),
        *_git("ls-files", "--other", "--exclude-standard", "-z").split("\0"),
    }
    files = tuple(sorted(filter(None, names)))
    for path in files:
        if "\ufffd" in path:
            raise NoChanges(
                f"{path}: its name is no UTF-8, so Pants cannot see it: rename it"
            )
    # Pants follows links, and git tells of what they lead to by its own name only; of a
    # submodule it tells no files.
    for entry in _git("ls-files", "--stage", "-z", *_SOURCES).split("\0"):
        if kind := _UNSEEN.get(entry.partition(" ")[0]):
            path = entry.partition("\t")[2]
            raise NoChanges(f"{path}: is a {kind}, whose changes go unseen: copy it")
    everything = {path for path in files if _EVERYTHING.fullmatch(path)}
    domains: set[str] = set()
    lists = []
    for path, compare in ((PANTS_TOML, _compare_toml), (MACROS, _compare_macros)):
        if path in files:
            found = compare(_before(base, path), _after(root, path))
            if found is None:
                everything.add(path)
            else:
                domains |= found
                lists.append(path)
    return Changes(
        base,
        files,
        tuple(path for path in files if not os.path.lexists(os.path.join(root, path))),
        tuple(sorted(everything)),
        tuple(sorted(domains)),
        tuple(lists),
        tuple(
            path
            for path in files
            if path.rpartition("/")[2] == "BUILD"
            and _INHERITED.search(_before(base, path) + _after(root, path))
        ),
    )


def _merge_base(since: str) -> str:
    known = _run("rev-parse", "--verify", "--quiet", f"{since}^{{commit}}")
    if not known.returncode:
        base = _run("merge-base", since, "HEAD")
        if not base.returncode:
            return base.stdout.strip()
    clone, fetch = "this clone", _fetch_command(since)
    if _git("rev-parse", "--is-shallow-repository").strip() == "true":
        clone, fetch = "this shallow clone", "git fetch --unshallow"
    problem = f"{clone} has no such commit"
    if not known.returncode:
        problem = f"HEAD has no commit in common with it in {clone}"
    raise NoChanges(
        f"--changed-since={since}: {problem}; run `{fetch}`, or correct the name"
    )


def _fetch_command(since: str) -> str:
    remote, _, branch = since.partition("/")
    if not branch or remote not in {"origin", *_git("remote").split()}:
        remote, branch = "origin", since
    return f"git fetch {remote} {branch}"


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [shutil.which("git") or "git", "-C", get_buildroot(), *arguments],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        # With this, a full path and no `cwd`, Python spawns the process and does not fork. A
        # fork of the daemon takes 70 ms when it has a gigabyte of memory.
        close_fds=False,
    )


def _git(*arguments: str) -> str:
    result = _run(*arguments)
    if result.returncode:
        raise NoChanges(f"git {arguments[0]}: {result.stderr.strip()}")
    return result.stdout


def _before(base: str, path: str) -> str:
    return _run("show", f"{base}:./{path}").stdout


def _after(root: str, path: str) -> str:
    try:
        path = os.path.join(root, path)
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _compare_toml(before: str, after: str) -> set[str] | None:
    """The domains whose resolves differ, or None if anything else does."""

    def read(text: str) -> tuple[dict[str, Any], dict[str, str]]:
        config = toml.loads(text)
        resolves = config.get("python", {}).pop("resolves", {})
        of_domains = {
            name: lock
            for name, lock in resolves.items()
            if lock.startswith("maxaiusecases/")
        }
        config["resolves"] = {
            name: lock for name, lock in resolves.items() if name not in of_domains
        }
        return config, of_domains

    try:
        (rest, old), (rest_after, new) = read(before), read(after)
    except toml.TomlDecodeError:
        return None
    if rest != rest_after:
        return None
    return {name for name in {*old, *new} if old.get(name) != new.get(name)}


def _compare_macros(before: str, after: str) -> set[str] | None:
    """The domains that the lists differ in, or None if anything else does."""
    try:
        (rest, old), (rest_after, new) = read_macros(before), read_macros(after)
    except (SyntaxError, ValueError):
        return None
    if rest != rest_after or {*old} != {*new}:
        return None
    return set().union(*(old[name] ^ new[name] for name in old))
