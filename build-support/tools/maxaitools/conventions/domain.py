"""Reads the files of a domain for the rules of the conventions."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from maxairesources.tree import TREES, USECASES

Names = tuple[str, ...]

# The largest file, in bytes.
LARGEST = 5 * 1000**2
_HANDLER = re.compile(
    rf"{USECASES}/[^/]+/[^/]+/handlers/(?!(.*/)?(\w+_test|conftest|__init__)\.py$).+\.py"
)


@dataclass(frozen=True)
class Domain:
    """The files of a domain.

    Attributes:
        root: the folder of the three trees. It holds no files of other domains.
        name: the name of the domain; empty for the files that belong to no domain.
        deployments: the deployments that overlays may be for.
    """

    root: Path
    name: str
    deployments: Names = ()

    @cached_property
    def files(self) -> dict[str, int]:
        """The sizes of the files, by path."""
        found = (path for tree in TREES for path in (self.root / tree).rglob("*"))
        return {
            path.relative_to(self.root).as_posix(): path.stat().st_size
            for path in found
            if path.is_file()
        }

    def folders(self, tree: str, depth: int) -> set[Names]:
        """Return the names of the folders at one depth of a tree that hold any file."""
        paths = (path.split("/") for path in self.files)
        return {
            tuple(names[1 : depth + 1])
            for names in paths
            if names[0] == tree and len(names) > depth + 1
        }

    @cached_property
    def handlers(self) -> set[str]:
        """The paths of the handlers, and of the modules beside them."""
        return {path for path in self.files if _HANDLER.fullmatch(path)}

    @cached_property
    def configs(self) -> dict[str, dict[str, Any]]:
        """The JSON objects in the trees, by path, without files that are not valid."""
        paths = [p for p, size in self.files.items() if size <= LARGEST]
        found = {p: _json(self.root / p) for p in paths if p.endswith(".json")}
        return {p: config for p, config in found.items() if isinstance(config, dict)}


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
