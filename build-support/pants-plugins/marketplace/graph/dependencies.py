"""Infers dependencies of the Python files in the three trees that no import shows.

- A module can read a data file of its package by any name, so it depends on all of them: those
  in its folder, and in the folders below that hold no Python file. A DAG may also read the files
  in the folder of its usecase.
- A dag.py depends on its configs: the DAG factory reads them from the folders with the same
  names, and refuses a dag.py that names others. Its tests and helpers depend on the dag.py and
  what stands beside it, and a run_test.py on the sample data of its domain.
"""

from __future__ import annotations

import glob
from dataclasses import dataclass
from typing import Any, Iterable

from pants.backend.python.target_types import PythonSourceField
from pants.engine.fs import PathGlobs, Paths
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import (
    FieldSet,
    InferDependenciesRequest,
    InferredDependencies,
    Target,
)
from pants.engine.unions import UnionRule

from marketplace.graph.addresses import PYTHON, is_data, source_address
from maxairesources.tree import CONFIGS, DAGS, USECASES, domain_of


@dataclass(frozen=True)
class TreeFieldSet(FieldSet):
    required_fields = (PythonSourceField,)

    source: PythonSourceField

    @classmethod
    def opt_out(cls, target: Target) -> bool:
        path = target[PythonSourceField].file_path
        return not domain_of(path) or path.count("/") < 3


class InferTreeDependenciesRequest(InferDependenciesRequest):
    infer_from = TreeFieldSet


@rule
async def infer_dependencies(
    request: InferTreeDependenciesRequest,
) -> InferredDependencies:
    folder, _, name = request.field_set.source.file_path.rpartition("/")
    here, parent = glob.escape(folder), folder.rpartition("/")[0]
    is_objective = folder.startswith(f"{DAGS}/") and folder.count("/") == 3
    globs = [f"{here}/**", f"!{here}/notebooks/**"]
    near, others = await MultiGet(
        Get(
            Paths,
            PathGlobs(globs + [f"{glob.escape(parent)}/*"] * is_objective),
        ),
        Get(Paths, PathGlobs(_objective_globs(folder, name) if is_objective else ())),
    )
    python = {path.rpartition("/")[0] for path in near.files if path.endswith(PYTHON)}

    def is_read(path: str) -> bool:
        beside = path.rpartition("/")[0]
        while beside not in (*python, parent):
            beside = beside.rpartition("/")[0]
        return beside in (folder, parent)

    data = filter(is_read, filter(is_data, near.files))
    return InferredDependencies(map(source_address, (*data, *others.files)))


def _objective_globs(folder: str, name: str) -> list[str]:
    """Return the globs of what a file in the folder of a DAG depends on."""
    _, domain, usecase, objective = map(glob.escape, folder.split("/"))
    if name == "dag.py":
        configs = f"{CONFIGS}/{domain}/{usecase}"
        return [f"{configs}/*.json", f"{configs}/{objective}/*.json"]
    here = f"{DAGS}/{domain}/{usecase}/{objective}"
    tests = (f"!{here}/{each}" for each in ("*_test.py", "test_*.py", "conftest.py"))
    data = [f"{USECASES}/{domain}/sample_data.py"] if name == "run_test.py" else []
    return [f"{here}/*.py", *tests, *data]


def rules() -> Iterable[Any]:
    return [
        *collect_rules(),
        UnionRule(InferDependenciesRequest, InferTreeDependenciesRequest),
    ]
