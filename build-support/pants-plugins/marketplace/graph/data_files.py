"""The target `data_files`, and the dependencies of Python modules on data files beside them.

A module can read a file of its package by any name, so it depends on all of them: the files in its
folder, and in the folders below that hold no Python file. A DAG may also read the files in the
folder of its usecase.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Collection, Iterable

from pants.backend.python.target_types import PythonSourceField
from pants.base.glob_match_error_behavior import GlobMatchErrorBehavior
from pants.core.target_types import (
    ResourceDependenciesField,
    ResourcesGeneratingSourcesField,
    ResourceTarget,
)
from pants.engine.addresses import Address
from pants.engine.collection import DeduplicatedCollection
from pants.engine.fs import PathGlobs, Paths
from pants.engine.internals.graph import Owners, OwnersRequest
from pants.engine.rules import Get, collect_rules, rule
from pants.engine.target import (
    COMMON_TARGET_FIELDS,
    FieldSet,
    InferDependenciesRequest,
    InferredDependencies,
    TargetFilesGenerator,
)
from pants.engine.unions import UnionRule

from maxairesources.tree import COMMON, DAGS, USECASES

_PYTHON = (".py", ".pyi")


class DataFilesSourcesField(ResourcesGeneratingSourcesField):
    required = False
    # The target of a tree has the data files of all domains, so that no other BUILD file has
    # to list them.
    default = (
        "*/*/**",
        "!*/*/notebooks/**",
        *(f"!**/{name}" for name in ("*.py", "*.pyi", "BUILD", "README*", ".*")),
    )
    default_glob_match_error_behavior = GlobMatchErrorBehavior.ignore


class DataFilesTarget(TargetFilesGenerator):
    alias = "data_files"
    core_fields = (*COMMON_TARGET_FIELDS, DataFilesSourcesField)
    generated_target_cls = ResourceTarget
    copied_fields = COMMON_TARGET_FIELDS
    moved_fields = (ResourceDependenciesField,)
    help = "Generates a `resource` target for each data file beside handlers and DAGs."


@dataclass(frozen=True)
class DataFilesRequest:
    """Asks for the data files that the modules in a folder may read."""

    folder: str


class DataFiles(DeduplicatedCollection[Address]):
    sort_input = True


@dataclass(frozen=True)
class DataFilesFieldSet(FieldSet):
    required_fields = (PythonSourceField,)

    source: PythonSourceField


class InferDataFilesRequest(InferDependenciesRequest):
    infer_from = DataFilesFieldSet


@rule
async def find_data_files(request: DataFilesRequest) -> DataFiles:
    folder, parent = request.folder, request.folder.rpartition("/")[0]
    paths = await Get(Paths, PathGlobs([f"{folder}/**", f"{parent}/*"]))
    python = {path.rpartition("/")[0] for path in paths.files if path.endswith(_PYTHON)}
    data = [
        path
        for path in paths.files
        if not path.endswith((*_PYTHON, "/BUILD"))
        and folder in folders_that_read(path, python)
    ]
    # Most folders hold no data, and asking for owners is not free.
    return DataFiles(await Get(Owners, OwnersRequest(tuple(data))) if data else ())


@rule
async def infer_data_files(request: InferDataFilesRequest) -> InferredDependencies:
    path = request.field_set.source.file_path
    folder = path.rpartition("/")[0]
    if not is_with_data(folder):
        return InferredDependencies([])
    return InferredDependencies(await Get(DataFiles, DataFilesRequest(folder)))


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
