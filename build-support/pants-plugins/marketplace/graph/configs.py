"""The target `marketplace_configs`: the JSON configs of a domain, and what a launch config names.

A launch config names an image, and a handler in the image for each task. The dependencies on both
are in a special-cased field: they belong to the domain's resolve and the DAG to Airflow's, and
Pants refuses to mix two resolves. `--changed-since` and `paths` follow the field, sandboxes do not.
"""

from __future__ import annotations

import glob
import json
from dataclasses import dataclass
from typing import Any, Iterable

from pants.core.target_types import FileDependenciesField, FileSourceField
from pants.engine.fs import Digest, DigestContents, PathGlobs, Paths
from pants.engine.rules import Get, collect_rules, rule
from pants.engine.target import (
    COMMON_TARGET_FIELDS,
    GeneratedTargets,
    GenerateTargetsRequest,
    HydratedSources,
    HydrateSourcesRequest,
    MultipleSourcesField,
    SpecialCasedDependencies,
    Target,
    TargetGenerator,
)
from pants.engine.unions import UnionMembership, UnionRule

from marketplace.graph.addresses import image_address, source_address
from maxairesources.launches import read_launches
from maxairesources.tree import LAUNCH_CONFIG, USECASES, repository_of


class LaunchesField(SpecialCasedDependencies):
    alias = "launches"
    help = "The image that a launch config names and the handlers that its tasks run."


class ConfigTarget(Target):
    alias = "marketplace_config"
    core_fields = (
        *COMMON_TARGET_FIELDS,
        FileDependenciesField,
        FileSourceField,
        LaunchesField,
    )
    help = "A py_config.json, spark_config.json or kubepod_config.json, or an overlay."


class ConfigsSourcesField(MultipleSourcesField):
    uses_source_roots = False


class ConfigsTarget(TargetGenerator):
    alias = "marketplace_configs"
    core_fields = (*COMMON_TARGET_FIELDS, ConfigsSourcesField)
    generated_target_cls = ConfigTarget
    copied_fields = COMMON_TARGET_FIELDS
    moved_fields = ()
    help = "Generates a `marketplace_config` target for each config and overlay."


class GenerateConfigsRequest(GenerateTargetsRequest):
    generate_from = ConfigsTarget


@dataclass(frozen=True)
class Launches:
    """The domains whose images a launch config names, and the files of its handlers."""

    domains: frozenset[str] = frozenset()
    handlers: frozenset[str] = frozenset()


def parse_launches(content: bytes) -> Launches:
    """Return what a launch config or an overlay names; `lint` reports what does not fit."""
    try:
        launches = [*read_launches(json.loads(content))]
    except (ValueError, RecursionError):
        return Launches()
    images = (image for launch in launches for image in launch.images.values())
    repositories = {image.partition(":")[0] for image in images}
    names = {repository.rpartition("/")[2] for repository in repositories}
    return Launches(
        frozenset(name for name in names if repository_of(name) in repositories),
        frozenset(launch.file for launch in launches if launch.file),
    )


@rule
async def generate_configs(
    request: GenerateConfigsRequest, union_membership: UnionMembership
) -> GeneratedTargets:
    generator = request.generator
    sources = await Get(
        HydratedSources, HydrateSourcesRequest(generator[ConfigsSourcesField])
    )
    contents = await Get(DigestContents, Digest, sources.snapshot.digest)
    launches = {
        file.path: parse_launches(file.content)
        for file in contents
        if LAUNCH_CONFIG.fullmatch(file.path)
    }
    dockerfile = f"{USECASES}/{{}}/Dockerfile"
    named = {dockerfile.format(d) for each in launches.values() for d in each.domains}
    named |= {path for each in launches.values() for path in each.handlers}
    # `lint` reports an image or a handler that does not exist.
    existing = {*(await Get(Paths, PathGlobs(map(glob.escape, sorted(named))))).files}

    def make(path: str) -> Target:
        found = launches.get(path, Launches())
        addresses = [
            *(
                image_address(d)
                for d in found.domains
                if dockerfile.format(d) in existing
            ),
            *map(source_address, found.handlers & existing),
        ]
        # As Pants escapes the names of the targets that it generates.
        name = glob.escape(path[len(f"{generator.address.spec_path}/") :])
        return ConfigTarget(
            {
                **request.template,
                FileSourceField.alias: name,
                LaunchesField.alias: sorted(address.spec for address in addresses),
            },
            request.template_address.create_file(name),
            union_membership,
            residence_dir=path.rpartition("/")[0],
        )

    return GeneratedTargets(generator, map(make, sources.snapshot.files))


def rules() -> Iterable[Any]:
    return [
        *collect_rules(),
        UnionRule(GenerateTargetsRequest, GenerateConfigsRequest),
    ]
