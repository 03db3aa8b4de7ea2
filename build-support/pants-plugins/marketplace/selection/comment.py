"""Writes the report of the goal `affected` in Markdown, as a comment on a pull request.

Names and values come from the pull request, so each is a code span: GitHub then reads no
Markdown, HTML or mention in it.
"""

from __future__ import annotations

import os
import re
from typing import Callable, Sequence, TypeVar

from marketplace.selection.differences import Difference, Differences
from marketplace.selection.report import AffectedDeployment, AffectedImage, Report

T = TypeVar("T")

# A comment on GitHub has at most 65,536 characters.
_BYTES = 60_000
# The most names in a cell, and the longest value, in characters.
_NAMES, _VALUE = 20, 100


def markdown(report: Report, differences: Differences) -> str:
    """Return the report in Markdown, as many lines as fit in a comment."""
    parts = ["### What this change deploys", report.headline(_code)]
    if report.is_empty:
        return "\n\n".join(parts)

    def show_deployment(affected: AffectedDeployment) -> Sequence[str]:
        count = sum(affected.name in each.deployments for each in differences.configs)
        names = _names(affected.images), _names(affected.dags)
        return _code(affected.name), *names, str(count or "")

    def show_image(image: AffectedImage) -> Sequence[str]:
        return _code(image.repository), _code(image.tag[:12]), _names(image.files)

    titles = "deployment | images | DAGs | config values"
    parts.append(_table(titles, report.deployments, show_deployment))
    if not report.deployments:
        parts.append("No deployment is affected.")
    for title, dags in (("New", differences.new), ("Deleted", differences.deleted)):
        if dags:
            parts.append(f"**{title} objectives**: {_names(dags)}")
    parts.append(_table("image | tag | because of", report.images, show_image))
    titles = "lock | package | before | after"
    parts.append(_table(titles, differences.packages, _show_package))
    titles = "config | value | before | after | deployments"
    parts.append(_table(titles, differences.configs, _show_value))
    if report.tests:
        tests = "\n".join(f"- {_code(test)}" for test in report.tests)
        summary = f"<summary>Tests ({len(report.tests)})</summary>"
        parts.append(f"<details>{summary}\n\n{tests}\n\n</details>")
    return _shorten("\n\n".join(filter(None, parts)))


def _shorten(text: str) -> str:
    """Return the first lines of a text that fit, and how many are left out."""
    lines = text.split("\n")
    size, kept = 0, 0
    for line in lines:
        size += len(line.encode()) + 1
        if size > _BYTES:
            left = len(lines) - kept
            end = f"{left} more lines are left out: run `./pants affected`."
            return "\n".join([*lines[:kept], "", end])
        kept += 1
    return text


def _show_package(each: Difference) -> Sequence[str]:
    return _code(each.file), _code(each.place), *_show_sides(each)


def _show_value(each: Difference) -> Sequence[str]:
    file = _code(each.file.partition("/")[2])
    return file, _code(each.place), *_show_sides(each), _names(each.deployments)


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
    rows = "\n".join(_row(show(item)) for item in items)
    rule = re.sub("[^|]+", " --- ", f"|{titles}|")
    return f"| {titles} |\n{rule}\n{rows}" if items else ""


def _row(cells: Sequence[str]) -> str:
    # A cell ends at a pipe even in a code span.
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _names(names: Sequence[str]) -> str:
    more = len(names) - _NAMES
    shown = [*map(_code, names[:_NAMES]), *([f"and {more} more"] if more > 0 else [])]
    return ", ".join(shown)


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
