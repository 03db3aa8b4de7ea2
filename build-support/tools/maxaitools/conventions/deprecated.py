"""Finds the readers of deprecated usecases: objectives that read a table which one of them writes.

As a command, it prints those whose day has come; a workflow keeps an issue with them. It needs only
Python, and runs in the root of the repository.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from maxairesources.domains import Deprecation, read_deprecations
from maxairesources.lineage import find_edges, read_uses
from maxairesources.tree import CONFIGS, DOMAIN_CONFIG, PY_CONFIG, path_of


def find_ends() -> Iterator[tuple[Deprecation, list[str]]]:
    """Yield the deprecated usecases of all domains, each with a line for each reader."""
    endings = [
        ending
        for path in sorted(Path(CONFIGS).glob(f"*/{DOMAIN_CONFIG}"))
        for ending in read_deprecations(path.as_posix(), path.read_bytes())
    ]
    edges = find_edges(read_uses(Path())) if endings else []
    for ending in endings:
        own = f"{ending.domain}/{ending.usecase}"
        lines = [
            f"{path_of(CONFIGS, [reader.objective], PY_CONFIG)}: deprecated: task "
            f"{reader.task!r} reads {reader.address} of {own}, which ends on "
            f"{ending.day}; {ending.instead}"
            for writer, reader in edges
            if writer.objective.startswith(f"{own}/")
            and not reader.objective.startswith(f"{own}/")
        ]
        yield ending, lines


def main() -> None:
    """Print the deprecated usecases whose day has come, and their readers."""
    for each, readers in find_ends():
        if each.day <= date.today().isoformat():
            folder = f"{CONFIGS}/{each.domain}/{each.usecase}"
            print(
                f"- {folder}: deprecated since {each.day}; delete it ({each.instead})"
            )
            print("".join(f"  - {line}\n" for line in readers), end="")


if __name__ == "__main__":
    main()
