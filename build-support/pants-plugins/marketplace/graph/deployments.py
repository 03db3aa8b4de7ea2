"""The target `marketplace_deployment`: a deployment that marketplace.toml defines.

The macro `marketplace_deployments` makes one for each. Only the tool `deployments` reads the
settings in the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable

from pants.base.glob_match_error_behavior import GlobMatchErrorBehavior
from pants.base.specs import DirGlobSpec, RawSpecs
from pants.engine.collection import Collection
from pants.engine.rules import Get, collect_rules, rule
from pants.engine.target import (
    COMMON_TARGET_FIELDS,
    Dependencies,
    Target,
    UnexpandedTargets,
)


class DeploymentDependenciesField(Dependencies):
    pass


class MarketplaceDeployment(Target):
    alias = "marketplace_deployment"
    core_fields = (*COMMON_TARGET_FIELDS, DeploymentDependenciesField)
    help = (
        "A deployment, such as dev or prod: the branch deploy/<name> of the deployments "
        "repository. Its overlays have the same name, as in spark_config.prod.json. "
        "marketplace.toml has its settings."
    )


@dataclass(frozen=True)
class Deployment:
    """A deployment that marketplace.toml defines."""

    name: str


class Deployments(Collection[Deployment]):
    @property
    def names(self) -> tuple[str, ...]:
        return tuple(each.name for each in self)


@rule
async def find_deployments() -> Deployments:
    # Listing one folder is faster than listing all targets.
    targets = await Get(
        UnexpandedTargets,
        RawSpecs(
            dir_globs=(DirGlobSpec(""),),
            unmatched_glob_behavior=GlobMatchErrorBehavior.ignore,
            description_of_origin="the deployments",
        ),
    )
    found = [each for each in targets if isinstance(each, MarketplaceDeployment)]
    return Deployments(
        Deployment(n) for n in sorted(t.address.target_name for t in found)
    )


def rules() -> Iterable[Any]:
    return collect_rules()
