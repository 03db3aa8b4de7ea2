"""The report of the goal `affected`, and its formats: a table, JSON and Markdown."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Any, Iterable

_ANSWERS = {True: "yes", False: "no", None: "unknown"}


@dataclass(frozen=True)
class AffectedImage:
    """An affected image.

    Attributes:
        address: the address of its target.
        repository: its repository.
        tag: its content tag.
        state: `identical` if the registry has this content; `built` if the engine has it and
            no registry was asked; `changed` if neither has it; `unknown` if the lookup failed.
        engine: whether the engine has it; None if unknown.
        registry: whether the registry has it; None if unknown or not asked.
        why: a shortest path from a changed file to the image: the file, then addresses.
    """

    address: str
    repository: str
    tag: str
    state: str
    engine: bool | None
    registry: bool | None
    why: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """The images, tests, DAGs and deployments that the changes since a commit affect.

    Attributes:
        since: the value of `--changed-since`.
        base: the merge base, from which the changes count.
        everything: the changed files that affect everything.
        images: the affected images.
        tests: the addresses of the affected tests.
        dags: the ids of the affected DAGs.
        deployments: the names of the affected deployments.
        notes: lookups that failed, and why.
    """

    since: str
    base: str
    everything: tuple[str, ...]
    images: tuple[AffectedImage, ...]
    tests: tuple[str, ...]
    dags: tuple[str, ...]
    deployments: tuple[str, ...]
    notes: tuple[str, ...] = ()


def table(report: Report, registry: str) -> str:
    """Return the report for a terminal: a table of images, then lists."""
    lines = [_headline(report)]
    if _is_empty(report):
        return lines[0]
    if report.images:
        rows: list[tuple[str, ...]] = [("IMAGE", "TAG", "STATE", "ENGINE", "REGISTRY")]
        rows += [_cells(image, registry, image.tag[:12]) for image in report.images]
        widths = [max(map(len, column)) for column in zip(*rows)]
        paths = [(), *(image.why for image in report.images)]
        lines.append("")
        for row, path in zip(rows, paths):
            lines.append("  ".join(map(str.ljust, row, widths)).rstrip())
            # A file and its target often have the same name.
            for depth, step in enumerate(dict.fromkeys(path)):
                lines.append(f"  {'because of' if depth == 0 else '        ->'} {step}")
    for title, names in (("tests", report.tests), ("DAGs", report.dags)):
        if names:
            lines += ["", f"{title} ({len(names)})", *(f"  {name}" for name in names)]
    lines += ["", f"deployments: {', '.join(report.deployments) or 'none'}"]
    return "\n".join([*lines, *(f"note: {note}" for note in report.notes)])


def markdown(report: Report, registry: str) -> str:
    """Return the report in Markdown, for $GITHUB_STEP_SUMMARY.

    Names are code spans, so that nothing in a name is read as Markdown.
    """
    parts = ["### What this change affects", _headline(report, code=_code)]
    if _is_empty(report):
        return "\n\n".join(parts)
    if report.images:
        rows: list[tuple[str, ...]] = [
            ("image", "tag", "state", "engine", "registry"),
            ("---",) * 5,
        ]
        for image in report.images:
            name, tag, *rest = _cells(image, registry, image.tag)
            rows.append((_code(name), _code(tag), *rest))
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
        paths = [" → ".join(map(_code, dict.fromkeys(i.why))) for i in report.images]
        parts.append(_folded("Why", paths))
    parts.append(f"**Deployments**: {', '.join(report.deployments) or 'none'}")
    if report.dags:
        parts.append(f"**DAGs**: {', '.join(map(_code, report.dags))}")
    if report.tests:
        parts.append(_folded(f"Tests ({len(report.tests)})", map(_code, report.tests)))
    return "\n\n".join([*parts, *(f"Note: {_code(note)}" for note in report.notes)])


def as_json(report: Report) -> str:
    """Return the report as JSON, without the notes."""
    fields = asdict(report)
    del fields["notes"]
    return json.dumps(fields, indent=2)


def _is_empty(report: Report) -> bool:
    return not (report.images or report.tests or report.dags or report.deployments)


def _headline(report: Report, code: Any = str) -> str:
    since = f"since {code(report.since)} (merge base {code(report.base[:12])})"
    if _is_empty(report):
        return f"Nothing that is built, tested or deployed is affected {since}."
    files = ", ".join(map(code, report.everything))
    return (
        f"Everything is affected {since}, because of {files}."
        if files
        else f"Affected {since}:"
    )


def _cells(image: AffectedImage, registry: str, tag: str) -> tuple[str, ...]:
    in_registry = _ANSWERS[image.registry] if registry else "not asked"
    return (image.repository, tag, image.state, _ANSWERS[image.engine], in_registry)


def _code(text: str) -> str:
    """Return a code span, whose fence is longer than any run of backticks in the text."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if len(fence) > 1 else ""
    return f"{fence}{pad}{' '.join(text.split())}{pad}{fence}".replace("|", "\\|")


def _folded(title: str, lines: Iterable[str]) -> str:
    items = "\n".join(f"- {line}" for line in lines)
    return f"<details><summary>{title}</summary>\n\n{items}\n\n</details>"
