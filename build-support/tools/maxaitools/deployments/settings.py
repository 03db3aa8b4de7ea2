"""The deployments that marketplace.toml defines."""

import os
import re
from dataclasses import dataclass

from maxairesources import settings
from maxairesources.errors import InputError
from maxairesources.tree import SETTINGS, nearest

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


def read_settings() -> dict[str, Definition]:
    """Return the settings of all deployments by name; raise an InputError for a mistake."""
    document = settings.read_settings()
    shared = os.environ.get("MAXAI_REGISTRY") or document["registry"]
    found = {}
    for name, table in document["deployments"].items():
        found[name] = Definition(name, **{"registry": shared, **table})
        if not _REGISTRY.fullmatch(found[name].registry):
            problem = f"{found[name].registry!r} is not a valid registry"
            remedy = "use host[:port][/prefix], such as registry.internal:5000/team"
            raise InputError(problem, remedy, f"{SETTINGS}, [deployments.{name}]")
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
