"""The target `marketplace_configs`: the JSON configs of a domain, and what a launch config names.

A launch config names an image, and a handler in the image for each task. The dependencies on both
are in a special-cased field: they belong to the domain's resolve and the DAG to Airflow's, and
Pants refuses to mix two resolves. `--changed-since` and `paths` follow the field, sandboxes do not.
"""

from __future__ import annotations

import glob
import json
from typing import Any, Iterable

from pants.core.target_types import (
    FileDependenciesField,
    FilesGeneratingSourcesField,
    FileSourceField,
)
from pants.engine.fs import Digest, DigestContents, PathGlobs, Paths
from pants.engine.rules import Get, collect_rules, rule
from pants.engine.target import (
    COMMON_TARGET_FIELDS,
    GeneratedTargets,
    GenerateTargetsRequest,
    HydratedSources,
    HydrateSourcesRequest,
    SpecialCasedDependencies,
    Target,
    TargetGenerator,
)
from pants.engine.unions import UnionMembership, UnionRule

from marketplace.graph.addresses import source_address
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


class ConfigsTarget(TargetGenerator):
    alias = "marketplace_configs"
    core_fields = (*COMMON_TARGET_FIELDS, FilesGeneratingSourcesField)
    generated_target_cls = ConfigTarget
    copied_fields = COMMON_TARGET_FIELDS
    moved_fields = ()
    help = "Generates a `marketplace_config` target for each config and overlay."


class GenerateConfigsRequest(GenerateTargetsRequest):
    generate_from = ConfigsTarget


def launched_files(content: bytes) -> set[str]:
    """Return the Dockerfiles of the images and the handlers that a launch config names.

    `lint` reports what does not fit.
    """
    try:
        launches = [*read_launches(json.loads(content))]
    except (ValueError, RecursionError):
        return set()
    files = {launch.file for launch in launches if launch.file}
    for image in (image for launch in launches for image in launch.images.values()):
        repository = image.partition(":")[0]
        domain = repository.rpartition("/")[2]
        if repository == repository_of(domain):
            files.add(f"{USECASES}/{domain}/Dockerfile")
    return files


@rule
async def generate_configs(
    request: GenerateConfigsRequest, union_membership: UnionMembership
) -> GeneratedTargets:
    generator = request.generator
    sources = await Get(
        HydratedSources, HydrateSourcesRequest(generator[FilesGeneratingSourcesField])
    )
    contents = await Get(DigestContents, Digest, sources.snapshot.digest)
    launched = {
        file.path: launched_files(file.content)
        for file in contents
        if LAUNCH_CONFIG.fullmatch(file.path)
    }
    # `lint` reports an image or a handler that does not exist.
    named = sorted(set().union(*launched.values()))
    existing = {*(await Get(Paths, PathGlobs(map(glob.escape, named)))).files}

    def make(path: str) -> Target:
        # As Pants escapes the names of the targets that it generates.
        name = glob.escape(path[len(f"{generator.address.spec_path}/") :])
        launches = map(source_address, launched.get(path, set()) & existing)
        return ConfigTarget(
            {
                **request.template,
                FileSourceField.alias: name,
                LaunchesField.alias: sorted(address.spec for address in launches),
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
