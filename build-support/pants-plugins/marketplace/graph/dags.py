"""Infers the dependencies of a DAG on its configs, and of its tests on the DAG.

No import shows them. The DAG factory reads the configs from the folders with the same names as
the DAG's folder, and refuses a dag.py that names others. So the names of the folder are enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable

from pants.backend.python.target_types import PythonSourceField
from pants.engine.fs import PathGlobs, Paths
from pants.engine.rules import Get, collect_rules, rule
from pants.engine.target import (
    FieldSet,
    InferDependenciesRequest,
    InferredDependencies,
    Target,
)
from pants.engine.unions import UnionRule

from marketplace.graph.addresses import sample_data_address, source_address
from maxairesources.tree import CONFIGS, DAGS, USECASES


@dataclass(frozen=True)
class DagFieldSet(FieldSet):
    required_fields = (PythonSourceField,)

    source: PythonSourceField

    @classmethod
    def opt_out(cls, target: Target) -> bool:
        return not target[PythonSourceField].file_path.startswith(f"{DAGS}/")


class InferDagDependenciesRequest(InferDependenciesRequest):
    infer_from = DagFieldSet


@rule
async def infer_dag_dependencies(
    request: InferDagDependenciesRequest,
) -> InferredDependencies:
    folder, _, name = request.field_set.source.file_path.rpartition("/")
    _, *names = folder.split("/")
    if len(names) != 3:
        return InferredDependencies([])
    domain, usecase, objective = names
    if name == "dag.py":
        configs = f"{CONFIGS}/{domain}/{usecase}"
        globs = [f"{configs}/*.json", f"{configs}/{objective}/*.json"]
    else:
        # Its tests and helpers depend on the DAG, and on what stands beside it.
        tests = ("*_test.py", "test_*.py", "conftest.py")
        globs = [f"{folder}/*.py", *(f"!{folder}/{each}" for each in tests)]
    paths = await Get(Paths, PathGlobs(globs))
    found = [*map(source_address, paths.files)]
    if name == "run_test.py":
        data = await Get(Paths, PathGlobs([f"{USECASES}/{domain}/sample_data.py"]))
        found += [sample_data_address(domain)] if data.files else []
    return InferredDependencies(found)


def rules() -> Iterable[Any]:
    return [
        *collect_rules(),
        UnionRule(InferDependenciesRequest, InferDagDependenciesRequest),
    ]
