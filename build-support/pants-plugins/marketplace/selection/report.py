"""The report of the goal `affected`, and its formats."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from typing import Iterator, Sequence

from marketplace.selection.differences import Difference, Differences

# A comment on GitHub has at most 65,536 characters, and a report has ten sections.
_LINES, _WIDTH = 40, 160


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
    differences, everything = report.differences, report.everything
    what = "Everything" if everything else "Nothing that is built, tested or deployed"
    if not everything and (report.images or report.tests or report.deployments):
        what = "The following"
    cause = ["because of", *everything] if everything else []
    yield [
        f"{what} is affected",
        *_lines(f"since {report.since} (merge base {report.base[:12]})", *cause),
    ]
    values = [
        f"{_show(each)} ({', '.join(each.deployments)})" for each in differences.configs
    ]
    kinds = {
        "deployments": [_count(each, differences) for each in report.deployments],
        "new objectives": differences.new,
        "deleted objectives": differences.deleted,
        "images": [*_explain(report.images)],
        "config values": values,
        "packages": [*map(_show, differences.packages)],
        "DAGs": [*_explain(report.dags)],
        "tests": [*_explain(report.tests)],
    }
    for title, lines in kinds.items():
        if lines:
            yield [title, *_lines(*lines)]


def _explain(items: Sequence[Item]) -> Iterator[str]:
    for item in items:
        # The content tag is shortened.
        yield re.sub("(:[0-9a-f]{12})[0-9a-f]{52}$", r"\1", item.name)
        if item.why != (item.name,):
            yield f"    because of {' -> '.join(item.why)}"


def _count(deployment: AffectedDeployment, differences: Differences) -> str:
    values = [
        each for each in differences.configs if deployment.name in each.deployments
    ]
    images, dags = len(deployment.images), len(deployment.dags)
    return f"{deployment.name}: images: {images}, DAGs: {dags}, config values: {len(values)}"


def _show(difference: Difference) -> str:
    """Return both values, from a little before the first difference."""
    before, after = difference.before, difference.after
    start = max(len(os.path.commonprefix([before or "", after or ""])) - 25, 0)
    sides = (
        "not set" if v is None else f"{'...' * bool(start)}{v[start:]}"
        for v in (before, after)
    )
    return f"{difference.file} {difference.place}: {' -> '.join(sides)}"


def _lines(*lines: str) -> Iterator[str]:
    """Yield lines with escapes for characters that are not printable: they could hide a change."""
    for line in lines:
        yield "".join(
            each if each.isprintable() else each.encode("unicode_escape").decode()
            for each in line
        )
