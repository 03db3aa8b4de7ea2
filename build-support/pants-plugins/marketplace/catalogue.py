"""Packages the catalogue: `package //:catalogue` writes its site to dist/catalogue.

The target is the tool that builds it, from the files of this clone and its Git branches. Pants does
not know them as inputs, so each session builds the site once.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Iterable

from pants.backend.python.goals.run_python_source import PythonSourceFieldSet
from pants.backend.python.target_types import PythonSourceField
from pants.base.build_root import BuildRoot
from pants.core.goals.package import (
    BuiltPackage,
    BuiltPackageArtifact,
    PackageFieldSet,
)
from pants.core.goals.run import RunFieldSet, RunInSandboxRequest
from pants.engine.addresses import Address, Addresses
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.process import FallibleProcessResult, Process, ProcessCacheScope
from pants.engine.rules import Get, collect_rules, rule
from pants.engine.target import Target, Targets
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel

from marketplace.graph import MarketplaceError

CATALOGUE = Address("", target_name="catalogue")


@dataclass(frozen=True)
class CatalogueFieldSet(PackageFieldSet):
    required_fields = (PythonSourceField,)

    @classmethod
    def opt_out(cls, target: Target) -> bool:
        return target.address != CATALOGUE


@rule(desc="Build the catalogue", level=LogLevel.INFO)
async def package_catalogue(_: CatalogueFieldSet, root: BuildRoot) -> BuiltPackage:
    (tool,) = await Get(Targets, Addresses([CATALOGUE]))
    source = PythonSourceFieldSet.create(tool)
    builder = await Get(RunInSandboxRequest, RunFieldSet, source)
    # Git and Graphviz are on the PATH, and HOME has the settings of Git.
    env = await Get(EnvironmentVars, EnvironmentVarsRequest(["HOME", "PATH"]))
    process = Process(
        (*builder.args, "--package", root.path, "catalogue"),
        input_digest=builder.digest,
        immutable_input_digests=builder.immutable_input_digests,
        append_only_caches=builder.append_only_caches,
        env={**env, **builder.extra_env},
        output_directories=("catalogue",),
        description="Read the sources and write the pages",
        cache_scope=ProcessCacheScope.PER_SESSION,
    )
    result = await Get(FallibleProcessResult, Process, process)
    report = result.stderr.decode().strip()
    if result.exit_code:
        raise MarketplaceError(f"{CATALOGUE}: {report}")
    logging.getLogger(__name__).info(report)
    artifact = BuiltPackageArtifact("catalogue")
    return BuiltPackage(result.output_digest, (artifact,))


def rules() -> Iterable[Any]:
    return [*collect_rules(), UnionRule(PackageFieldSet, CatalogueFieldSet)]
