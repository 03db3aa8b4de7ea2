"""The target `sources_below`: all sources below a folder, without a list to maintain.

A domain's image and wheel get their handlers from it, so they contain a new handler or usecase
as soon as its files exist. The tests of all configs or all DAGs depend on it too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable

from pants.backend.python.target_types import PythonSourceTarget
from pants.base.glob_match_error_behavior import GlobMatchErrorBehavior
from pants.base.specs import RawSpecs, RecursiveGlobSpec
from pants.core.target_types import FileTarget
from pants.engine.rules import Get, collect_rules, rule
from pants.engine.target import (
    COMMON_TARGET_FIELDS,
    Dependencies,
    FieldSet,
    InferDependenciesRequest,
    InferredDependencies,
    StringField,
    Target,
    Targets,
)
from pants.engine.unions import UnionRule

from marketplace.graph.launch_configs import LaunchConfigTarget


class SourcesBelowDependenciesField(Dependencies):
    pass


class FolderField(StringField):
    alias = "folder"
    help = "A folder below the target's own folder (default: the own folder)."


class SourcesBelow(Target):
    alias = "sources_below"
    core_fields = (*COMMON_TARGET_FIELDS, SourcesBelowDependenciesField, FolderField)
    help = (
        "All Python sources and files in the folders below a folder, without tests. It "
        "excludes the files directly in that folder."
    )


@dataclass(frozen=True)
class SourcesBelowFieldSet(FieldSet):
    required_fields = (SourcesBelowDependenciesField,)

    dependencies: SourcesBelowDependenciesField
    folder: FolderField

    @property
    def path(self) -> str:
        return "/".join(filter(None, (self.address.spec_path, self.folder.value)))


class InferSourcesBelowRequest(InferDependenciesRequest):
    infer_from = SourcesBelowFieldSet


@rule
async def infer_sources_below(
    request: InferSourcesBelowRequest,
) -> InferredDependencies:
    folder = request.field_set.path
    targets = await Get(
        Targets,
        RawSpecs(
            recursive_globs=(RecursiveGlobSpec(folder),),
            # A domain without usecases has no folder of configs.
            unmatched_glob_behavior=GlobMatchErrorBehavior.ignore,
            description_of_origin=f"the target {request.field_set.address}",
        ),
    )
    sources = [
        target.address
        for target in targets
        if isinstance(target, (PythonSourceTarget, FileTarget, LaunchConfigTarget))
        and target.residence_dir != folder
    ]
    # A generator owns a deleted file, so this target must depend on it too.
    generators = {address.maybe_convert_to_target_generator() for address in sources}
    return InferredDependencies([*sources, *generators])


def rules() -> Iterable[Any]:
    return [
        *collect_rules(),
        UnionRule(InferDependenciesRequest, InferSourcesBelowRequest),
    ]
