"""Reads the domain.json of a domain: its owners, and its deprecated usecases.

The plugin, the library and the tools use it, so it needs only the standard library and
runs on CPython 3.9 and 3.11. The test of a DAG checks the file; what reads it here ignores what does
not fit, but for `find_mistake`.
"""

from __future__ import annotations

import json
import re
from typing import Iterator, NamedTuple

from maxairesources.tree import nearest

# A day, and what to use instead, such as "2027-03-01: use demand_forecast".
DEPRECATION = r"(\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])): (\S.*)"
# A user, a team or an address, as CODEOWNERS has them.
OWNER = r"@[\w-]+(/[\w.-]+)?|[^@\s,]+@[^@\s,]+"
_KEYS = ("$schema", "deprecated", "owners")


class Deprecation(NamedTuple):
    """A deprecated usecase, its last day, and what to use instead."""

    domain: str
    usecase: str
    day: str
    instead: str


def read_owners(content: bytes) -> list[str]:
    """Return the owners in a domain.json."""
    return [owner for owner, _ in _read(content, "owners")]


def find_mistake(content: bytes) -> str | None:
    """Return what is wrong in a domain.json for CODEOWNERS, and a fix."""
    try:
        config = json.loads(content)
        unknown, owners = [*{*config} - {*_KEYS}], [*config.get("owners", {})]
    except (AttributeError, RecursionError, TypeError, ValueError):
        return "is not a JSON object with the owners as keys; correct it"
    if unknown:
        return f"$ has an unknown key {unknown[0]!r}; {nearest(unknown[0], _KEYS)}"
    for owner in owners:
        if not re.fullmatch(OWNER, owner):
            return f"{owner!r} is not an owner; use one such as @acme/retail"
    return None


def read_deprecations(path: str, content: bytes) -> Iterator[Deprecation]:
    """Yield the deprecated usecases in a domain.json at a path of maxaiconfigs."""
    for usecase, text in _read(content, "deprecated"):
        if match := re.fullmatch(DEPRECATION, str(text)):
            yield Deprecation(path.split("/")[1], usecase, *match.groups())


def _read(content: bytes, key: str) -> list[tuple[str, object]]:
    try:
        return [*json.loads(content)[key].items()]
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return []
