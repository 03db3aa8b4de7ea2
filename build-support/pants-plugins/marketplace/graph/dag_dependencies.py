"""Infers what a DAG and its tests use without importing it: the configs, and the DAG itself.

The DAG factory reads the configs of the folder that has the DAG's own names, and refuses a
dag.py that says other names than its folder's; so the folder is what to infer from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable

from pants.backend.python.target_types import (
    PythonSourceField,
    PythonSourcesGeneratorTarget,
    PythonSourceTarget,
)
from pants.base.glob_match_error_behavior import GlobMatchErrorBehavior
from pants.base.specs import DirGlobSpec, RawSpecs
from pants.engine.rules import Get, collect_rules, rule
from pants.engine.target import (
    FieldSet,
    InferDependenciesRequest,
    InferredDependencies,
    UnexpandedTargets,
)
from pants.engine.unions import UnionRule


@dataclass(frozen=True)
class DagFieldSet(FieldSet):
    required_fields = (PythonSourceField,)

    source: PythonSourceField


class InferDagDependenciesRequest(InferDependenciesRequest):
    infer_from = DagFieldSet


@rule
async def infer_dag_dependencies(
    request: InferDagDependenciesRequest,
) -> InferredDependencies:
    folder, _, name = request.field_set.source.file_path.rpartition("/")
    tree, *names = folder.split("/")
    if tree != "maxaidags" or len(names) != 3:
        return InferredDependencies([])
    usecase = "/".join(["maxaiconfigs", *names[:2]])
    folders = [usecase, f"{usecase}/{names[2]}"] if name == "dag.py" else [folder]
    targets = await Get(
        UnexpandedTargets,
        RawSpecs(
            dir_globs=tuple(DirGlobSpec(folder) for folder in folders),
            # What is missing is for `lint` to say.
            unmatched_glob_behavior=GlobMatchErrorBehavior.ignore,
            description_of_origin=f"the dependencies of {folder}/{name}",
        ),
    )
    # The generators are among them: of a deleted file, they are all that is left.
    return InferredDependencies(
        target.address
        for target in targets
        if name == "dag.py"
        or isinstance(target, (PythonSourceTarget, PythonSourcesGeneratorTarget))
    )


def rules() -> Iterable[Any]:
    return [
        *collect_rules(),
        UnionRule(InferDependenciesRequest, InferDagDependenciesRequest),
    ]
