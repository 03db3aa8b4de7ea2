"""The target `domain_handlers`: all handler code of a domain, without a list to keep.

What goes into the domain's image and wheel depends on it, so that a new handler or usecase
is in both as soon as its files exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable

from pants.backend.python.target_types import PythonSourceTarget
from pants.base.specs import RawSpecs, RecursiveGlobSpec
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


class DomainHandlersDependenciesField(Dependencies):
    pass


class DomainHandlers(Target):
    alias = "domain_handlers"
    core_fields = (*COMMON_TARGET_FIELDS, DomainHandlersDependenciesField)
    help = "All Python sources below the folders `<usecase>/` of a domain, tests apart."


@dataclass(frozen=True)
class DomainHandlersFieldSet(FieldSet):
    required_fields = (DomainHandlersDependenciesField,)

    dependencies: DomainHandlersDependenciesField


class InferDomainHandlersRequest(InferDependenciesRequest):
    infer_from = DomainHandlersFieldSet


@rule
async def infer_domain_handlers(
    request: InferDomainHandlersRequest,
) -> InferredDependencies:
    domain = request.field_set.address.spec_path
    targets = await Get(
        Targets,
        RawSpecs(
            recursive_globs=(RecursiveGlobSpec(domain),),
            description_of_origin=f"the `domain_handlers` target in {domain}",
        ),
    )
    sources = [
        target.address
        for target in targets
        # The domain's own folder holds setup.py, which an image does not carry.
        if isinstance(target, PythonSourceTarget) and target.residence_dir != domain
    ]
    # Of a deleted file only the generator is left, so that it must have dependents too.
    generators = {address.maybe_convert_to_target_generator() for address in sources}
    return InferredDependencies([*sources, *generators])


def rules() -> Iterable[Any]:
    return [
        *collect_rules(),
        UnionRule(InferDependenciesRequest, InferDomainHandlersRequest),
    ]
