"""Infers the dependencies of Python modules on the data files beside them.

A module can read a file of its package by any name, so it depends on all of them: the files in its
folder, and in the folders below that hold no Python file. A DAG may also read the files in the
folder of its usecase.
"""

from __future__ import annotations

import glob
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Collection, Iterable

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

from marketplace.graph.addresses import PYTHON, source_address
from maxairesources.tree import COMMON, DAGS, USECASES


@dataclass(frozen=True)
class DataFilesFieldSet(FieldSet):
    required_fields = (PythonSourceField,)

    source: PythonSourceField

    @classmethod
    def opt_out(cls, target: Target) -> bool:
        return not is_with_data(
            PurePath(target[PythonSourceField].file_path).parent.as_posix()
        )


class InferDataFilesRequest(InferDependenciesRequest):
    infer_from = DataFilesFieldSet


@rule
async def infer_data_files(request: InferDataFilesRequest) -> InferredDependencies:
    folder = request.field_set.source.file_path.rpartition("/")[0]
    here, parent = map(glob.escape, (folder, folder.rpartition("/")[0]))
    paths = await Get(Paths, PathGlobs([f"{here}/**", f"{parent}/*"]))
    python = {path.rpartition("/")[0] for path in paths.files if path.endswith(PYTHON)}
    return InferredDependencies(
        source_address(path)
        for path in paths.files
        if is_data(path) and folder in folders_that_read(path, python)
    )


def is_data(path: str) -> bool:
    """Return if a file is a data file, as `data_files` in the macros defines it."""
    name = path.rpartition("/")[2]
    return (
        not name.endswith(PYTHON)
        and not name.startswith((".", "README"))
        and name != "BUILD"
    )


def is_with_data(folder: str) -> bool:
    """Return if modules in a folder may have data files beside them."""
    tree, *names = folder.split("/")
    return (tree == DAGS and len(names) > 1) or (
        tree == USECASES and ("handlers" in names[2:3] or COMMON in names[1:2])
    )


def folders_that_read(path: str, python: Collection[str]) -> set[str]:
    """Return the folders whose modules may read a data file.

    Args:
        path: the path of the data file.
        python: the folders with Python files.
    """
    folder = path.rpartition("/")[0]
    nearest = folder
    while nearest not in python and "/" in nearest:
        nearest = nearest.rpartition("/")[0]
    found = {nearest} if nearest in python else set()
    if folder.startswith(f"{DAGS}/") and folder.count("/") == 2:
        found |= {each for each in python if each.rpartition("/")[0] == folder}
    return {each for each in found if is_with_data(each)}


def rules() -> Iterable[Any]:
    return [
        *collect_rules(),
        UnionRule(InferDependenciesRequest, InferDataFilesRequest),
    ]
