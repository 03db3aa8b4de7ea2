"""Infers the dependencies of a DAG on its configs, and of its tests on the DAG.

No import shows them. The DAG factory reads the configs from the folders with the same names as
the DAG's folder, and refuses a dag.py that names others. So the names of the folder are enough.
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
            # `lint` reports missing configs.
            unmatched_glob_behavior=GlobMatchErrorBehavior.ignore,
            description_of_origin=f"the dependencies of {folder}/{name}",
        ),
    )
    # The generators are among the targets, because a generator owns a deleted file.
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
