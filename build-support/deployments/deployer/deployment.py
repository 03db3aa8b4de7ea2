"""The deployments: what the root BUILD says of each."""

import dataclasses
import importlib.resources
import json
import os
import re
from pathlib import Path
from typing import Any

from maxairesources.errors import InputError, nearest


@dataclasses.dataclass(frozen=True)
class Deployment:
    """A place that one release at a time is current in.

    Attributes:
        name: its name, which its overlays have too.
        registry: where its images are: host[:port][/prefix].
        destination: where its releases and records are: a folder, or s3://bucket/prefix.
        data_root: what its handlers get as MAXAI_DATA_ROOT, if anything.
        domains: the domains that it carries; None means all.
        after: the deployment in which a release has to have been current before, if any.
        branch: the branch whose commits it takes, from a clean tree; None means any.
        paused: whether its DAGs are paused until somebody unpauses them.
    """

    name: str
    registry: str
    destination: str
    data_root: str | None = None
    domains: tuple[str, ...] | None = None
    after: str | None = None
    branch: str | None = None
    paused: bool = False


def read_deployments() -> dict[str, Deployment]:
    """Return all deployments by their names.

    Raises:
        InputError: one of them lacks something.
    """
    text = (
        importlib.resources.files("deployer").joinpath("deployments.json").read_text()
    )
    return {name: _parse(name, told) for name, told in json.loads(text).items()}


def find(name: str) -> Deployment:
    """Return the deployment of that name.

    Raises:
        InputError: there is none.
    """
    deployments = read_deployments()
    if name not in deployments:
        remedy = nearest(name, deployments)
        raise InputError(f"there is no deployment {name!r}", remedy, "BUILD")
    return deployments[name]


def _parse(name: str, told: dict[str, Any]) -> Deployment:
    where = f"BUILD, //:{name}"
    for key in ("registry", "destination"):
        if not told[key]:
            remedy = "set it there, or in the environment variable that it names"
            raise InputError(f"{key} is empty", remedy, where)
    if not re.fullmatch(r"[A-Za-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*", told["registry"]):
        remedy = "give host[:port][/prefix], such as registry.internal:5000/team"
        raise InputError(f"registry is {told['registry']!r}", remedy, where)
    destination = told["destination"]
    if "://" in destination:
        if not re.fullmatch(r"s3://[^/]+(/.+)?", destination):
            remedy = "give a folder or s3://bucket/prefix"
            raise InputError(f"destination is {destination!r}", remedy, where)
    else:
        destination = str(Path(os.path.expanduser(destination)).absolute())
    domains = told["domains"]
    return Deployment(
        **{
            **told,
            "name": name,
            "destination": destination,
            "domains": None if domains is None else tuple(domains),
        }
    )
