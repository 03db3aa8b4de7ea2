"""Reads the files of a domain for the rules of the conventions."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from maxairesources.launches import Launch, read_launches
from maxairesources.tree import CONFIGS, DAGS, LAUNCHED_FROM, TREES, USECASES, path_of

Names = tuple[str, ...]

# The largest file, in bytes.
LARGEST = 5 * 1000**2
_HANDLER = re.compile(f"{USECASES}/[^/]+/[^/]+/handlers/.+[.]py")
TESTS = ("_test.py", "/conftest.py")
_IMPORT = re.compile(r"^\s*(?:from|import)\b(?:[^(\n]*\([^)]*\)|.*)", re.M)
# A task that DAGFactory adds with one of the operators that run handlers.
_LAUNCH = re.compile(rf"\.add\([^)]*({'|'.join(LAUNCHED_FROM)})")


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

    def read(self, path: str) -> str:
        """Return the text of a file; an empty string if it is missing or too large."""
        if self.files.get(path, LARGEST + 1) > LARGEST:
            return ""
        return (self.root / path).read_text(encoding="utf-8", errors="replace")

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
        found = {path for path in self.files if _HANDLER.fullmatch(path)}
        return {path for path in found if not path.endswith((*TESTS, "/__init__.py"))}

    @cached_property
    def imports(self) -> dict[str, str]:
        """The import statements of each Python file, by path."""
        modules = (path for path in self.files if path.endswith(".py"))
        return {path: " ".join(_IMPORT.findall(self.read(path))) for path in modules}

    @cached_property
    def configs(self) -> dict[str, dict[str, Any]]:
        """The JSON objects in the trees, by path, without files that are not valid."""
        found = {p: _json(self.read(p)) for p in self.files if p.endswith(".json")}
        return {p: config for p, config in found.items() if isinstance(config, dict)}

    @cached_property
    def launches(self) -> dict[str, list[Launch]]:
        """The launches of each launch config and overlay, by its path."""
        return {
            path: [*read_launches(config)]
            for path, config in self.configs.items()
            if path.startswith(f"{CONFIGS}/") and path.count("/") == 3
        }

    @cached_property
    def launching(self) -> set[Names]:
        """The names of the domain, usecases and objectives with a DAG that runs handlers."""
        dags = {each: path_of(DAGS, each, "dag.py") for each in self.folders(DAGS, 3)}
        found = [names for names, dag in dags.items() if _LAUNCH.search(self.read(dag))]
        return {names[:depth] for names in found for depth in (1, 2, 3)}


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
