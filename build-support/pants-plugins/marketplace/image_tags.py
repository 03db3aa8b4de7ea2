"""Names an image by its content, as `package` tags it; no Docker engine is needed for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable

from pants.backend.docker.goals.package_image import DockerPackageFieldSet
from pants.backend.docker.subsystems.docker_options import DockerOptions
from pants.backend.docker.util_rules.docker_build_context import (
    DockerBuildContext,
    DockerBuildContextRequest,
)
from pants.engine.rules import Get, collect_rules, rule


@dataclass(frozen=True)
class TaggedImage:
    """An image, and the tag that is the hash of all that goes into it."""

    field_set: DockerPackageFieldSet
    repository: str
    tag: str

    @property
    def name(self) -> str:
        return f"{self.repository}:{self.tag}"


@rule
async def tag_image(
    field_set: DockerPackageFieldSet, docker_options: DockerOptions
) -> TaggedImage:
    context = await Get(
        DockerBuildContext, DockerBuildContextRequest(field_set.address)
    )
    values = context.interpolation_context
    return TaggedImage(
        field_set,
        field_set.format_repository(docker_options.default_repository, values),
        field_set.format_tag("{pants.hash}", values),
    )


def rules() -> Iterable[Any]:
    return collect_rules()
