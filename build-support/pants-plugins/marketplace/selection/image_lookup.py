"""Asks the Docker engine and a registry which images they have.

docker asks the engine. skopeo asks the registry, because it distinguishes a missing image from a
registry that refuses to answer. Both use the credentials that `docker login` stored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Iterable

from pants.backend.docker.subsystems.docker_options import DockerOptions
from pants.core.util_rules.system_binaries import BinaryPathRequest, BinaryPaths
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.process import FallibleProcessResult, Process, ProcessCacheScope
from pants.engine.rules import Get, MultiGet, collect_rules, rule

from marketplace.release.docker_engine import ENVIRONMENT

_MISSING = re.compile(rb"manifest unknown|name unknown|artifact .* not found")


@dataclass(frozen=True)
class ImageLookup:
    """Asks which of these images the engine and a registry have.

    Attributes:
        names: the images, as repository:tag.
        registry: host[:port][/prefix], or an empty string to ask only the engine.
    """

    names: tuple[str, ...]
    registry: str


@dataclass(frozen=True)
class FoundImages:
    """For each image, whether the engine and the registry have it; None if unknown.

    Attributes:
        engine: the answers of the engine, in the order of the names.
        registry: the answers of the registry.
        sizes: the size of each in the engine, in bytes; None if unknown.
        notes: the reasons for unknown answers.
    """

    engine: tuple[bool | None, ...]
    registry: tuple[bool | None, ...]
    sizes: tuple[int | None, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ToolCalls:
    """Asks for the results of a command with each of these lists of arguments."""

    tool: str
    calls: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class ToolResults:
    """The results of the calls, or None if the command is not on the PATH."""

    results: tuple[FallibleProcessResult, ...] | None


@rule
async def call_tool(
    request: ToolCalls, docker_environment: DockerOptions.EnvironmentAware
) -> ToolResults:
    env, binary = await MultiGet(
        Get(
            EnvironmentVars,
            EnvironmentVarsRequest((*ENVIRONMENT, *docker_environment.env_vars)),
        ),
        # A missing docker is an error for a `DockerBinary`, but not here.
        Get(
            BinaryPaths,
            BinaryPathRequest(
                binary_name=request.tool,
                search_path=docker_environment.executable_search_path,
            ),
        ),
    )
    if not binary.first_path:
        return ToolResults(None)
    path = binary.first_path.path
    results = await MultiGet(
        Get(
            FallibleProcessResult,
            Process(
                (path, *arguments),
                env=env,
                description=f"Run {path} {arguments[0]}.",
                cache_scope=ProcessCacheScope.PER_SESSION,
                timeout_seconds=30,
            ),
        )
        for arguments in request.calls
    )
    return ToolResults(results)


@rule
async def look_up_images(lookup: ImageLookup) -> FoundImages:
    names, registry = lookup.names, lookup.registry
    if not names:
        return FoundImages((), (), (), ())
    listing = ("image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
    # Like the engine, accept plain HTTP only from this machine.
    is_local = re.match(r"(localhost|127(\.\d+){3})(:|/|$)", registry)
    flags = ("--raw", *(("--tls-verify=false",) if is_local else ()))
    inspections = tuple(
        ("inspect", *flags, f"docker://{registry}/{name}")
        for name in (names if registry else ())
    )
    docker, skopeo = await MultiGet(
        Get(ToolResults, ToolCalls("docker", (listing,))),
        Get(ToolResults, ToolCalls("skopeo", inspections)),
    )
    notes: list[str] = []
    engine: tuple[bool | None, ...] = (None,) * len(names)
    in_registry = engine
    sizes: dict[str, int] = {}
    if docker.results is None:
        notes.append("docker is not on the PATH")
    else:
        (listed,) = docker.results
        if listed.exit_code:
            notes.append(_failure("the engine", listed))
        else:
            listed_names = {*listed.stdout.decode().split()}
            found = {
                name: alias
                for name in names
                for alias in (f"{registry}/{name}", name)
                if alias in listed_names
            }
            engine = tuple(name in found for name in names)
            inspect = ("image", "inspect", "--format={{.Size}}", *found.values())
            calls = ToolCalls("docker", (inspect,) if found else ())
            for inspected in (await Get(ToolResults, ToolCalls, calls)).results or ():
                if inspected.exit_code == 0:
                    sizes = dict(zip(found, map(int, inspected.stdout.split())))
    if skopeo.results:
        in_registry = tuple(map(_exists, skopeo.results))
        notes += [
            _failure(f"the registry {registry}", result)
            for result in skopeo.results
            if _exists(result) is None
        ]
    elif registry:
        notes.append("skopeo is not on the PATH")
    return FoundImages(
        engine,
        in_registry,
        tuple(sizes.get(name) for name in names),
        tuple(dict.fromkeys(notes)),
    )


def _exists(inspected: FallibleProcessResult) -> bool | None:
    if inspected.exit_code:
        return False if _MISSING.search(inspected.stderr) else None
    return True


def _failure(asked: str, result: FallibleProcessResult) -> str:
    lines = result.stderr.decode(errors="replace").strip().splitlines()
    return f"{asked} did not answer: {lines[-1] if lines else 'no reason given'}"


def rules() -> Iterable[Any]:
    return collect_rules()
