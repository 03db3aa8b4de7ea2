"""Finds imports whose module only running the code would show.

The plugin and the tools use it, so it imports only the standard library and runs on CPython
3.9 and 3.11.
"""

from __future__ import annotations

import ast
import re
from typing import NamedTuple

# What imports a module by a name that is computed.
IMPORTERS = ("__import__", "exec_module", "import_module", "pkgutil", "runpy")
# The blocks that CPython 3.11 has and 3.9, which Pants itself runs on, has not.
_NEWER_BLOCK = re.compile(r"^([ \t]*)(match|case|except ?\*).*:[ \t]*(#.*)?$", re.M)


class DynamicImport(NamedTuple):
    """The line of a dynamic import, and the name of what imports there."""

    line: int
    name: str


def find_dynamic_import(text: str) -> DynamicImport | None:
    """Return the first dynamic import in the text of a Python file; None without one."""
    named = [name for name in IMPORTERS if name in text]
    module = _parse(text) if named else None
    if not module:
        # CPython 3.11 may read a file that 3.9 cannot.
        return DynamicImport(1, named[0]) if named else None
    found = []
    for node in ast.walk(module):
        names = [getattr(node, key, None) for key in ("id", "attr", "value", "module")]
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names += [alias.name for alias in node.names]
        line = getattr(node, "lineno", 1)
        found += [DynamicImport(line, name) for name in names if name in named]
    return min(found, default=None)


def _parse(text: str) -> ast.Module | None:
    # The second attempt keeps each statement on its line.
    for attempt in (text, _NEWER_BLOCK.sub(r"\1if True:", text)):
        try:
            return ast.parse(attempt)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None
