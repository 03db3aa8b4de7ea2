"""Reads marketplace.toml, the one file of what a company decides."""

import tomllib
from pathlib import Path
from typing import Any

from maxairesources.errors import InputError
from maxairesources.tree import SETTINGS, nearest

# The keys with their values by default. The file explains them.
_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(("prefix", "licenses", "registry"), ""),
    **dict.fromkeys(("images", "indexes", "find_links"), []),
    "deployments": {},
}
_KINDS: dict[type[Any], str] = {
    str: "a string",
    list: "a list of strings",
    dict: "a table for each",
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
    for key, value in found.items():
        if key not in _DEFAULTS:
            raise InputError(f"unknown key {key!r}", nearest(key, _DEFAULTS), SETTINGS)
        if type(value) is not (kind := type(_DEFAULTS[key])):
            remedy = f"use {_KINDS[kind]}"
            raise InputError(f"{key} is {value!r}", remedy, SETTINGS)
    if not found.get("prefix"):
        remedy = 'add it, such as prefix = "example.com/ai"'
        raise InputError("the key 'prefix' is missing", remedy, SETTINGS)
    return {**_DEFAULTS, **found}


def repository_of(domain: str, root: Path) -> str:
    """Return the repository of a domain's image, as launch configs name it."""
    return f"{read_settings(root)['prefix']}/{domain}"
