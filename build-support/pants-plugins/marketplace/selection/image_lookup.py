"""Asks the Docker engine and a registry which images they have.

The engine is asked by docker, the registry by skopeo: it tells a missing image from a registry
that refuses to answer. Both find the credentials that `docker login` stored.
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

# What the two commands find the engine, credentials and proxies by.
_ENVIRONMENT = (
    *("HOME", "PATH", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_HOST"),
    *("DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
)
_MISSING = re.compile(rb"manifest unknown|name unknown|artifact .* not found")


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
    path = docker_environment.executable_search_path
    env, docker, skopeo = await MultiGet(
        Get(
            EnvironmentVars,
            EnvironmentVarsRequest((*_ENVIRONMENT, *docker_environment.env_vars)),
        ),
        # Not a `DockerBinary`: to have none is an error there.
        Get(BinaryPaths, BinaryPathRequest(binary_name="docker", search_path=path)),
        Get(BinaryPaths, BinaryPathRequest(binary_name="skopeo", search_path=path)),
    )
    notes = [
        f"{name} is not on the PATH"
        for name, found in (("docker", docker), ("skopeo", skopeo))
        if not found.first_path and (name == "docker" or registry)
    ]
    commands = []
    if docker.first_path:
        listing = ("image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
        commands.append((docker.first_path.path, *listing))
    if skopeo.first_path and registry:
        # The engine itself accepts plain HTTP from this machine, and from no other.
        local = re.match(r"(localhost|127(\.\d+){3})(:|/|$)", registry)
        flags = ("--raw", *(("--tls-verify=false",) if local else ()))
        commands += [
            (skopeo.first_path.path, "inspect", *flags, f"docker://{registry}/{name}")
            for name in names
        ]
    results = await MultiGet(
        Get(
            FallibleProcessResult,
            Process(
                command,
                env=env,
                description=f"Run {' '.join(command[:2])}.",
                cache_scope=ProcessCacheScope.PER_SESSION,
                timeout_seconds=30,
            ),
        )
        for command in commands
    )

    def reason(of: str, result: FallibleProcessResult) -> str:
        lines = result.stderr.decode(errors="replace").strip().splitlines()
        return f"{of} could not be asked: {lines[-1] if lines else 'no reason given'}"

    listed = results[:1] if docker.first_path else ()
    in_engine: tuple[bool | None, ...] = unknown
    if listed and listed[0].exit_code:
        notes.append(reason("the engine", listed[0]))
    elif listed:
        local_names = set(listed[0].stdout.decode().split())
        in_engine = tuple(
            not local_names.isdisjoint((name, f"{registry}/{name}")) for name in names
        )
    in_registry: list[bool | None] = []
    for result in results[len(listed) :]:
        missing = result.exit_code and _MISSING.search(result.stderr)
        in_registry.append(not result.exit_code or (False if missing else None))
        if in_registry[-1] is None:
            notes.append(reason(f"the registry {registry}", result))
    return FoundImages(
        in_engine, tuple(in_registry) or unknown, tuple(dict.fromkeys(notes))
    )


def rules() -> Iterable[Any]:
    return collect_rules()
