"""What the goal `affected` tells, and the three forms that it tells it in."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Any, Iterable

_SAYS = {True: "yes", False: "no", None: "unknown"}


@dataclass(frozen=True)
class Image:
    """An affected image.

    Attributes:
        tag: the hash of its content, which `package` tags it with.
        state: `identical` if the registry has this content already; `built` if the engine
            has it and no registry is named, so that nobody could tell whether it was there
            before; `changed` if it is nowhere; `unknown` if nobody could tell.
        engine: whether the engine has it; None if unknown.
        registry: whether the registry has it; None if unknown or not asked.
        why: a shortest way from a changed file to it, over addresses.
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
    """What the changes since a commit affect; `everything` are the files that affect all."""

    since: str
    base: str
    everything: tuple[str, ...]
    images: tuple[Image, ...]
    tests: tuple[str, ...]
    dags: tuple[str, ...]
    deployments: tuple[str, ...]
    notes: tuple[str, ...] = ()


def table(report: Report, registry: str) -> str:
    """The report for a terminal: columns for the images, paths on lines of their own."""
    lines = [_headline(report)]
    if _is_empty(report):
        return lines[0]
    if report.images:
        rows: list[tuple[str, ...]] = [("IMAGE", "TAG", "STATE", "ENGINE", "REGISTRY")]
        rows += [_cells(image, registry, image.tag[:12]) for image in report.images]
        widths = [max(map(len, column)) for column in zip(*rows)]
        whys = [(), *(image.why for image in report.images)]
        lines.append("")
        for row, why in zip(rows, whys):
            lines.append("  ".join(map(str.ljust, row, widths)).rstrip())
            # A file and its target often have the same name.
            for depth, step in enumerate(dict.fromkeys(why)):
                lines.append(f"  {'because of' if depth == 0 else '        ->'} {step}")
    for title, names in (("tests", report.tests), ("DAGs", report.dags)):
        if names:
            lines += ["", f"{title} ({len(names)})", *(f"  {name}" for name in names)]
    lines += ["", f"deployments: {', '.join(report.deployments) or 'none'}"]
    return "\n".join([*lines, *(f"note: {note}" for note in report.notes)])


def markdown(report: Report, registry: str) -> str:
    """The report for $GITHUB_STEP_SUMMARY; names are code, so that nothing in them is not."""
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
        ways = [" → ".join(map(_code, dict.fromkeys(i.why))) for i in report.images]
        parts.append(_folded("Why", ways))
    parts.append(f"**Deployments**: {', '.join(report.deployments) or 'none'}")
    if report.dags:
        parts.append(f"**DAGs**: {', '.join(map(_code, report.dags))}")
    if report.tests:
        parts.append(_folded(f"Tests ({len(report.tests)})", map(_code, report.tests)))
    return "\n\n".join([*parts, *(f"Note: {_code(note)}" for note in report.notes)])


def as_json(report: Report) -> str:
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
        f"Everything is affected, by {files}, {since}."
        if files
        else f"Affected {since}:"
    )


def _cells(image: Image, registry: str, tag: str) -> tuple[str, ...]:
    said = _SAYS[image.registry] if registry else "not asked"
    return (image.repository, tag, image.state, _SAYS[image.engine], said)


def _code(text: str) -> str:
    """A code span; its fence is longer than any run of backticks inside."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if len(fence) > 1 else ""
    return f"{fence}{pad}{' '.join(text.split())}{pad}{fence}".replace("|", "\\|")


def _folded(title: str, lines: Iterable[str]) -> str:
    items = "\n".join(f"- {line}" for line in lines)
    return f"<details><summary>{title}</summary>\n\n{items}\n\n</details>"
