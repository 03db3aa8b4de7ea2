"""The goal `experimental-deploy`: packages the release and hands it to the deployment tool.

Only Pants can package the release and build images. The tool `deployments`
does all the rest, and says which images must be built.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Iterable

from pants.base.build_environment import get_buildroot
from pants.core.goals.deploy import DeployFieldSet, DeployProcess
from pants.core.goals.package import BuiltPackage, EnvironmentAwarePackageRequest
from pants.core.goals.run import RunFieldSet, RunInSandboxRequest, RunRequest
from pants.engine.addresses import Address, Addresses
from pants.engine.env_vars import CompleteEnvironmentVars
from pants.engine.fs import Digest, MergeDigests
from pants.engine.internals.options_parsing import _Options
from pants.engine.process import (
    FallibleProcessResult,
    InteractiveProcess,
    Process,
    ProcessCacheScope,
)
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

from marketplace.graph.deployments import InvalidDeployment, RegistryField
from marketplace.release.release import Release, ReleaseFieldSet

RELEASE = Address("", target_name="release")
TOOL = Address(
    "build-support/tools/maxaitools/deployments", relative_file_path="main.py"
)
# The tool's Git repository is the workspace, which no sandbox has.
_IN_WORKSPACE = ("/bin/sh", "-c", 'cd "$0" && exec "$@"')


@dataclass(frozen=True)
class MarketplaceDeployFieldSet(DeployFieldSet):
    required_fields = (RegistryField,)

    registry: RegistryField


@rule
async def deploy(
    field_set: MarketplaceDeployFieldSet,
    environment: CompleteEnvironmentVars,
    global_options: GlobalOptions,
    options: _Options,
) -> DeployProcess:
    name = field_set.address.target_name
    if field_set.address.spec_path:
        raise InvalidDeployment(
            f"{field_set.address}: a deployment belongs into the root BUILD file; move it"
        )
    if {spec.lstrip("/") for spec in options.options.specs} != {f":{name}"}:
        raise InvalidDeployment(
            "experimental-deploy deploys one deployment at a time; name it, such as //:dev"
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
    (runnable,) = tools.field_sets
    tool, sandboxed = await MultiGet(
        Get(RunRequest, RunFieldSet, runnable),
        Get(RunInSandboxRequest, RunFieldSet, runnable),
    )
    folder = f"{{chroot}}/{release.path}"
    digest = await Get(Digest, MergeDigests((sandboxed.digest, release.digest)))
    asked = await Get(
        FallibleProcessResult,
        Process(
            (*_IN_WORKSPACE, get_buildroot(), *sandboxed.args)
            + ("images", name, "--release", folder, "--json"),
            env={**environment, **sandboxed.extra_env},
            input_digest=digest,
            immutable_input_digests=sandboxed.immutable_input_digests,
            append_only_caches=sandboxed.append_only_caches,
            description=f"Look up the images of {name}",
            cache_scope=ProcessCacheScope.PER_SESSION,
        ),
    )
    if asked.exit_code:
        raise InvalidDeployment(asked.stderr.decode(errors="replace").strip())
    missing = json.loads(asked.stdout)
    await MultiGet(
        Get(BuiltPackage, EnvironmentAwarePackageRequest(image.tagged.field_set))
        for image in release.images
        if image.domain in missing
    )
    digest = await Get(Digest, MergeDigests((tool.digest, release.digest)))
    return DeployProcess(
        name=field_set.address.spec,
        process=InteractiveProcess(
            (*tool.args, "deploy", name, "--release", folder),
            env={**environment, **tool.extra_env},
            input_digest=digest,
            run_in_workspace=True,
            keep_sandboxes=global_options.keep_sandboxes,
            immutable_input_digests=tool.immutable_input_digests,
            append_only_caches=tool.append_only_caches,
        ),
    )


def rules() -> Iterable[Any]:
    return [*collect_rules(), UnionRule(DeployFieldSet, MarketplaceDeployFieldSet)]
