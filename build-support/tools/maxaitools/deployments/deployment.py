"""The deployments that the root BUILD file defines."""

import builtins
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maxairesources.errors import InputError
from maxairesources.tree import nearest

_REGISTRY = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*")


@dataclass(frozen=True)
class Deployment:
    """A target `marketplace_deployment`; `pants help` explains its fields."""

    name: str
    registry: str | None = None
    data_root: str | None = None
    domains: Sequence[str] | None = None
    after: str | None = None
    branch: str | None = None
    paused: bool = False
    signed: bool = False


class _Names(dict[str, Any]):
    """The names in the BUILD file; targets of other types are passed over."""

    def __missing__(self, name: str) -> Any:
        return getattr(builtins, name, lambda *args, **fields: None)


def read_all() -> dict[str, Deployment]:
    """Return all deployments by their names, as Pants reads them.

    Raises:
        InputError: the BUILD file in the current folder cannot be read.
    """
    found: dict[str, Deployment] = {}

    def add(name: str, **fields: Any) -> None:
        # Pants knows more fields, such as `description`.
        known = Deployment.__dataclass_fields__.keys() & fields.keys()
        found[name] = Deployment(name, **{key: fields[key] for key in known})

    names = _Names(marketplace_deployment=add, env=os.environ.get)
    try:
        exec(compile(Path("BUILD").read_text(), "BUILD", "exec"), {}, names)
    except Exception as error:
        advice = "run this from the repository's root, and see `pants list //:`"
        raise InputError(f"cannot be read ({error})", advice, "BUILD") from None
    return found


def find(name: str) -> Deployment:
    """Return the deployment of that name.

    Raises:
        InputError: it does not exist, or has no valid registry.
    """
    known = read_all()
    if name not in known:
        problem = f"there is no deployment {name!r}"
        raise InputError(problem, nearest(name, known), "BUILD")
    if not _REGISTRY.fullmatch(known[name].registry or ""):
        problem = f"registry is {known[name].registry!r}"
        advice = "give host[:port][/prefix], such as registry.internal:5000/team"
        raise InputError(problem, advice, f"BUILD, //:{name}")
    return known[name]
