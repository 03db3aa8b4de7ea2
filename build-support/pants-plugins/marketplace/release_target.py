"""The target `marketplace_release`: all DAGs with their configs, to package together.

It depends on each DAG and config directly, not on the targets that gather them for tests. So
everything that changes a DAG changes the release, such as a handler in an image that it launches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable

from pants.core.goals.package import OutputPathField
from pants.engine.fs import PathGlobs, Paths
from pants.engine.rules import Get, collect_rules, rule
from pants.engine.target import (
    COMMON_TARGET_FIELDS,
    Dependencies,
    FieldSet,
    InferDependenciesRequest,
    InferredDependencies,
    Target,
)
from pants.engine.unions import UnionRule

from marketplace.graph import source_address
from maxairesources.tree import CONFIGS, DAGS


class ReleaseDependenciesField(Dependencies):
    pass


class MarketplaceRelease(Target):
    alias = "marketplace_release"
    core_fields = (*COMMON_TARGET_FIELDS, OutputPathField, ReleaseDependenciesField)
    help = (
        "The release: all DAGs, all configs with their overlays, and the content tags of the "
        "images. `package` writes it to a folder that is named after its content. All "
        "deployments use the same release."
    )


@dataclass(frozen=True)
class ReleaseDependenciesFieldSet(FieldSet):
    required_fields = (ReleaseDependenciesField,)

    dependencies: ReleaseDependenciesField


class InferReleaseDependenciesRequest(InferDependenciesRequest):
    infer_from = ReleaseDependenciesFieldSet


@rule
async def infer_release_dependencies(
    request: InferReleaseDependenciesRequest,
) -> InferredDependencies:
    # `package` reports a release without a DAG.
    globs = [f"{CONFIGS}/**/*.json", f"{DAGS}/*/*/*/dag.py"]
    paths = await Get(Paths, PathGlobs(globs))
    return InferredDependencies(map(source_address, paths.files))


def rules() -> Iterable[Any]:
    return [
        *collect_rules(),
        UnionRule(InferDependenciesRequest, InferReleaseDependenciesRequest),
    ]
