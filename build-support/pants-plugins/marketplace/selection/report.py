"""The report of the goal `affected`, and its formats.

In Markdown, it is a comment on a pull request. Names and values come from the pull request, so
each is a code span: GitHub then reads no Markdown, HTML or mention in it.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from typing import Callable, Sequence

from marketplace.selection.differences import Difference, Differences

# A comment on GitHub has at most 65,536 characters.
_BYTES = 60_000
# The most names in a cell, and the longest value, in characters.
_NAMES, _VALUE = 20, 100


@dataclass(frozen=True)
class Item:
    """An affected image, test or DAG.

    Attributes:
        name: the image with its content tag, the file of the test, or the id of the DAG.
        why: a shortest path to it: a changed file, then its dependents.
    """

    name: str
    why: tuple[str, ...]


@dataclass(frozen=True)
class AffectedDeployment:
    """An affected deployment, with the names of the affected images and DAGs that it gets."""

    name: str
    images: tuple[str, ...] = ()
    dags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """What the changes since a commit affect.

    Attributes:
        since: the value of `--changed-since`.
        base: the merge base, from which the changes count.
        everything: the changed files that affect everything.
    """

    since: str
    base: str
    everything: tuple[str, ...] = ()
    images: tuple[Item, ...] = ()
    tests: tuple[Item, ...] = ()
    dags: tuple[Item, ...] = ()
    deployments: tuple[AffectedDeployment, ...] = ()
    differences: Differences = Differences()


def as_json(report: Report) -> str:
    """Return the report in JSON."""
    return json.dumps(asdict(report), indent=2)


def as_table(report: Report) -> str:
    """Return the report for a terminal."""
    lines = [_headline(report, str)]
    kinds = {"images": report.images, "tests": report.tests, "DAGs": report.dags}
    for title, items in kinds.items():
        lines += ["", f"{title} ({len(items)})"] if items else []
        for item in items:
            lines.append(f"  {_short(item.name)}")
            if item.why != (item.name,):
                lines.append(f"    because of {' -> '.join(item.why)}")
    names = ", ".join(each.name for each in report.deployments)
    return "\n".join([*lines, "", f"deployments: {names or 'none'}"])


def as_markdown(report: Report) -> str:
    """Return the report in Markdown, as many lines as fit in a comment."""
    differences = report.differences
    parts = ["### What this change deploys", _headline(report, _code)]
    rows: list[list[str]] = []
    for each in report.deployments:
        count = sum(each.name in value.deployments for value in differences.configs)
        names = [_names([*map(_short, each.images)]), _names(each.dags)]
        rows.append([_code(each.name), *names, str(count or "")])
    parts.append(_table("deployment | images | DAGs | config values", rows))
    if not report.deployments:
        parts.append("No deployment is affected.")
    for title, dags in (("New", differences.new), ("Deleted", differences.deleted)):
        if dags:
            parts.append(f"**{title} objectives**: {_names(dags)}")
    rows = [[_code(_short(each.name)), _why(each)] for each in report.images]
    parts.append(_table("image | because of", rows))
    rows = [[_code(d.file), _code(d.place), *_sides(d)] for d in differences.packages]
    parts.append(_table("lock | package | before | after", rows))
    rows = [
        [
            _code(d.file.partition("/")[2]),
            _code(d.place),
            *_sides(d),
            _names(d.deployments),
        ]
        for d in differences.configs
    ]
    parts.append(_table("config | value | before | after | deployments", rows))
    if report.tests:
        tests = "\n".join(f"- {_code(t.name)}: {_why(t)}" for t in report.tests)
        summary = f"<summary>Tests ({len(report.tests)})</summary>"
        parts.append(f"<details>{summary}\n\n{tests}\n\n</details>")
    text = "\n\n".join(filter(None, parts)).encode()
    if len(text) > _BYTES:
        kept = text[:_BYTES].rpartition(b"\n")[0]
        text = kept + b"\n\nThe rest is left out: run `./pants affected`."
    return text.decode()


def _headline(report: Report, code: Callable[[str], str]) -> str:
    """Return the first line of the report; `code` formats the names in it."""
    since = f"since {code(report.since)} (merge base {code(report.base[:12])})"
    if report.everything:
        files = ", ".join(map(code, report.everything[:_NAMES]))
        return f"Everything is affected {since}, because of {files}."
    if report.images or report.tests or report.deployments:
        return f"Affected {since}:"
    return f"Nothing that is built, tested or deployed is affected {since}."


def _short(image: str) -> str:
    """Return a name with a short content tag."""
    return re.sub("(?<=:)([0-9a-f]{12})[0-9a-f]{52}$", r"\1", image)


def _why(item: Item) -> str:
    return " → ".join(map(_code, item.why))


def _sides(difference: Difference) -> list[str]:
    """Return the cells of both values, from a little before the first difference."""
    before, after = difference.before or "", difference.after or ""
    start = max(len(os.path.commonprefix([before, after])) - _VALUE // 4, 0)
    if max(len(before), len(after)) <= _VALUE:
        start = 0
    return [
        "not set" if value is None else _code(f"{'…' * bool(start)}{value[start:]}")
        for value in (difference.before, difference.after)
    ]


def _table(titles: str, rows: Sequence[Sequence[str]]) -> str:
    """Return a table, or an empty string without rows."""
    rule = re.sub("[^|]+", " --- ", f"|{titles}|")
    # A cell ends at a pipe even in a code span.
    lines = (" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows)
    return (
        "\n".join([f"| {titles} |", rule, *(f"| {each} |" for each in lines)])
        if rows
        else ""
    )


def _names(names: Sequence[str]) -> str:
    first, rest = names[:_NAMES], names[_NAMES:]
    more = [f"and {len(rest)} more"] if rest else []
    return ", ".join([*map(_code, first), *more])


def _code(text: str) -> str:
    """Return a code span, whose fence is longer than any run of backticks in the text.

    Other characters than printable ones become escapes, since they could hide a change.
    """
    if len(text) > _VALUE:
        text = f"{text[: _VALUE - 1]}…"
    text = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in text
    )
    # GitHub knows no fence of more than 80 backticks.
    text = re.sub("`{9,}", lambda run: "\\x60" * len(run[0]), text)
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    # Markdown removes one space at each end.
    pad = " " if text.strip("`") != text or text.strip(" ") != text else ""
    return f"{fence}{pad}{text}{pad}{fence}" if text else "(empty)"
