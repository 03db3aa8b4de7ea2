"""Which task reads what another one writes, as the ports of the py_configs say.

Only the py_configs count, not their overlays. The plugin, the tools and the DAGs use this module;
it imports only the standard library, and runs on CPython 3.9, too.
"""

from __future__ import annotations

import glob
import json
import posixpath
import re
from collections import defaultdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping, NamedTuple

from maxairesources.tree import CONFIGS, PY_CONFIG

_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}")


class Use(NamedTuple):
    """A task that reads or writes a table.

    Attributes:
        objective: the objective of the task, such as retail/customer360/segmentation.
        task: the name of the task.
        address: the table's path below the data root, or its URI, with templates as written.
        writes: if the task writes the table; else it reads it.
    """

    objective: str
    task: str
    address: str
    writes: bool


def find_uses(objective: str, py_config: Mapping[str, Any]) -> Iterator[Use]:
    """Yield what the tasks of a py_config read and write; parts that are not valid are skipped."""
    for task, config in py_config.items():
        for key in ("input", "output") if isinstance(config, dict) else ():
            ports = config.get(key)
            for port in ports if isinstance(ports, list) else ():
                if address := _find_address(port):
                    yield Use(objective, task, address, key == "output")


def _find_address(port: Any) -> str | None:
    details = port.get("sourceDetails") if isinstance(port, dict) else None
    path = details.get("filePath") if isinstance(details, dict) else None
    if not isinstance(details, dict) or not isinstance(path, str) or not path:
        return None
    source, path = details.get("source"), posixpath.normpath(path)
    return path if source == "file" else f"{source}://{path}"


def read_uses(root: Path) -> list[Use]:
    """Return what all objectives below a folder with the three trees read and write."""
    uses: list[Use] = []
    for path in sorted(root.glob(f"{CONFIGS}/*/*/*/{PY_CONFIG}")):
        try:
            config = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError):
            continue  # The test of the DAG reports it.
        if isinstance(config, dict):
            uses += find_uses("/".join(path.parts[-4:-1]), config)
    return uses


def find_edges(uses: Iterable[Use]) -> list[tuple[Use, Use]]:
    """Return each pair of a use that writes a table, and one that reads it.

    A template may stand for any text, and the address of a folder for all that is in it, as far
    as the first two folders are the same.
    """
    sides: dict[tuple[str, bool], list[Use]] = defaultdict(list)
    for use in uses:
        sides["/".join(use.address.split("/")[:2]), use.writes].append(use)
    return [
        (writer, reader)
        for (folder, writes), readers in sides.items()
        if not writes
        for reader in readers
        for writer in sides.get((folder, True), ())
        if _overlap(writer.address, reader.address)
    ]


def _overlap(one: str, other: str) -> bool:
    """Return if two addresses may be the same, or one is a folder that holds the other."""
    if one == other:
        return True
    for inner, outer in ((one, other), (other, one)):
        pattern = "*".join(map(glob.escape, _TEMPLATE.split(outer)))
        if fnmatchcase(inner, pattern) or fnmatchcase(inner, f"{pattern}/*"):
            return True
    return False


def find_readers(
    edges: Iterable[tuple[Use, Use]], objectives: Iterable[str]
) -> dict[str, tuple[Use, Use]]:
    """Return the objectives that read, directly or not, what others of some objectives write.

    Returns:
        By objective, the edge over which it was reached first.
    """
    by_writer = defaultdict(list)
    for edge in edges:
        by_writer[edge[0].objective].append(edge)
    found: dict[str, tuple[Use, Use]] = {}
    queue = [*objectives]
    for objective in queue:
        for edge in by_writer[objective]:
            reader = edge[1].objective
            if reader != objective and reader not in found:
                found[reader] = edge
                if reader not in queue:
                    queue.append(reader)
    return found
