"""The report of the goal `affected`, as a table or JSON; `comment` writes it in Markdown."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Callable, Sequence

from marketplace.graph.deployments import Deployment

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
        files: the changed files that affect it.
        size: its size in the engine, in bytes; None if unknown.
    """

    address: str
    repository: str
    tag: str
    state: str
    engine: bool | None
    registry: bool | None
    why: tuple[str, ...]
    files: tuple[str, ...] = ()
    size: int | None = None


@dataclass(frozen=True)
class AffectedDeployment:
    """An affected deployment.

    Attributes:
        deployment: the deployment.
        images: the repositories of the affected images that it gets.
        dags: the ids of the affected DAGs that it gets.
    """

    deployment: Deployment
    images: tuple[str, ...] = ()
    dags: tuple[str, ...] = ()


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
        deployments: the affected deployments.
        notes: lookups that failed, and why.
    """

    since: str
    base: str
    everything: tuple[str, ...]
    images: tuple[AffectedImage, ...]
    tests: tuple[str, ...]
    dags: tuple[str, ...]
    deployments: tuple[AffectedDeployment, ...]
    notes: tuple[str, ...] = ()


def table(report: Report, registry: str) -> str:
    """Return the report for a terminal: a table of images, then lists."""
    lines = [headline(report)]
    if is_empty(report):
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
    lines += ["", f"deployments: {', '.join(_names(report)) or 'none'}"]
    return "\n".join([*lines, *(f"note: {note}" for note in report.notes)])


def as_json(report: Report) -> str:
    """Return the report as JSON, without the notes."""
    fields = asdict(report)
    del fields["notes"]
    fields["deployments"] = _names(report)
    return json.dumps(fields, indent=2)


def is_empty(report: Report) -> bool:
    """Return if the changes affect nothing."""
    return not (report.images or report.tests or report.dags or report.deployments)


def headline(
    report: Report,
    code: Callable[[str], str] = str,
    names: Callable[[Sequence[str]], str] = ", ".join,
) -> str:
    """Return the first line of the report, with functions that format names."""
    since = f"since {code(report.since)} (merge base {code(report.base[:12])})"
    if is_empty(report):
        return f"Nothing that is built, tested or deployed is affected {since}."
    return (
        f"Everything is affected {since}, because of {names(report.everything)}."
        if report.everything
        else f"Affected {since}:"
    )


def _names(report: Report) -> list[str]:
    return [each.deployment.name for each in report.deployments]


def _cells(image: AffectedImage, registry: str, tag: str) -> tuple[str, ...]:
    in_registry = _ANSWERS[image.registry] if registry else "not asked"
    return (image.repository, tag, image.state, _ANSWERS[image.engine], in_registry)
