"""Asks the Docker engine and a registry which images they have.

Both answers come from the docker command, so that its credentials and proxies count.
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

# What the docker command finds its engine, credentials and proxies by.
_ENVIRONMENT = (
    *("HOME", "PATH", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_HOST"),
    *("DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
)


@dataclass(frozen=True)
class ImageLookup:
    """Asks where images are; `registry` is host[:port][/prefix], or empty for none."""

    names: tuple[str, ...]
    registry: str


@dataclass(frozen=True)
class FoundImages:
    """Whether the engine and the registry have each image, None if unknown; and why not."""

    engine: tuple[bool | None, ...]
    registry: tuple[bool | None, ...]
    notes: tuple[str, ...]


@rule
async def look_up_images(
    lookup: ImageLookup, docker_environment: DockerOptions.EnvironmentAware
) -> FoundImages:
    names, registry = lookup.names, lookup.registry
    if not names:
        return FoundImages((), (), ())
    unknown = (None,) * len(names)
    env, binaries = await MultiGet(
        Get(
            EnvironmentVars,
            EnvironmentVarsRequest((*_ENVIRONMENT, *docker_environment.env_vars)),
        ),
        # Not a `DockerBinary`: to have none is an error there.
        Get(
            BinaryPaths,
            BinaryPathRequest(
                binary_name="docker",
                search_path=docker_environment.executable_search_path,
            ),
        ),
    )
    if not binaries.first_path:
        return FoundImages(
            unknown, unknown, ("there is no docker command on the PATH",)
        )
    # The engine itself takes plain HTTP from this machine, and from no other.
    local = re.match(r"(localhost|127(\.\d+){3})(:|/|$)", registry)
    ask_registry = ("manifest", "inspect", *(("--insecure",) if local else ()))
    listed, *inspected = await MultiGet(
        Get(
            FallibleProcessResult,
            Process(
                (binaries.first_path.path, *arguments),
                env=env,
                description=f"Run docker {' '.join(arguments[:2])}.",
                cache_scope=ProcessCacheScope.PER_SESSION,
                timeout_seconds=30,
            ),
        )
        for arguments in (
            ("image", "ls", "--format", "{{.Repository}}:{{.Tag}}"),
            *((*ask_registry, f"{registry}/{name}") for name in names if registry),
        )
    )

    def reason(of: str, result: FallibleProcessResult) -> str:
        said = result.stderr.decode(errors="replace").strip().splitlines()
        return f"{of} could not be asked: {said[-1] if said else 'docker failed'}"

    notes = []
    in_engine: tuple[bool | None, ...] = unknown
    if listed.exit_code:
        notes.append(reason("the engine", listed))
    else:
        local_names = set(listed.stdout.decode().split())
        in_engine = tuple(
            not local_names.isdisjoint((name, f"{registry}/{name}")) for name in names
        )
    in_registry: list[bool | None] = []
    for result in inspected:
        # Docker says this when the registry has told so. All else, such as a missing
        # permission, tells nothing about the image.
        missing = result.exit_code and b"no such manifest" in result.stderr
        in_registry.append(not result.exit_code or (False if missing else None))
        if in_registry[-1] is None:
            notes.append(reason(f"the registry {registry}", result))
    return FoundImages(
        in_engine, tuple(in_registry) or unknown, tuple(dict.fromkeys(notes))
    )


def rules() -> Iterable[Any]:
    return collect_rules()
