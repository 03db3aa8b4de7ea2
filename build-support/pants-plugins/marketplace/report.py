"""The report of the goal `affected`: what changes in configs and locks, by value, and its formats."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, field
from typing import Any, Callable, Iterable, Iterator, Mapping, Optional, Sequence

from marketplace.tags import parse_lock, without_comments
from maxairesources.launches import merge, named_tasks
from maxairesources.tree import CONFIGS, DAG_FILE, USECASES, dag_id, json_path

# Returns the content of a file, or None if it is missing.
Read = Callable[[str], Optional[str]]
Names = tuple[str, ...]

# A config or an overlay. The groups are the path of the config without its ending, the
# objective of a py_config, and the deployment of an overlay.
CONFIG = re.compile(
    rf"({CONFIGS}/[^/]+/[^/]+/(?:(?:spark|kubepod)_config|([^/]+)/py_config))(?:\.([a-z0-9_]+))?\.json"
)
_LOCK = re.compile(f"{USECASES}/[^/]+/requirements[.]lock")
# Stands for a missing key or file; null is a value.
_MISSING = object()
# A comment on GitHub has at most 65,536 characters, and a report has nine sections.
_LINES, _WIDTH = 60, 110


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
class Report:
    """What the changes since a commit affect.

    Attributes:
        since: the value of `--changed-since`.
        base: the merge base, from which the changes count.
        everything: the changed files that affect everything.
        deployments: the names of the affected images and DAGs that each deployment gets.
        images: the affected images, by name and content tag, each with a shortest path to it: a
            changed file, then its dependents.
        dags: the ids of the affected DAGs, with such a path.
        tests: the files of the affected tests, with such a path.
        new: the ids of the DAGs of new objectives.
        deleted: the ids of the DAGs of deleted objectives.
        configs: the values that differ in configs.
        packages: the packages that differ in the locks of domains.
    """

    since: str
    base: str
    everything: tuple[str, ...] = ()
    deployments: Mapping[str, Names] = field(default_factory=dict)
    images: Mapping[str, Names] = field(default_factory=dict)
    dags: Mapping[str, Names] = field(default_factory=dict)
    tests: Mapping[str, Names] = field(default_factory=dict)
    new: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    configs: tuple[Difference, ...] = ()
    packages: tuple[Difference, ...] = ()


def compare_dags(
    before: Read, after: Read, files: Iterable[str]
) -> tuple[Names, Names]:
    """Return the ids of the DAGs of new objectives, and those of deleted ones."""
    dags = {f[0]: dag_id(*f.groups()) for f in map(DAG_FILE.fullmatch, files) if f}
    new = tuple(name for path, name in dags.items() if before(path) is None)
    return new, tuple(name for path, name in dags.items() if after(path) is None)


def compare_configs(
    before: Read,
    after: Read,
    files: Iterable[str],
    deployments: Iterable[str],
    ignored: Sequence[str] = (),
) -> Iterator[Difference]:
    """Yield the values that differ in at least one deployment.

    Args:
        before: reads a file at the first commit.
        after: reads a file at the second commit.
        files: the files that differ.
        deployments: the names of all deployments.
        ignored: the ids of DAGs whose py_configs are left out.
    """
    configs = {
        f"{found[1]}.json": None
        for found in filter(None, map(CONFIG.fullmatch, files))
        if not found[2] or dag_id(*found[1].split("/")[1:4]) not in ignored
    }
    for path in configs:
        seen: dict[tuple[str, str | None, str | None], list[str]] = {}
        for name in deployments:
            old, new = (_read_config(read, path, name) for read in (before, after))
            for difference in _compare_values(old, new, ()):
                seen.setdefault(difference, []).append(name)
        for difference, names in seen.items():
            yield Difference(path, *difference, tuple(names))


def compare_locks(
    before: Read, after: Read, files: Iterable[str]
) -> Iterator[Difference]:
    """Yield the packages whose versions or hashes differ in the locks of domains."""
    for path in filter(_LOCK.fullmatch, files):
        old, new = (
            parse_lock(without_comments(read(path) or "")) for read in (before, after)
        )
        for name in sorted({*old, *new}):
            if old.get(name) != new.get(name):
                was, now = (_version(lock.get(name)) for lock in (old, new))
                same = f"{now} with other hashes"
                yield Difference(path, name, was, same if was == now else now)


def _version(entry: str | None) -> str | None:
    return entry.partition("==")[2].split()[0] if entry else None


def _read_config(read: Read, path: str, deployment: str) -> Any:
    """Return a config with the overlay of a deployment, and its tasks by name."""
    text, overlay = read(path), read(f"{path[:-5]}.{deployment}.json")
    if text is None:
        return _MISSING
    try:
        config = merge(json.loads(text), json.loads(overlay or "{}"))
    except (RecursionError, ValueError):
        return "not valid JSON"
    tasks = named_tasks(config)
    # Tasks without a unique name for each stay a list.
    by_name = {name: task for name, task in tasks if isinstance(name, str)}
    if tasks and len(by_name) == len(tasks):
        config["tasks"] = by_name
    config.pop("$schema", None)
    return config


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


def as_json(report: Report) -> str:
    """Return the report in JSON."""
    return json.dumps(asdict(report), indent=2)


def as_text(report: Report) -> str:
    """Return the report for a terminal."""
    return "\n\n".join("\n  ".join(section) for section in _sections(report))


def as_markdown(report: Report) -> str:
    """Return the report as a comment on a pull request.

    Names and values come from the pull request, so they are in code blocks: GitHub then reads no
    Markdown, HTML or mention in them.
    """
    parts = ["### What this change deploys"]
    for title, *lines in _sections(report):
        if len(lines) > _LINES:
            more = f"... and {len(lines) - _LINES} more lines: run ./pants affected"
            lines[_LINES:] = [more]
        text = "\n".join(f"{line[:_WIDTH]}..."[: len(line)] for line in lines)
        # A fence is longer than any run of backticks in the block.
        fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`*", text)))
        parts.append(f"{title}\n{fence}\n{text}\n{fence}" if lines else title)
    return "\n\n".join(parts)


def _sections(report: Report) -> Iterator[list[str]]:
    """Yield the sections of the report: a title and its lines."""
    cause: Names = ()
    what = "Nothing that is built, tested or deployed"
    if report.everything:
        what, cause = "Everything", ("because of", *report.everything)
    elif report.images or report.tests or report.deployments:
        what = "The following"
    since = f"since {report.since} (merge base {report.base[:12]})"
    yield [f"{what} is affected", *_lines(since, *cause)]
    kinds = {
        "deployments": [
            f"{name}: {', '.join(map(_short, names)) or 'no image or DAG'}"
            for name, names in report.deployments.items()
        ],
        "new objectives": report.new,
        "deleted objectives": report.deleted,
        "images": [*_explain(report.images)],
        "config values": [*_show(report.configs)],
        "packages": [*_show(report.packages)],
        "DAGs": [*_explain(report.dags)],
        "tests": [*_explain(report.tests)],
    }
    for title, lines in kinds.items():
        if lines:
            yield [title, *_lines(*lines)]


def _short(name: str) -> str:
    """Return a name with a short content tag."""
    return re.sub("(:[0-9a-f]{12})[0-9a-f]{52}$", r"\1", name)


def _explain(items: Mapping[str, Names]) -> Iterator[str]:
    for name, path in items.items():
        yield _short(name)
        if path != (name,):
            yield f"    because of {path[0]}"
            # The last step is the item itself.
            yield from (f"        -> {step}" for step in path[1:-1])


def _show(differences: Iterable[Difference]) -> Iterator[str]:
    """Yield both sides of each difference, from a little before where they part."""
    last = ""
    for each in differences:
        names = f" ({', '.join(each.deployments)})" if each.deployments else ""
        if last != each.file + names:
            last = each.file + names
            yield last
        common = os.path.commonprefix([each.before or "", each.after or ""])
        start = max(len(common) - 25, 0)
        sides = (
            "not set" if side is None else f"{'...' * bool(start)}{side[start:]}"
            for side in (each.before, each.after)
        )
        yield f"    {each.place}: {' -> '.join(sides)}"


def _lines(*lines: str) -> Iterator[str]:
    """Yield lines with escapes for characters that are not printable: they could hide a change."""
    for line in lines:
        yield "".join(
            each if each.isprintable() else each.encode("unicode_escape").decode()
            for each in line
        )
