"""Tests that the packages of the plugin import each other in one direction only."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Iterator

import pytest

HERE = Path(__file__).parent
# The packages that each package may import, besides itself.
ALLOWED = {
    "graph": {"shared"},
    "release": {"graph", "shared"},
    "lint": {"graph", "release", "shared"},
    "run": {"graph", "release", "shared"},
    "selection": {"graph", "release", "shared"},
}
# The modules that the plugin shares with the run-time library. They run on CPython 3.9.
SHARED = {"launches", "tree"}


def imported_modules(node: ast.Import | ast.ImportFrom) -> list[list[str]]:
    """Return the parts of each module name that a statement may import."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        prefix = "." * node.level + (node.module or "")
        names = [f"{prefix}.{alias.name}" for alias in node.names]
    return [name.split(".") for name in names]


def wrong_imports(root: Path) -> Iterator[str]:
    """Yield the file and line of each import that ALLOWED does not permit."""
    for path in sorted(root.glob("*/*.py")):
        package = path.parent.name
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, (ast.Import, ast.ImportFrom)):
                continue
            for tree, *parts in imported_modules(node):
                target = parts[0] if parts else ""
                if tree == "maxairesources":
                    target = "shared" if target in SHARED else f"{tree}.{target}"
                elif tree and tree != "marketplace":
                    continue
                if target not in {package, *ALLOWED[package]}:
                    yield (
                        f"{path.relative_to(root)}:{node.lineno}: "
                        f"{package} must not import {target or 'by a relative name'}"
                    )


def test_packages_import_in_one_direction() -> None:
    assert {path.parent.name for path in HERE.glob("*/__init__.py")} == {*ALLOWED}
    assert [*wrong_imports(HERE)] == []


@pytest.mark.parametrize(
    ("package", "line", "problem"),
    [
        ("graph", "from marketplace.release import deploy", "release"),
        ("release", "import marketplace.selection.changes", "selection"),
        ("run", "from marketplace.lint.conventions import TOOL", "lint"),
        ("lint", "from marketplace import register", "register"),
        ("graph", "from ..release import deploy", "by a relative name"),
        (
            "graph",
            "from maxairesources.errors import InputError",
            "maxairesources.errors",
        ),
        ("graph", "from maxairesources import tree", ""),
        ("selection", "from marketplace.release import deploy", ""),
        ("lint", "import json, marketplace.graph", ""),
    ],
)
def test_a_wrong_import_is_reported_with_file_and_line(
    package: str, line: str, problem: str, tmp_path: Path
) -> None:
    (tmp_path / package).mkdir()
    (tmp_path / package / "module.py").write_text(f"import os\n\n{line}\n")
    expected = f"{package}/module.py:3: {package} must not import {problem}"
    assert [*wrong_imports(tmp_path)] == ([expected] if problem else [])
