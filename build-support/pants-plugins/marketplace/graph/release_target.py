"""The target `marketplace_release`: all DAGs with their configs, to package together.

It depends on each DAG and config directly, not on the targets that gather them for tests. So
everything that changes a DAG changes the release, such as a handler in an image that it launches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable

from pants.backend.python.target_types import PythonSourceField
from pants.base.glob_match_error_behavior import GlobMatchErrorBehavior
from pants.base.specs import RawSpecs, RecursiveGlobSpec
from pants.core.goals.package import OutputPathField
from pants.core.target_types import FileSourceField
from pants.engine.rules import Get, collect_rules, rule
from pants.engine.target import (
    COMMON_TARGET_FIELDS,
    Dependencies,
    FieldSet,
    InferDependenciesRequest,
    InferredDependencies,
    Target,
    Targets,
)
from pants.engine.unions import UnionRule

from maxairesources.tree import CONFIGS, DAG_FILE, DAGS


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
    targets = await Get(
        Targets,
        RawSpecs(
            recursive_globs=(RecursiveGlobSpec(CONFIGS), RecursiveGlobSpec(DAGS)),
            # `package` reports a release without a DAG.
            unmatched_glob_behavior=GlobMatchErrorBehavior.ignore,
            description_of_origin=f"the target {request.field_set.address}",
        ),
    )
    released = [target.address for target in targets if _is_released(target)]
    # A generator owns a deleted file, so the release must depend on it too.
    generators = {address.maybe_convert_to_target_generator() for address in released}
    return InferredDependencies([*released, *generators])


def _is_released(target: Target) -> bool:
    if target.has_field(FileSourceField):
        return target[FileSourceField].file_path.startswith(f"{CONFIGS}/")
    if target.has_field(PythonSourceField):
        return bool(DAG_FILE.fullmatch(target[PythonSourceField].file_path))
    return False


def rules() -> Iterable[Any]:
    return [
        *collect_rules(),
        UnionRule(InferDependenciesRequest, InferReleaseDependenciesRequest),
    ]
