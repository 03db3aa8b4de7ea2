"""The goal `experimental-deploy`: packages the release and hands it to the deployment tool.

Pants' part is what needs the graph: the release, and the images that the registry has not. All
else, the pushing too, is done by the tool in build-support/deployments, which knows how to do
it several at a time and safely.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Iterable

from pants.core.goals.deploy import DeployFieldSet, DeployProcess
from pants.core.goals.package import (
    BuiltPackage,
    EnvironmentAwarePackageRequest,
)
from pants.core.goals.run import RunFieldSet, RunRequest
from pants.engine.addresses import Address, Addresses
from pants.engine.env_vars import CompleteEnvironmentVars
from pants.engine.fs import Digest, MergeDigests
from pants.engine.process import InteractiveProcess
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import (
    FieldSetsPerTarget,
    FieldSetsPerTargetRequest,
    Targets,
    WrappedTarget,
    WrappedTargetRequest,
)
from pants.engine.unions import UnionRule
from pants.option.global_options import GlobalOptions

from marketplace.deployments import (
    Deployments,
    DestinationField,
    InvalidDeployment,
    RegistryField,
)
from marketplace.image_lookup import FoundImages, ImageLookup
from marketplace.release import Release, ReleaseFieldSet

RELEASE = Address("", target_name="release")
TOOL = Address("build-support/deployments")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MarketplaceDeployFieldSet(DeployFieldSet):
    required_fields = (RegistryField, DestinationField)

    registry: RegistryField


@rule
async def deploy(
    field_set: MarketplaceDeployFieldSet,
    deployments: Deployments,
    environment: CompleteEnvironmentVars,
    global_options: GlobalOptions,
) -> DeployProcess:
    if field_set.address.spec_path:
        raise InvalidDeployment(
            f"{field_set.address}: a deployment stands in the root BUILD file; move it there"
        )
    (deployment,) = (
        each for each in deployments if each.name == field_set.address.target_name
    )
    release_target, tool_targets = await MultiGet(
        Get(
            WrappedTarget,
            WrappedTargetRequest(RELEASE, description_of_origin="the deployments"),
        ),
        Get(Targets, Addresses([TOOL])),
    )
    release, tools = await MultiGet(
        Get(Release, ReleaseFieldSet, ReleaseFieldSet.create(release_target.target)),
        Get(FieldSetsPerTarget, FieldSetsPerTargetRequest(RunFieldSet, tool_targets)),
    )
    # In its folder there is one file to run, as `run` wants it too.
    (runnable,) = tools.field_sets
    tool = await Get(RunRequest, RunFieldSet, runnable)

    images = [
        image.tagged for image in release.images if deployment.carries(image.domain)
    ]
    found = await Get(
        FoundImages,
        ImageLookup(tuple(image.name for image in images), deployment.registry),
    )
    for note in found.notes:
        logger.warning(note)
    # What nobody could tell may be missing.
    await MultiGet(
        Get(BuiltPackage, EnvironmentAwarePackageRequest(image.field_set))
        for image, is_there in zip(images, found.registry)
        if not is_there
    )

    digest = await Get(Digest, MergeDigests((tool.digest, release.digest)))
    arguments = ("deploy", deployment.name, "--release", f"{{chroot}}/{release.path}")
    return DeployProcess(
        name=field_set.address.spec,
        process=InteractiveProcess(
            (*tool.args, *arguments),
            env={**environment, **tool.extra_env},
            input_digest=digest,
            # The tool asks git about the commit, and a destination may be a folder in here.
            run_in_workspace=True,
            keep_sandboxes=global_options.keep_sandboxes,
            immutable_input_digests=tool.immutable_input_digests,
            append_only_caches=tool.append_only_caches,
        ),
    )


def rules() -> Iterable[Any]:
    return [*collect_rules(), UnionRule(DeployFieldSet, MarketplaceDeployFieldSet)]
