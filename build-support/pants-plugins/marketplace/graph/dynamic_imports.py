"""Refuses an import that Pants cannot see, unless its target declares what it imports.

Such an import is no edge of the graph, so a change of the module would not rebuild what uses
it. The handlers and DAGs are looked at; maxairesources has two such imports by design.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable

from pants.backend.python.target_types import PythonSourceField
from pants.engine.fs import DigestContents, PathGlobs
from pants.engine.rules import Get, collect_rules, rule
from pants.engine.target import (
    Dependencies,
    FieldSet,
    InferDependenciesRequest,
    InferredDependencies,
)
from pants.engine.unions import UnionRule

from maxairesources.dynamic_imports import find_dynamic_import

_TREES = ("maxaidags/", "maxaiusecases/")


class UndeclaredImport(Exception):
    """A file imports a module by its name at run time, and its target does not say which."""


@dataclass(frozen=True)
class DynamicImportsFieldSet(FieldSet):
    required_fields = (PythonSourceField,)

    source: PythonSourceField
    dependencies: Dependencies


class InferDynamicImportsRequest(InferDependenciesRequest):
    infer_from = DynamicImportsFieldSet


@rule
async def refuse_undeclared_imports(
    request: InferDynamicImportsRequest,
) -> InferredDependencies:
    path = request.field_set.source.file_path
    if path.startswith(_TREES) and not request.field_set.dependencies.value:
        for file in await Get(DigestContents, PathGlobs([path])):
            if found := find_dynamic_import(file.content.decode(errors="replace")):
                folder, _, name = path.rpartition("/")
                raise UndeclaredImport(
                    f"{path}:{found.line}: {found.name} imports what Pants cannot see: "
                    "use an import statement, or declare what it imports in "
                    f'{folder}/BUILD: overrides={{"{name}": {{"dependencies": [...]}}}}'
                )
    return InferredDependencies([])


def rules() -> Iterable[Any]:
    return [
        *collect_rules(),
        UnionRule(InferDependenciesRequest, InferDynamicImportsRequest),
    ]
