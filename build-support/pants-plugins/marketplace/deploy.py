"""The goal `experimental-deploy`: packages the release and passes it to the deployment tool.

Only Pants can package the release and build images. The tool `deployments` does everything
else, and reports which images must be built.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Iterable

from pants.base.build_environment import get_buildroot
from pants.core.goals.deploy import DeployFieldSet, DeployProcess
from pants.core.goals.package import BuiltPackage, EnvironmentAwarePackageRequest
from pants.core.goals.run import RunFieldSet, RunInSandboxRequest
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

from marketplace.graph import (
    DeploymentDependenciesField,
    MarketplaceError,
    ReleaseFieldSet,
)
from marketplace.release import Release

RELEASE = Address("", target_name="release")
TOOL = Address(
    "build-support/tools/maxaitools/deployments", relative_file_path="__main__.py"
)
# The tool needs the Git repository, which no sandbox has.
_IN_WORKSPACE = ("/bin/sh", "-c", 'cd "$0" && exec "$@"')


@dataclass(frozen=True)
class MarketplaceDeployFieldSet(DeployFieldSet):
    required_fields = (DeploymentDependenciesField,)

    dependencies: DeploymentDependenciesField


@dataclass(frozen=True)
class DeployTool:
    """The deployment tool, as it runs in a sandbox with the release."""

    release: Release
    process: Process


@rule
async def find_deploy_tool(environment: CompleteEnvironmentVars) -> DeployTool:
    targets, wrapped = await MultiGet(
        Get(Targets, Addresses([TOOL])),
        Get(WrappedTarget, WrappedTargetRequest(RELEASE, "the deployments")),
    )
    tools, release = await MultiGet(
        Get(FieldSetsPerTarget, FieldSetsPerTargetRequest(RunFieldSet, targets)),
        Get(Release, ReleaseFieldSet, ReleaseFieldSet.create(wrapped.target)),
    )
    (runnable,) = tools.field_sets
    run = await Get(RunInSandboxRequest, RunFieldSet, runnable)
    process = Process(
        (*_IN_WORKSPACE, get_buildroot(), *run.args),
        env={**environment, **run.extra_env},
        input_digest=await Get(Digest, MergeDigests((run.digest, release.digest))),
        immutable_input_digests=run.immutable_input_digests,
        append_only_caches=run.append_only_caches,
        description="Look up the images of the deployment",
        cache_scope=ProcessCacheScope.PER_SESSION,
    )
    return DeployTool(release, process)


@rule
async def deploy(
    field_set: MarketplaceDeployFieldSet, tool: DeployTool, options: _Options
) -> DeployProcess:
    name = field_set.address.target_name
    if {spec.lstrip("/") for spec in options.options.specs} != {f":{name}"}:
        raise MarketplaceError(
            "experimental-deploy: it deploys one deployment at a time; name only that one, "
            "such as //:dev"
        )

    def call(command: str) -> Process:
        folder = f"{{chroot}}/{tool.release.path}"
        return replace(tool.process, argv=(*tool.process.argv, command, name, folder))

    result = await Get(FallibleProcessResult, Process, call("images"))
    if result.exit_code:
        raise MarketplaceError(result.stderr.decode(errors="replace").strip())
    missing = json.loads(result.stdout)
    await MultiGet(
        Get(BuiltPackage, EnvironmentAwarePackageRequest(image.tagged.field_set))
        for image in tool.release.images
        if image.domain in missing
    )
    process = InteractiveProcess.from_process(call("deploy"))
    return DeployProcess(name=field_set.address.spec, process=process)


def rules() -> Iterable[Any]:
    return [*collect_rules(), UnionRule(DeployFieldSet, MarketplaceDeployFieldSet)]
