"""Computes the content tag of an image: the same content has the same tag on every machine.

Computing a tag builds and installs nothing, and needs no Docker engine.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Iterable

from pants.backend.docker.goals.package_image import DockerPackageFieldSet
from pants.backend.docker.subsystems.docker_options import DockerOptions
from pants.backend.docker.target_types import (
    DockerImageSourceField,
    DockerImageTags,
    DockerImageTagsRequest,
)
from pants.backend.docker.util_rules.docker_build_args import (
    DockerBuildArgs,
    DockerBuildArgsRequest,
)
from pants.backend.docker.util_rules.docker_build_env import (
    DockerBuildEnvironment,
    DockerBuildEnvironmentRequest,
)
from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.target_types import PexBinary
from pants.backend.python.util_rules.pex_cli import PexCli
from pants.core.util_rules.source_files import SourceFiles, SourceFilesRequest
from pants.engine.addresses import Address, Addresses
from pants.engine.platform import Platform
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import (
    Dependencies,
    DependenciesRequest,
    ExplicitlyProvidedDependencies,
    Targets,
    WrappedTarget,
    WrappedTargetRequest,
)
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel
from pants.util.value_interpolation import InterpolationContext

from marketplace.graph.addresses import MarketplaceError
from marketplace.release.image_sources import Contents, ImageSources


@dataclass(frozen=True)
class TaggedImage:
    """An image and its content tag, a hash of everything that the image is built from."""

    field_set: DockerPackageFieldSet
    repository: str
    tag: str

    @property
    def name(self) -> str:
        return f"{self.repository}:{self.tag}"


class ContentTagRequest(DockerImageTagsRequest):
    pass


@rule(desc="Tag images by their content", level=LogLevel.DEBUG)
async def tag_image(
    field_set: DockerPackageFieldSet,
    docker_options: DockerOptions,
    pex_cli: PexCli,
    platform: Platform,
    python_setup: PythonSetup,
) -> TaggedImage:
    wrapped = await Get(
        WrappedTarget,
        WrappedTargetRequest(field_set.address, description_of_origin="its image"),
    )
    image = wrapped.target
    # Inferring more from the Dockerfile would install a tool; see `add_content_tag`.
    explicit = await Get(
        ExplicitlyProvidedDependencies, DependenciesRequest(image[Dependencies])
    )
    targets = await Get(Targets, Addresses(sorted(explicit.includes)))
    if sorted(each.alias for each in targets) != [ImageSources.alias, PexBinary.alias]:
        raise MarketplaceError(
            f"{image.address}: an image depends on exactly one {ImageSources.alias} and one "
            f"{PexBinary.alias}; change its `dependencies` to these"
        )
    dockerfile, args, environment, *contents = await MultiGet(
        Get(SourceFiles, SourceFilesRequest([image[DockerImageSourceField]])),
        Get(DockerBuildArgs, DockerBuildArgsRequest(image)),
        Get(DockerBuildEnvironment, DockerBuildEnvironmentRequest(image)),
        *(Get(Contents, Address, each.address) for each in targets),
    )
    inputs = [
        dockerfile.snapshot.digest,
        # An argument without a value gets its value from the environment.
        *((each, environment.environment.get(each)) for each in args),
        *contents,
        *(sorted(map(str, each.field_values.values())) for each in (image, *targets)),
        # Pants makes the PEX of the packages with these.
        *(platform.value, pex_cli.version, python_setup.interpreter_constraints),
    ]
    return TaggedImage(
        field_set,
        field_set.format_repository(
            docker_options.default_repository, InterpolationContext()
        ),
        hashlib.sha256("\n".join(map(str, inputs)).encode()).hexdigest(),
    )


@rule
async def add_content_tag(request: ContentTagRequest) -> DockerImageTags:
    asked = DependenciesRequest(request.target[Dependencies])
    explicit, complete, tagged = await MultiGet(
        Get(ExplicitlyProvidedDependencies, DependenciesRequest, asked),
        Get(Addresses, DependenciesRequest, asked),
        Get(
            TaggedImage,
            DockerPackageFieldSet,
            DockerPackageFieldSet.create(request.target),
        ),
    )
    for address in sorted({*complete} - {*explicit.includes}):
        raise MarketplaceError(
            f"{request.target.address}: its Dockerfile uses {address}, which the content tag does "
            "not cover; use only the packages and sources in the image's `dependencies`"
        )
    return DockerImageTags([tagged.tag])


def rules() -> Iterable[Any]:
    return [*collect_rules(), UnionRule(DockerImageTagsRequest, ContentTagRequest)]
