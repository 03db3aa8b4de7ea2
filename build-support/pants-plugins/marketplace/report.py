"""The report of the goal `affected`: the values and packages that differ, and its formats."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, Callable, Iterable, Iterator, Mapping, Optional

from marketplace.tags import parse_lock, without_comments
from maxairesources.launches import by_name, merge
from maxairesources.tree import CONFIGS, USECASES, flatten

# Returns the content of a file, or None if it is missing.
Read = Callable[[str], Optional[str]]
Names = tuple[str, ...]
Report = Mapping[str, Any]

# The groups are the path of a config without its ending, and the deployment of an overlay.
CONFIG = re.compile(rf"({CONFIGS}/.+/[^/.]+)(?:\.([a-z0-9_]+))?\.json")
_LOCK = re.compile(f"{USECASES}/[^/]+/requirements[.]lock")
# A comment on GitHub has at most 65,536 characters.
_LINES, _WIDTH = 400, 110
# The most nodes of a picture, and the characters of a name in it that Mermaid reads as they are.
_NODES, _PLAIN = 30, re.compile(r"[^\w ./:@+-]", re.ASCII)


@dataclass(frozen=True)
class Difference:
    """A value of a config or a package of a lock that differs between two commits.

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
    deployments: Names = ()


def compare_configs(
    before: Read, after: Read, files: Iterable[str], deployments: Iterable[str]
) -> Iterator[Difference]:
    """Yield the values that differ in at least one of the deployments.

    `before` and `after` read a file at one of the commits; `files` are those that differ.
    """
    configs = {f"{f[1]}.json": None for f in map(CONFIG.fullmatch, files) if f}
    for path in configs:
        seen: dict[tuple[str, str | None, str | None], Names] = {}
        for name in deployments:
            old, new = (_read_values(each, path, name) for each in (before, after))
            # One line for a new or deleted config says more than all of its values.
            if not (old and new):
                old, new = (each and {"$": "a config"} for each in (old, new))
            for difference in _compare(old, new):
                seen[difference] = (*seen.get(difference, ()), name)
        yield from (Difference(path, *each, names) for each, names in seen.items())


def compare_locks(
    before: Read, after: Read, files: Iterable[str]
) -> Iterator[Difference]:
    """Yield the packages whose versions or hashes differ in the locks of domains."""
    for path in filter(_LOCK.fullmatch, files):
        texts = (without_comments(read(path) or "") for read in (before, after))
        for name, *entries in sorted(_compare(*map(parse_lock, texts))):
            was, now = (e and e.split()[0].partition("==")[2] for e in entries)
            same = f"{now} with other hashes"
            yield Difference(path, name, was, same if was == now else now)


def _compare(
    old: Mapping[str, str], new: Mapping[str, str]
) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield each key whose value differs, with the value before and after."""
    for key in {**old, **new}:
        if old.get(key) != new.get(key):
            yield key, old.get(key), new.get(key)


def _read_values(read: Read, path: str, deployment: str) -> dict[str, str]:
    """Return the values of a config with the overlay of a deployment, by JSON path."""
    text, overlay = read(path), read(f"{path[:-5]}.{deployment}.json")
    if text is None:
        return {}
    try:
        config = merge(json.loads(text), json.loads(overlay or "{}"))
    except (RecursionError, ValueError):
        return {"$": "not valid JSON"}
    return dict(flatten(by_name(config)))


def as_json(report: Report) -> str:
    """Return the report in JSON."""
    return json.dumps(report, indent=2, default=asdict)


def as_markdown(report: Report) -> str:
    """Return the report as a comment on a pull request, with a picture.

    Names and values come from the pull request, so all lines are in an indented code block: GitHub
    then reads no Markdown, HTML or mention in them. In the picture, they are escaped.
    """
    lines = as_text(report).split("\n")
    if len(lines) > _LINES:
        more = f"... and {len(lines) - _LINES} more lines: run ./pants affected"
        lines[_LINES:] = [more]
    short = (f"    {line[:_WIDTH]}{'...' * (len(line) > _WIDTH)}" for line in lines)
    return "\n".join(["### What this change deploys", "", *_draw(report), *short])


def _draw(report: Report) -> Iterator[str]:
    """Yield the lines of a Mermaid graph from the changed files to the readers of their data."""
    paths = [(*path[:-1], name) for name, path in report["images"].items()]
    for name, path in report["dags"].items():
        paths.append((*path[: len(path) - 1 or 1], name))
    for reader, (table, writer, *_) in report["readers"].items():
        paths.append((writer, table, reader))
    edges = dict.fromkeys(edge for path in paths for edge in zip(path, path[1:]))
    names = dict.fromkeys(name for path in paths for name in path)
    numbers = {name: f"n{number}" for number, name in enumerate([*names][:_NODES])}
    if not edges:
        return
    yield from ("```mermaid", "flowchart LR")
    for name, number in numbers.items():
        label = _PLAIN.sub(lambda found: f"#{ord(found[0])};", _short(name)[-70:])
        yield f'    {number}["{label}"]'
    for edge in edges:
        if {*edge} <= numbers.keys():
            yield f"    {' --> '.join(map(numbers.__getitem__, edge))}"
    if more := len(names) - len(numbers):
        yield f'    more["and {more} more"]'
    yield from ("```", "")


def as_text(report: Report) -> str:
    """Return the report for a terminal: sections with a title."""
    what = "Nothing that is built, tested or deployed"
    if report["everything"]:
        what = "Everything"
    elif any(report[key] for key in ("deployments", "images", "dags", "tests")):
        what = "The following"
    sections = {
        f"{what} is affected": [
            f"since {report['since']} (merge base {report['base'][:12]})",
            *(f"because of {path}" for path in report["everything"]),
        ],
        "deployments": [
            f"{name}: {', '.join(map(_short, names))}"
            for name, names in report["deployments"].items()
        ],
        "images": [*_explain(report["images"])],
        "config values": [*_show(report["configs"])],
        "packages": [*_show(report["packages"])],
        "DAGs": [*_explain(report["dags"])],
        "DAGs that read what these write": [
            f"{' '.join((reader, *owners))}: {table}, of {writer}"
            for reader, (table, writer, *owners) in report["readers"].items()
        ],
        "tests": [*_explain(report["tests"])],
    }
    return "\n\n".join(
        "\n  ".join([title, *map(_printable, lines)])
        for title, lines in sections.items()
        if lines
    )


def _short(name: str) -> str:
    """Return a name with a short content tag."""
    return re.sub("(:[0-9a-f]{12})[0-9a-f]{52}$", r"\1", name)


def _explain(items: Mapping[str, Names]) -> Iterator[str]:
    for name, (first, *steps) in items.items():
        yield _short(name)
        if first != name:
            yield f"    because of {first}"
            # The last step is the item itself.
            yield from (f"        -> {step}" for step in steps[:-1])


def _show(differences: Iterable[Difference]) -> Iterator[str]:
    """Yield both sides of each difference, from a little before where they part."""
    grouped = groupby(differences, attrgetter("file", "deployments"))
    for (file, deployments), found in grouped:
        yield f"{file} ({', '.join(deployments)})" if deployments else file
        for each in found:
            common = os.path.commonprefix([each.before or "", each.after or ""])
            start = max(len(common) - 25, 0)
            sides = (
                "not set" if side is None else f"{'...' * bool(start)}{side[start:]}"
                for side in (each.before, each.after)
            )
            yield f"    {each.place}: {' -> '.join(sides)}"


def _printable(line: str) -> str:
    """Return a line with escapes for characters that could hide a change."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in line
    )
