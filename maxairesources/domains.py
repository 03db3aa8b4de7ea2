"""Reads the domain.json of a domain: its owners, and its deprecated usecases.

The plugin, the library and the tools use it, so it needs only the standard library and
runs on CPython 3.9 and 3.11. `find_mistake` checks the file, for CODEOWNERS and for the test of a
DAG; what else reads it ignores what does not fit.
"""

from __future__ import annotations

import json
import re
from typing import Iterator, NamedTuple

from maxairesources.tree import nearest

# A day, and what to use instead, such as "2027-03-01: use demand_forecast".
_DEPRECATION = r"(\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])): (\S.*)"
# A user, a team or an address, as CODEOWNERS has them.
_OWNER = r"@[\w-]+(/[\w.-]+)?|[^@\s,]+@[^@\s,]+"
_LINK = r"(https?://|mailto:)\S+"
_KEYS = ("$schema", "deprecated", "owners")


class Deprecation(NamedTuple):
    """A deprecated usecase, its last day, and what to use instead."""

    domain: str
    usecase: str
    day: str
    instead: str


def read_owners(content: bytes) -> dict[str, str]:
    """Return the owners in a domain.json, each with its link; empty if that is not valid."""
    return {
        owner: str(link) if re.fullmatch(_LINK, str(link)) else ""
        for owner, link in _read(content, "owners")
    }


def find_mistake(content: bytes) -> str | None:
    """Return what is wrong in a domain.json, and after a semicolon a fix."""
    try:
        config = json.loads(content)
        owners, ends = (config.get(key, {}).items() for key in ("owners", "deprecated"))
    except (AttributeError, RecursionError, ValueError):
        return "is not a JSON object, or a value in it is not; correct it"
    for key in {*config} - {*_KEYS}:
        return f"$ has an unknown key {key!r}; {nearest(key, _KEYS)}"
    for owner, link in owners:
        if not re.fullmatch(_OWNER, owner):
            return f"$.owners: {owner!r} is not an owner; use one such as @acme/retail"
        if not re.fullmatch(_LINK, str(link)):
            return f"$.owners: {link!r} is not a link; use one with https:// or mailto:"
    for usecase, text in ends:
        if not re.fullmatch(_DEPRECATION, str(text)):
            fix = 'use a day and what to do, such as "2027-03-01: use churn2"'
            return f"$.deprecated: {usecase!r} has {text!r}; {fix}"
    return None


def read_deprecations(path: str, content: bytes) -> Iterator[Deprecation]:
    """Yield the deprecated usecases in a domain.json at a path of maxaiconfigs."""
    for usecase, text in _read(content, "deprecated"):
        if match := re.fullmatch(_DEPRECATION, str(text)):
            yield Deprecation(path.split("/")[1], usecase, *match.groups())


def _read(content: bytes, key: str) -> list[tuple[str, object]]:
    try:
        return [*json.loads(content)[key].items()]
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return []
