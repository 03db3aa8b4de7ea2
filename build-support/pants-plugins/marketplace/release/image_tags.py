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
    DockerImageBuildArgsField,
    DockerImageRegistriesField,
    DockerImageRepositoryField,
    DockerImageSkipPushField,
    DockerImageSourceField,
    DockerImageTags,
    DockerImageTagsField,
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
from pants.backend.python.target_types import PexIncludeSourcesField
from pants.backend.python.util_rules.pex_cli import PexCli
from pants.core.goals.package import OutputPathField, PackageFieldSet
from pants.core.target_types import FileSourceField
from pants.core.util_rules.source_files import SourceFiles, SourceFilesRequest
from pants.engine.addresses import Addresses
from pants.engine.platform import Platform
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import (
    Dependencies,
    DependenciesRequest,
    DescriptionField,
    ExplicitlyProvidedDependencies,
    FieldSetsPerTarget,
    FieldSetsPerTargetRequest,
    SourcesField,
    Tags,
    Target,
    Targets,
    WrappedTarget,
    WrappedTargetRequest,
)
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel
from pants.util.value_interpolation import InterpolationContext

from marketplace.release.image_sources import Contents, ContentsRequest

# The fields that do not change the content of an image or a PEX.
_NO_CONTENT = (
    Dependencies,
    DescriptionField,
    DockerImageBuildArgsField,
    DockerImageRegistriesField,
    DockerImageRepositoryField,
    DockerImageSkipPushField,
    DockerImageTagsField,
    OutputPathField,
    Tags,
)


class NoImageTag(Exception):
    """The content of an image is not known before it is built."""


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


async def _packages_of(image: Target) -> tuple[Targets, list[Target]]:
    """Return the explicit dependencies of an image, and the packages among them.

    Raises:
        NoImageTag: the content of a package is known only when it is built.
    """
    # Inferring more from the Dockerfile would install a tool; see `add_content_tag`.
    explicit = await Get(
        ExplicitlyProvidedDependencies, DependenciesRequest(image[Dependencies])
    )
    targets = await Get(Targets, Addresses(sorted(explicit.includes)))
    packages = await Get(
        FieldSetsPerTarget, FieldSetsPerTargetRequest(PackageFieldSet, targets)
    )
    pexes = [
        target for target, field_sets in zip(targets, packages.collection) if field_sets
    ]
    for target in pexes:
        if not target.has_field(PexIncludeSourcesField):
            raise NoImageTag(
                f"{image.address}: depends on {target.address}, whose content is known only "
                "when it is built; use image_sources or pex_binary"
            )
    return targets, pexes


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
    targets, pexes = await _packages_of(image)
    dockerfile, files, args, environment = await MultiGet(
        Get(SourceFiles, SourceFilesRequest([image[DockerImageSourceField]])),
        Get(
            SourceFiles,
            SourceFilesRequest(
                [target.get(SourcesField) for target in targets],
                for_sources_types=(FileSourceField,),
                enable_codegen=True,
            ),
        ),
        Get(DockerBuildArgs, DockerBuildArgsRequest(image)),
        Get(DockerBuildEnvironment, DockerBuildEnvironmentRequest(image)),
    )
    contents = await MultiGet(
        Get(Contents, ContentsRequest(each.address)) for each in pexes
    )
    inputs: list[Any] = [
        *(dockerfile.snapshot.digest, _fields(image)),
        # An argument without a value gets its value from the environment.
        *((each, environment.environment.get(each)) for each in args),
        files.snapshot.digest,
        *((platform.value, pex_cli.version) if pexes else ()),
    ]
    for pex, content in zip(pexes, contents):
        with_sources = pex[PexIncludeSourcesField].value
        inputs += [pex.address.spec, _fields(pex), content.lock]
        inputs += [python_setup.interpreter_constraints]
        inputs += [content.sources] if with_sources else []
    return TaggedImage(
        field_set,
        field_set.format_repository(
            docker_options.default_repository, InterpolationContext()
        ),
        hashlib.sha256("\n".join(map(str, inputs)).encode()).hexdigest(),
    )


def _fields(target: Target) -> list[tuple[str, str]]:
    values = target.field_values.values()
    return sorted(
        (field.alias, str(field.value))
        for field in values
        if not isinstance(field, _NO_CONTENT)
    )


@rule
async def add_content_tag(request: ContentTagRequest) -> DockerImageTags:
    asked = DependenciesRequest(request.target[Dependencies])
    explicit, complete = await MultiGet(
        Get(ExplicitlyProvidedDependencies, DependenciesRequest, asked),
        Get(Addresses, DependenciesRequest, asked),
    )
    for address in sorted({*complete} - {*explicit.includes}):
        raise NoImageTag(
            f"{request.target.address}: its Dockerfile uses {address}, which its `dependencies` "
            "do not name; add it there"
        )
    field_set = DockerPackageFieldSet.create(request.target)
    tagged = await Get(TaggedImage, DockerPackageFieldSet, field_set)
    return DockerImageTags([tagged.tag])


def rules() -> Iterable[Any]:
    return [*collect_rules(), UnionRule(DockerImageTagsRequest, ContentTagRequest)]
