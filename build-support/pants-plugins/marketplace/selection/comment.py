"""Writes the report of the goal `affected` in Markdown, as a comment on a pull request.

Names and values come from the pull request, so each is a code span: GitHub then reads no
Markdown, HTML or mention in it.
"""

from __future__ import annotations

import os
import re
from typing import Callable, Sequence, TypeVar

from marketplace.selection.affected_report import (
    AffectedDeployment,
    AffectedImage,
    Report,
    headline,
    is_empty,
)
from marketplace.selection.differences import Difference, Differences

T = TypeVar("T")

# A comment on GitHub has at most 65,536 characters. With these limits, in bytes, the whole
# text stays below 60,000.
_TABLE, _LIST, _CELL = 8_000, 3_000, 800
# The longest value, in characters.
_VALUE = 100

_STATES = {
    "identical": "the registry has it",
    "built": "this machine has it",
    "changed": "to be built",
    "unknown": "unknown",
}


def markdown(report: Report, differences: Differences) -> str:
    """Return the report in Markdown, in less than 60,000 bytes."""
    parts = ["### What this change deploys", headline(report, _code, _names)]
    if is_empty(report):
        return "\n\n".join(parts)

    def show_deployment(affected: AffectedDeployment) -> Sequence[str]:
        to = affected.deployment
        count = sum(to.name in each.deployments for each in differences.configs)
        return (
            _code(to.name),
            "all" if to.domains is None else _names(to.domains),
            _code(to.after) if to.after else "",
            _names(affected.images),
            _names(affected.dags),
            str(count or ""),
        )

    titles = "deployment | domains | after | images | DAGs | config values"
    parts.append(_table(titles, report.deployments, show_deployment))
    if not report.deployments:
        parts.append("No deployment is affected.")
    for title, dags in (("New", differences.new), ("Deleted", differences.deleted)):
        if dags:
            parts.append(f"**{title} objectives**: {_names(dags)}")

    def show_image(image: AffectedImage) -> Sequence[str]:
        name, tag = _code(image.repository), _code(image.tag[:12])
        size = _show_size(image.size, differences.live.get(image.repository))
        return name, tag, _STATES[image.state], size, _names(image.files)

    titles = "image | tag | state | size | because of"
    parts.append(_table(titles, report.images, show_image))
    titles = "lock | package | before | after"
    parts.append(_table(titles, differences.packages, _show_package))
    for file, values in (("config", differences.configs), ("DAG", differences.dags)):
        titles = f"{file} | value | before | after | deployments"
        parts.append(_table(titles, values, _show_value))
    if differences.owners:
        owners = _fit(differences.owners, _show_owners, _LIST, "; ")
        parts.append(f"**Owners**: {owners}")
    if report.tests:
        tests = _fit(report.tests, lambda test: f"- {_code(test)}", _TABLE, "\n")
        summary = f"<summary>Tests ({len(report.tests)})</summary>"
        parts.append(f"<details>{summary}\n\n{tests}\n\n</details>")
    notes = _fit(report.notes, lambda note: f"Note: {_code(note)}", _LIST, "\n\n")
    return "\n\n".join(filter(None, [*parts, notes]))


def _show_size(size: int | None, live: tuple[str, int] | None) -> str:
    """Return a size in megabytes, and its difference from that of the live image."""
    if size is None:
        return "not built here"
    shown = f"{size / 1e6:,.1f} MB"
    if live:
        deployment, before = live
        shown += f" ({(size - before) / 1e6:+,.1f} MB from {_code(deployment)})"
    return shown


def _show_package(each: Difference) -> Sequence[str]:
    return _code(each.file), _code(each.place), *_show_sides(each)


def _show_value(each: Difference) -> Sequence[str]:
    file = _code(each.file.partition("/")[2])
    return file, _code(each.place), *_show_sides(each), _names(each.deployments)


def _show_owners(owners: tuple[str, tuple[str, ...]]) -> str:
    return f"{_code(owners[0])}: {_names(owners[1])}"


def _show_sides(difference: Difference) -> Sequence[str]:
    """Return the cells of both values, from a little before the first difference."""
    before, after = difference.before or "", difference.after or ""
    start = len(os.path.commonprefix([before, after])) - _VALUE // 4
    if max(len(before), len(after)) <= _VALUE or start < 0:
        start = 0
    return [
        "not set" if value is None else _code(f"{'…' * bool(start)}{value[start:]}")
        for value in (difference.before, difference.after)
    ]


def _table(titles: str, items: Sequence[T], show: Callable[[T], Sequence[str]]) -> str:
    """Return a table with a row for each item, or an empty string without items."""
    rows = _fit(items, lambda item: _row(show(item)), _TABLE, "\n")
    rule = re.sub("[^|]+", " --- ", f"|{titles}|")
    return f"| {titles} |\n{rule}\n{rows}" if items else ""


def _row(cells: Sequence[str]) -> str:
    # A cell ends at a pipe even in a code span.
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _names(names: Sequence[str]) -> str:
    return _fit(names, _code, _CELL, ", ")


def _fit(
    items: Sequence[T], show: Callable[[T], str], limit: int, separator: str
) -> str:
    """Join the first items that fit in so many bytes, and the number of items left out."""
    shown: list[str] = []
    size = 0
    for item in items:
        text = show(item)
        size += len(text.encode()) + len(separator)
        if size > limit:
            left = len(items) - len(shown)
            inline = not separator.endswith("\n")
            shown.append(f"and {left} more" if inline else f"\n{left} more left out.")
            break
        shown.append(text)
    return separator.join(shown)


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
