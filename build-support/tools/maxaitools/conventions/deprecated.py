"""Finds the readers of deprecated usecases: objectives that read a file which one of them writes.

As a command, it prints those whose day has come; a workflow keeps an issue with them. It needs only
Python, and runs in the root of the repository.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from maxairesources.domains import Deprecation, read_deprecations
from maxairesources.tree import CONFIGS, DOMAIN_CONFIG, json_path


def _ports(pattern: str, kind: str) -> Iterator[tuple[Path, str, tuple[Any, Any]]]:
    """Yield the file, the place and the table of each port in the py_configs of a pattern."""
    for path in sorted(Path(CONFIGS).glob(f"{pattern}/py_config*.json")):
        try:
            for task, part in json.loads(path.read_bytes()).items():
                ports = part.get(kind, ()) if not task.startswith("$") else ()
                for index, port in enumerate(ports):
                    details = port["sourceDetails"]
                    place = json_path((task, kind, index))
                    yield path, place, (details["source"], details["filePath"])
        # The test of the DAG reports it.
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
            continue


def deprecations() -> Iterator[Deprecation]:
    """Yield the deprecated usecases of all domains."""
    for path in sorted(Path(CONFIGS).glob(f"*/{DOMAIN_CONFIG}")):
        yield from read_deprecations(path.as_posix(), path.read_bytes())


def find_readers(ending: Deprecation, domain: str = "*") -> Iterator[str]:
    """Yield a line for each port of a domain that reads a table of a deprecated usecase."""
    own = f"{ending.domain}/{ending.usecase}"
    written = {table for *_, table in _ports(f"{own}/*", "output")}
    for path, place, table in _ports(f"{domain}/*/*", "input"):
        if table in written and f"{CONFIGS}/{own}/" not in f"{path}":
            yield (
                f"{path}: deprecated: {place} reads {table[1]} of {own}, which ends on "
                f"{ending.day}; {ending.instead}"
            )


def main() -> None:
    """Print the deprecated usecases whose day has come, and their readers."""
    for each in deprecations():
        if each.day <= date.today().isoformat():
            folder = f"{CONFIGS}/{each.domain}/{each.usecase}"
            print(
                f"- {folder}: deprecated since {each.day}; delete it ({each.instead})"
            )
            for line in find_readers(each):
                print(f"  - {line}")


if __name__ == "__main__":
    main()
