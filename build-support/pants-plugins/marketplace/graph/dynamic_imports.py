"""Refuses a dynamic import unless its target declares a dependency on Python code.

Pants infers no dependency from a dynamic import. Without a declared one, a change of the
imported module would neither rebuild nor test the code that imports it. The check covers the
handlers and DAGs; maxairesources has two dynamic imports by design.
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
from pants.engine.fs import DigestContents, PathGlobs
from pants.engine.rules import Get, collect_rules, rule
from pants.engine.target import (
    Dependencies,
    DependenciesRequest,
    ExplicitlyProvidedDependencies,
    FieldSet,
    InferDependenciesRequest,
    InferredDependencies,
    UnexpandedTargets,
)
from pants.engine.unions import UnionRule

from maxairesources.dynamic_imports import find_dynamic_import
from maxairesources.tree import DAGS, USECASES


class UndeclaredImport(Exception):
    """A target has a dynamic import and declares no dependency on Python code."""


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
    field_set = request.field_set
    path = field_set.source.file_path
    if not path.startswith((f"{DAGS}/", f"{USECASES}/")):
        return InferredDependencies([])
    (file,) = await Get(DigestContents, PathGlobs([path]))
    found = find_dynamic_import(file.content.decode(errors="replace"))
    if not found:
        return InferredDependencies([])

    explicit = await Get(
        ExplicitlyProvidedDependencies, DependenciesRequest(field_set.dependencies)
    )
    # This finds a target of several resolves too, although its declared address names none.
    targets = await Get(
        UnexpandedTargets,
        RawSpecs(
            dir_globs=tuple(DirGlobSpec(each.spec_path) for each in explicit.includes),
            unmatched_glob_behavior=GlobMatchErrorBehavior.ignore,
            description_of_origin=f"the dependencies of {field_set.address}",
        ),
    )
    if not any(
        isinstance(target, (PythonSourceTarget, PythonSourcesGeneratorTarget))
        and target.address != field_set.address
        and any(
            each.is_parametrized_subset_of(target.address) for each in explicit.includes
        )
        for target in targets
    ):
        folder, _, name = path.rpartition("/")
        raise UndeclaredImport(
            f"{path}:{found.line}: Pants cannot see which module {found.name} imports; use "
            f"an import statement, or declare the module in {folder}/BUILD: "
            f'overrides={{"{name}": {{"dependencies": ["path/to/module.py"]}}}}'
        )
    return InferredDependencies([])


def rules() -> Iterable[Any]:
    return [
        *collect_rules(),
        UnionRule(InferDependenciesRequest, InferDynamicImportsRequest),
    ]
