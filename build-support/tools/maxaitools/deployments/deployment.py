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
    """A target `marketplace_deployment`.

    `./pants help marketplace_deployment` explains the fields.
    """

    name: str
    registry: str | None = None
    data_root: str | None = None
    domains: Sequence[str] | None = None
    after: str | None = None
    branch: str | None = None
    paused: bool = False
    signed: bool = False


class _Names(dict[str, Any]):
    """The names that the BUILD file may use; targets of other types are ignored."""

    def __missing__(self, name: str) -> Any:
        return getattr(builtins, name, lambda *args, **fields: None)


def read_all() -> dict[str, Deployment]:
    """Return all deployments by name.

    Raises:
        InputError: the BUILD file in the current folder cannot be read.
    """
    found: dict[str, Deployment] = {}

    def add(name: str, **fields: Any) -> None:
        # Every target may have more fields, such as `description`.
        known = Deployment.__dataclass_fields__.keys() & fields.keys()
        found[name] = Deployment(name, **{key: fields[key] for key in known})

    names = _Names(marketplace_deployment=add, env=os.environ.get)
    try:
        exec(compile(Path("BUILD").read_text(), "BUILD", "exec"), {}, names)
    except Exception as error:
        remedy = "fix it; `./pants list //:` shows the line"
        raise InputError(f"cannot be read ({error})", remedy, "BUILD") from None
    return found


def find(name: str) -> Deployment:
    """Return the deployment with this name.

    Raises:
        InputError: it does not exist, or its registry is not valid.
    """
    known = read_all()
    if name not in known:
        problem = f"deployment {name!r} is not defined"
        raise InputError(problem, nearest(name, known), "BUILD")
    if not _REGISTRY.fullmatch(known[name].registry or ""):
        problem = f"{known[name].registry!r} is not a valid registry"
        remedy = "use host[:port][/prefix], such as registry.internal:5000/team"
        raise InputError(problem, remedy, f"BUILD, //:{name}")
    return known[name]
