"""Reads marketplace.toml, the one file of what a company decides."""

import re
import tomllib
from pathlib import Path
from typing import Any

from maxairesources.errors import InputError
from maxairesources.tree import SETTINGS, nearest

_NAME = re.compile("[a-z][a-z0-9_]*")
# The keys with their values by default. The file explains them.
_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(("prefix", "licenses", "registry"), ""),
    **dict.fromkeys(("images", "indexes", "find_links"), []),
    "deployments": {},
}
# The keys of a deployment with the types of their values.
_OF_DEPLOYMENTS: dict[str, type[Any]] = {
    **dict.fromkeys(("after", "branch", "data_root", "registry"), str),
    **dict.fromkeys(("paused", "signed"), bool),
}
_KINDS: dict[type[Any], str] = {
    str: "a string",
    list: "a list of strings",
    dict: "a table",
    bool: "true or false",
}


def read_settings(root: Path = Path()) -> dict[str, Any]:
    """Return the settings of the marketplace in a folder.

    Raises:
        InputError: the file cannot be read, a key is wrong, or the prefix is missing.
    """
    try:
        found = tomllib.loads((root / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read ({error})", "fix it", SETTINGS) from None
    _check(found, {key: type(value) for key, value in _DEFAULTS.items()}, SETTINGS)
    if not found.get("prefix"):
        remedy = 'add it, such as prefix = "example.com/ai"'
        raise InputError("the key 'prefix' is missing", remedy, SETTINGS)
    tables = found.get("deployments", {})
    _check(tables, dict.fromkeys(tables, dict), f"{SETTINGS}, [deployments]")
    for name, table in tables.items():
        place = f"{SETTINGS}, [deployments.{name}]"
        _check(table, _OF_DEPLOYMENTS, place)
        if not _NAME.fullmatch(name):
            problem = f"the name does not match {_NAME.pattern}"
            raise InputError(problem, "rename it", place)
        after, others = table.get("after"), {*tables} - {name}
        if after and after not in others:
            problem = f"after = {after!r} is not another deployment"
            raise InputError(problem, nearest(after, others), place)
    return {**_DEFAULTS, **found}


def _check(table: dict[str, Any], kinds: dict[str, type[Any]], place: str) -> None:
    for key, value in table.items():
        if key not in kinds:
            raise InputError(f"unknown key {key!r}", nearest(key, kinds), place)
        if type(value) is not kinds[key]:
            remedy = f"use {_KINDS[kinds[key]]}"
            raise InputError(f"{key} is {value!r}", remedy, place)


def repository_of(domain: str, root: Path) -> str:
    """Return the repository of a domain's image, as launch configs name it."""
    return f"{read_settings(root)['prefix']}/{domain}"
