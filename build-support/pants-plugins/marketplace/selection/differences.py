"""Finds what the changes since a commit change in configs and locks, by value."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from typing import Any, Callable, Iterable, Iterator, Optional, Sequence

from marketplace.graph.deployments import Deployment
from marketplace.release.image_sources import parse_lock
from marketplace.selection.changes import Changes, read_after, read_before
from maxairesources.launches import merge, named_tasks
from maxairesources.tree import (
    CONFIGS,
    DAG_FILE,
    USECASES,
    dag_id,
    domain_of,
    json_path,
)

# Returns the content of a file, or None if it is missing.
Read = Callable[[str], Optional[str]]

# A config or an overlay. The groups are the path of the config without its ending, and the
# objective of a py_config.
_CONFIG = re.compile(
    rf"({CONFIGS}/[^/]+/[^/]+/(?:(?:spark|kubepod)_config|([^/]+)/py_config))(?:\.[a-z0-9_]+)?\.json"
)
_LOCK = re.compile(f"{USECASES}/[^/]+/requirements[.]lock")
_VERSION = re.compile(r"==([^\s;\\]+)")
# Stands for a missing key or file; null is a value.
_MISSING = object()


@dataclass(frozen=True)
class Difference:
    """A value that differs between two commits.

    Attributes:
        file: the config or lock.
        place: the JSON path in the config, or the package in the lock.
        before: the value at the first commit, as JSON, or the version; None if missing.
        after: the value at the second commit.
        deployments: the deployments whose DAGs see this difference; () for a lock.
    """

    file: str
    place: str
    before: str | None
    after: str | None
    deployments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Differences:
    """The differences between the content of two commits.

    Attributes:
        new: the ids of the DAGs of new objectives.
        deleted: the ids of the DAGs of deleted objectives.
        configs: the values of configs.
        packages: the packages of the domains' locks.
    """

    new: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    configs: tuple[Difference, ...] = ()
    packages: tuple[Difference, ...] = ()


def find_differences(
    changes: Changes, deployments: Iterable[Deployment]
) -> Differences:
    """Return the differences since the merge base."""

    @functools.lru_cache(maxsize=None)
    def before(path: str) -> str | None:
        if path in changes.files:
            return read_before(changes.base, path)
        return read_after(path)

    return compare(before, read_after, changes.files, deployments)


def compare(
    before: Read,
    after: Read,
    files: Iterable[str],
    deployments: Iterable[Deployment],
) -> Differences:
    """Return the differences between two commits.

    Args:
        before: reads a file at the first commit.
        after: reads a file at the second commit.
        files: the files that differ.
        deployments: all deployments.
    """
    objectives: dict[tuple[bool, bool], list[str]] = {}
    for names in filter(None, map(DAG_FILE.fullmatch, files)):
        state = (before(names[0]) is None, after(names[0]) is None)
        objectives.setdefault(state, []).append(dag_id(*names.groups()))
    new, deleted = objectives.get((True, False), []), objectives.get((False, True), [])
    # One line for a new or deleted objective says more than all of its values.
    configs = {
        f"{found[1]}.json"
        for found in filter(None, map(_CONFIG.fullmatch, files))
        if not found[2] or _dag_of(found[1]) not in (*new, *deleted)
    }
    return Differences(
        tuple(new),
        tuple(deleted),
        tuple(
            each
            for path in sorted(configs)
            for each in compare_config(before, after, path, deployments)
        ),
        tuple(
            each
            for path in filter(_LOCK.fullmatch, files)
            for each in compare_lock(path, before(path) or "", after(path) or "")
        ),
    )


def compare_config(
    before: Read, after: Read, path: str, deployments: Iterable[Deployment]
) -> Iterator[Difference]:
    """Yield the values of a config that differ in at least one deployment."""
    seen: dict[tuple[str, str | None, str | None], list[str]] = {}
    for deployment in deployments:
        old, new = (
            _read_config(read, path, deployment.name) for read in (before, after)
        )
        for difference in _compare_values(old, new, ()):
            seen.setdefault(difference, []).append(deployment.name)
    for difference, names in seen.items():
        yield Difference(path, *difference, tuple(names))


def compare_lock(path: str, lock_before: str, lock_after: str) -> Iterator[Difference]:
    """Yield the packages of a lock whose versions or hashes differ."""
    old, new = parse_lock(lock_before), parse_lock(lock_after)
    for name in sorted({*old, *new}):
        was, now = (each[name].lines if name in each else () for each in (old, new))
        if was != now:
            before, after = _version_of(was), _version_of(now)
            same = f"{after} with other hashes"
            yield Difference(path, name, before, same if before == after else after)


def _version_of(lines: Sequence[str]) -> str | None:
    """Return the version in the lines of a package in a lock."""
    found = _VERSION.search(lines[0]) if lines else None
    return found[1] if found else None


def _dag_of(config: str) -> str:
    """Return the id of an objective's DAG, from the path of its py_config."""
    return dag_id(*config.split("/")[1:4])


def _read_config(read: Read, path: str, deployment: str) -> Any:
    """Return a config with the overlay of a deployment, and its tasks by name."""
    text, overlay = read(path), read(f"{path[:-5]}.{deployment}.json")
    if text is None:
        return _MISSING
    try:
        parts = [json.loads(text), json.loads(overlay or "{}")]
        config = merge(*parts) if all(isinstance(p, dict) for p in parts) else None
    except (RecursionError, ValueError):
        config = None
    if config is None:
        return "not a valid config"
    values = {key: config[key] for key in config if not key.startswith("$")}
    tasks = named_tasks(config)
    by_name = {name: task for name, task in tasks if isinstance(name, str)}
    # Tasks without a unique name for each stay a list.
    if tasks and len(by_name) == len(tasks):
        values["tasks"] = by_name
    return values


def _compare_values(
    old: Any, new: Any, path: tuple[Any, ...]
) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield the path of each value that differs, with the value before and after.

    A list is one value, as in an overlay.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            was, now = old.get(key, _MISSING), new.get(key, _MISSING)
            yield from _compare_values(was, now, (*path, key))
        return
    before, after = (
        None if each is _MISSING else json.dumps(each, ensure_ascii=False)
        for each in (old, new)
    )
    if before != after:
        yield json_path(path), before, after
