"""The report of the goal `affected`, for a terminal; `comment` writes it in Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable


@dataclass(frozen=True)
class AffectedImage:
    """An affected image.

    Attributes:
        repository: its repository.
        tag: its content tag.
        why: a shortest path from a changed file to the image: the file, then its dependents.
        files: the changed files that affect it.
    """

    repository: str
    tag: str
    why: tuple[str, ...]
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class AffectedDeployment:
    """An affected deployment.

    Attributes:
        name: the name of the deployment.
        images: the repositories of the affected images that it gets.
        dags: the ids of the affected DAGs that it gets.
    """

    name: str
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
        tests: the affected tests, by the paths of their files.
        dags: the ids of the affected DAGs.
        deployments: the affected deployments.
    """

    since: str
    base: str
    everything: tuple[str, ...]
    images: tuple[AffectedImage, ...]
    tests: tuple[str, ...]
    dags: tuple[str, ...]
    deployments: tuple[AffectedDeployment, ...]

    @property
    def is_empty(self) -> bool:
        return not (self.images or self.tests or self.dags or self.deployments)

    def headline(self, code: Callable[[str], str] = str) -> str:
        """Return the first line of the report; `code` formats the names in it."""
        since = f"since {code(self.since)} (merge base {code(self.base[:12])})"
        if self.is_empty:
            return f"Nothing that is built, tested or deployed is affected {since}."
        if self.everything:
            files = ", ".join(map(code, self.everything[:20]))
            return f"Everything is affected {since}, because of {files}."
        return f"Affected {since}:"

    def table(self) -> str:
        """Return the report for a terminal."""
        lines = [self.headline()]
        for image in self.images:
            lines += ["", f"{image.repository}:{image.tag[:12]}"]
            # A file and its target often have the same name.
            for depth, step in enumerate(dict.fromkeys(image.why)):
                lines.append(f"  {'because of' if depth == 0 else '        ->'} {step}")
        for title, names in (("tests", self.tests), ("DAGs", self.dags)):
            if names:
                lines += ["", f"{title} ({len(names)})", *(f"  {n}" for n in names)]
        names = tuple(each.name for each in self.deployments)
        return "\n".join([*lines, "", f"deployments: {', '.join(names) or 'none'}"])
