"""Provides an image to run: that of the engine, or of the registry, or else a new build.

The content tag names the same image everywhere, so nothing is built for an image that is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable

from pants.backend.docker.goals.package_image import DockerPackageFieldSet
from pants.backend.docker.util_rules.docker_binary import DockerBinary
from pants.core.goals.package import BuiltPackage, EnvironmentAwarePackageRequest
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.process import FallibleProcessResult, Process, ProcessCacheScope
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.util.logging import LogLevel

from marketplace.release.docker_engine import ENVIRONMENT
from marketplace.release.image_tags import TaggedImage

_PULL = '"$0" pull --quiet "$1" && "$0" tag "$1" "$2"'


@dataclass(frozen=True)
class ProvidedImage:
    """An image that the engine has.

    Attributes:
        name: its repository and content tag.
    """

    name: str


@rule
async def provide_image(
    field_set: DockerPackageFieldSet, docker: DockerBinary
) -> ProvidedImage:
    tagged, env = await MultiGet(
        Get(TaggedImage, DockerPackageFieldSet, field_set),
        Get(EnvironmentVars, EnvironmentVarsRequest((*ENVIRONMENT, "MAXAI_REGISTRY"))),
    )
    name, registry = tagged.name, env.get("MAXAI_REGISTRY")
    inspected = await Get(
        FallibleProcessResult,
        Process(
            (docker.path, "image", "inspect", "--format={{.Id}}", name),
            env=env,
            description=f"Look for docker image {name}.",
            level=LogLevel.DEBUG,
            cache_scope=ProcessCacheScope.PER_SESSION,
        ),
    )
    if inspected.exit_code == 0:
        return ProvidedImage(name)
    if registry:
        pulled = await Get(
            FallibleProcessResult,
            Process(
                ("/bin/sh", "-c", _PULL, docker.path, f"{registry}/{name}", name),
                env=env,
                description=f"Pulling docker image {registry}/{name}",
                cache_scope=ProcessCacheScope.PER_SESSION,
            ),
        )
        if pulled.exit_code == 0:
            return ProvidedImage(name)
    # Also if no engine or registry answers: the build says what is wrong.
    await Get(BuiltPackage, EnvironmentAwarePackageRequest(field_set))
    return ProvidedImage(name)


def rules() -> Iterable[Any]:
    return collect_rules()
