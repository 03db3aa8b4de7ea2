"""The target `marketplace_deployments`: what the root BUILD file says of deployments, as JSON.

The tool that deploys never calls Pants, and reads it as a resource of its own package. So a
target in the root BUILD file is all that a new deployment takes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Iterable

from pants.core.target_types import ResourceSourceField
from pants.engine.addresses import Address
from pants.engine.fs import CreateDigest, Digest, FileContent, Snapshot
from pants.engine.rules import Get, collect_rules, rule
from pants.engine.target import (
    COMMON_TARGET_FIELDS,
    Dependencies,
    FieldSet,
    GeneratedSources,
    GenerateSourcesRequest,
    InferDependenciesRequest,
    InferredDependencies,
    MultipleSourcesField,
    Target,
)
from pants.engine.unions import UnionRule

from marketplace.deployments import Deployments, InvalidDeployment

FILE = "deployments.json"


class DeploymentsDependenciesField(Dependencies):
    pass


class DeploymentsSourcesField(MultipleSourcesField):
    # It has no files: code is generated from the sources of a target, so it has to have some.
    alias = "_sources"
    expected_num_files = 0


class MarketplaceDeployments(Target):
    alias = "marketplace_deployments"
    core_fields = (
        *COMMON_TARGET_FIELDS,
        DeploymentsDependenciesField,
        DeploymentsSourcesField,
    )
    help = (
        f"The resource {FILE}, which has all targets `marketplace_deployment` of the root "
        "BUILD file."
    )


@dataclass(frozen=True)
class DeploymentsDependenciesFieldSet(FieldSet):
    required_fields = (DeploymentsDependenciesField,)

    dependencies: DeploymentsDependenciesField


class InferDeploymentsRequest(InferDependenciesRequest):
    infer_from = DeploymentsDependenciesFieldSet


@rule
async def infer_deployments(
    _: InferDeploymentsRequest, deployments: Deployments
) -> InferredDependencies:
    return InferredDependencies(
        Address("", target_name=name) for name in deployments.names
    )


class GenerateDeploymentsRequest(GenerateSourcesRequest):
    input = DeploymentsSourcesField
    output = ResourceSourceField


@rule
async def generate_deployments(
    request: GenerateDeploymentsRequest, deployments: Deployments
) -> GeneratedSources:
    folder = request.protocol_target.address.spec_path
    content = FileContent("/".join(filter(None, (folder, FILE))), as_json(deployments))
    return GeneratedSources(
        await Get(Snapshot, Digest, await Get(Digest, CreateDigest([content])))
    )


def as_json(deployments: Deployments) -> bytes:
    """The fields of the deployments by their names.

    Raises InvalidDeployment when an environment variable is set, but to nothing.
    """
    fields = {}
    for each in deployments:
        fields[each.name] = asdict(each)
        del fields[each.name]["name"]
        for name in ("destination", "registry"):
            if not fields[each.name][name]:
                raise InvalidDeployment(
                    f"{each.place}: {name} is empty; give one, or unset the environment "
                    "variable that it is taken from"
                )
    return (json.dumps(fields, indent=2, sort_keys=True) + "\n").encode()


def rules() -> Iterable[Any]:
    return [
        *collect_rules(),
        UnionRule(GenerateSourcesRequest, GenerateDeploymentsRequest),
        UnionRule(InferDependenciesRequest, InferDeploymentsRequest),
    ]
