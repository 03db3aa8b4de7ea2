"""The deployments that marketplace.toml defines."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from maxairesources import settings
from maxairesources.errors import InputError
from maxairesources.tree import SETTINGS, nearest

_NAME = re.compile("[a-z][a-z0-9_]*")
_REGISTRY = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*")


@dataclass(frozen=True)
class Definition:
    """The settings of a deployment; marketplace.toml explains them."""

    name: str
    registry: str
    data_root: str | None = None
    after: str | None = None
    branch: str | None = None
    paused: bool = False
    signed: bool = False


_KINDS = {
    key: kind for key, kind in get_type_hints(Definition).items() if key != "name"
}


def read_settings() -> dict[str, Definition]:
    """Return the settings of all deployments by name; raise an InputError for a mistake."""
    document = settings.read_settings()
    tables = document["deployments"]
    shared = os.environ.get("MAXAI_REGISTRY") or document["registry"]
    found = {}
    for name, table in tables.items():
        fields = {"registry": shared, **table}
        for problem, remedy in _find_mistakes(name, fields, tables):
            raise InputError(problem, remedy, f"{SETTINGS}, [deployments.{name}]")
        found[name] = Definition(name, **fields)
    return found


def find_settings(name: str) -> Definition:
    """Return the settings of a deployment; raise an InputError if it is not defined."""
    known = read_settings()
    if name not in known:
        problem = f"deployment {name!r} is not defined"
        raise InputError(problem, nearest(name, known), SETTINGS)
    return known[name]


def must_sign(name: str) -> bool:
    """Return if the commits of a deployment must be signed, which may no longer be defined."""
    return bool(getattr(read_settings().get(name), "signed", False))


def how_to_deploy(name: str) -> str:
    """Return the command that makes a release live in a deployment, as its policy wants it."""
    after = getattr(read_settings().get(name), "after", None)
    return f"./pants deployments {f'promote {after}' if after else 'deploy'} {name}"


def _find_mistakes(
    name: str, fields: Mapping[str, Any], tables: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Yield the problem and the remedy of each mistake in a table."""
    if not _NAME.fullmatch(name):
        yield "the name does not match [a-z][a-z0-9_]*", "rename it"
    for key in sorted(fields.keys() - _KINDS.keys()):
        yield f"unknown key {key!r}", nearest(key, _KINDS)
    for key, value in fields.items():
        if not isinstance(value, _KINDS[key]):
            wanted = "true or false" if _KINDS[key] is bool else "a string"
            yield f"{key} is {value!r}", f"use {wanted}"
    if not _REGISTRY.fullmatch(fields["registry"]):
        problem = f"{fields['registry']!r} is not a valid registry"
        yield problem, "use host[:port][/prefix], such as registry.internal:5000/team"
    after, others = fields.get("after"), {*tables} - {name}
    if after and after not in others:
        yield f"after = {after!r} is not another deployment", nearest(after, others)
