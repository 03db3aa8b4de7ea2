"""The target `launch_configs`: the configs that launch a usecase's tasks.

A launch config names an image, and a handler in the image for each task. The target depends on
both, in a special-cased field: they belong to the domain's resolve and the config to Airflow's,
and reading the config needs neither. Dependents and `paths` follow the field, sandboxes do not.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Iterable

from pants.backend.docker.target_types import (
    DockerImageRepositoryField,
    DockerImageTarget,
)
from pants.base.glob_match_error_behavior import GlobMatchErrorBehavior
from pants.base.specs import DirGlobSpec, RawSpecs
from pants.core.target_types import FileDependenciesField, FileSourceField
from pants.engine.fs import DigestContents, PathGlobs
from pants.engine.internals.graph import Owners, OwnersRequest
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import (
    COMMON_TARGET_FIELDS,
    GeneratedTargets,
    GenerateTargetsRequest,
    MultipleSourcesField,
    SourcesPaths,
    SourcesPathsRequest,
    SpecialCasedDependencies,
    Target,
    TargetGenerator,
    UnexpandedTargets,
)
from pants.engine.unions import UnionMembership, UnionRule

from maxairesources.launches import read_launches


class LaunchesField(SpecialCasedDependencies):
    alias = "launches"
    help = "The image that a launch config names and the handlers that its tasks run."


class LaunchConfigTarget(Target):
    alias = "launch_config"
    core_fields = (
        *COMMON_TARGET_FIELDS,
        FileDependenciesField,
        FileSourceField,
        LaunchesField,
    )
    help = "A spark_config.json or kubepod_config.json, or an overlay of one."


class LaunchConfigsSourcesField(MultipleSourcesField):
    default = tuple(
        f"{kind}_config{overlay}.json"
        for kind in ("spark", "kubepod")
        for overlay in ("", ".*")
    )
    uses_source_roots = False


class LaunchConfigsTarget(TargetGenerator):
    alias = "launch_configs"
    core_fields = (*COMMON_TARGET_FIELDS, LaunchConfigsSourcesField)
    generated_target_cls = LaunchConfigTarget
    copied_fields = COMMON_TARGET_FIELDS
    moved_fields = (FileDependenciesField,)
    help = "Generates a `launch_config` target for each launch config and overlay."


@dataclass(frozen=True)
class Launches:
    """The image repositories and the handler files that a launch config names."""

    images: tuple[str, ...]
    handlers: tuple[str, ...]


def parse_launches(content: str) -> Launches:
    """Return the images and handlers in the content of a launch config or an overlay."""
    try:
        launches = [*read_launches(json.loads(content))]
    except (ValueError, RecursionError):
        launches = []
    images = {image for launch in launches for image in launch.images.values()}
    return Launches(
        tuple(sorted({image.partition(":")[0] for image in images} - {""})),
        tuple(sorted({launch.file for launch in launches if launch.file})),
    )


@dataclass(frozen=True)
class ImagesRequest:
    """Asks for the `docker_image` targets that have these repositories."""

    repositories: tuple[str, ...]


@rule
async def find_images(request: ImagesRequest) -> UnexpandedTargets:
    # maxaiusecases/<domain> builds the image maxai/<domain>. Listing only that folder is
    # fast, and possible while Pants still generates targets.
    folders = {
        f"maxaiusecases/{name}"
        for _, _, name in (each.rpartition("/") for each in request.repositories)
        if re.fullmatch(r"\w+", name)
    }
    targets = await Get(
        UnexpandedTargets,
        RawSpecs(
            dir_globs=tuple(DirGlobSpec(folder) for folder in sorted(folders)),
            unmatched_glob_behavior=GlobMatchErrorBehavior.ignore,
            description_of_origin="the images of launch configs",
        ),
    )
    return UnexpandedTargets(
        target
        for target in targets
        if isinstance(target, DockerImageTarget)
        and target[DockerImageRepositoryField].value in request.repositories
    )


class GenerateLaunchConfigsRequest(GenerateTargetsRequest):
    generate_from = LaunchConfigsTarget


@rule
async def generate_launch_configs(
    request: GenerateLaunchConfigsRequest, union_membership: UnionMembership
) -> GeneratedTargets:
    paths = await Get(
        SourcesPaths, SourcesPathsRequest(request.generator[LaunchConfigsSourcesField])
    )
    contents = await Get(DigestContents, PathGlobs(paths.files))
    launches = [
        parse_launches(file.content.decode(errors="replace")) for file in contents
    ]
    images = await MultiGet(
        Get(UnexpandedTargets, ImagesRequest(each.images)) for each in launches
    )
    # A generator owns a handler that does not exist; `lint` reports such a handler.
    handlers = await MultiGet(
        Get(Owners, OwnersRequest(each.handlers)) for each in launches
    )
    return GeneratedTargets(
        request.generator,
        (
            LaunchConfigTarget(
                {
                    **request.template,
                    FileSourceField.alias: file.path.rpartition("/")[2],
                    LaunchesField.alias: sorted(
                        [
                            *(target.address.spec for target in images_of),
                            *(address.spec for address in handlers_of),
                        ]
                    ),
                },
                request.template_address.create_file(file.path.rpartition("/")[2]),
                union_membership,
                residence_dir=request.generator.address.spec_path,
            )
            for file, images_of, handlers_of in zip(contents, images, handlers)
        ),
    )


def rules() -> Iterable[Any]:
    return [
        *collect_rules(),
        UnionRule(GenerateTargetsRequest, GenerateLaunchConfigsRequest),
    ]
