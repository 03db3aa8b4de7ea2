"""The goal `experimental-deploy`: packages the release and passes it to the deployment tool.

Only Pants can package the release and build images. The tool `deployments` does everything
else, and reports which images must be built.
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

from marketplace.graph.deployments import DeploymentDependenciesField
from marketplace.release.release import Release, ReleaseFieldSet

RELEASE = Address("", target_name="release")
TOOL = Address(
    "build-support/tools/maxaitools/deployments", relative_file_path="__main__.py"
)
# The tool needs the Git repository, which no sandbox has.
_IN_WORKSPACE = ("/bin/sh", "-c", 'cd "$0" && exec "$@"')


class DeployFailed(Exception):
    """A deploy that cannot start; the message contains a fix."""


@dataclass(frozen=True)
class MarketplaceDeployFieldSet(DeployFieldSet):
    required_fields = (DeploymentDependenciesField,)

    dependencies: DeploymentDependenciesField


@dataclass(frozen=True)
class DeployTool:
    """The deployment tool: as Pants runs it for a person, and in a sandbox."""

    interactive: RunRequest
    sandboxed: RunInSandboxRequest


@dataclass(frozen=True)
class MissingImagesRequest:
    """Asks which images of a release the registry of a deployment lacks."""

    deployment: str
    release: Release


@dataclass(frozen=True)
class MissingImages:
    domains: frozenset[str]


@rule
async def find_deploy_tool() -> DeployTool:
    targets = await Get(Targets, Addresses([TOOL]))
    tools = await Get(
        FieldSetsPerTarget, FieldSetsPerTargetRequest(RunFieldSet, targets)
    )
    (runnable,) = tools.field_sets
    return DeployTool(
        *await MultiGet(
            Get(RunRequest, RunFieldSet, runnable),
            Get(RunInSandboxRequest, RunFieldSet, runnable),
        )
    )


@rule
async def find_missing_images(
    request: MissingImagesRequest,
    tool: DeployTool,
    environment: CompleteEnvironmentVars,
) -> MissingImages:
    sandboxed, release = tool.sandboxed, request.release
    digest = await Get(Digest, MergeDigests((sandboxed.digest, release.digest)))
    folder = f"{{chroot}}/{release.path}"
    result = await Get(
        FallibleProcessResult,
        Process(
            (*_IN_WORKSPACE, get_buildroot(), *sandboxed.args)
            + ("images", request.deployment, folder),
            env={**environment, **sandboxed.extra_env},
            input_digest=digest,
            immutable_input_digests=sandboxed.immutable_input_digests,
            append_only_caches=sandboxed.append_only_caches,
            description=f"Look up the images of {request.deployment}",
            cache_scope=ProcessCacheScope.PER_SESSION,
        ),
    )
    if result.exit_code:
        raise DeployFailed(result.stderr.decode(errors="replace").strip())
    return MissingImages(frozenset(json.loads(result.stdout)))


@rule
async def deploy(
    field_set: MarketplaceDeployFieldSet,
    tool: DeployTool,
    environment: CompleteEnvironmentVars,
    global_options: GlobalOptions,
    options: _Options,
) -> DeployProcess:
    name = field_set.address.target_name
    if {spec.lstrip("/") for spec in options.options.specs} != {f":{name}"}:
        raise DeployFailed(
            "experimental-deploy: it deploys one deployment at a time; name only that one, "
            "such as //:dev"
        )
    wrapped = await Get(
        WrappedTarget,
        WrappedTargetRequest(RELEASE, description_of_origin="the deployments"),
    )
    release = await Get(
        Release, ReleaseFieldSet, ReleaseFieldSet.create(wrapped.target)
    )
    missing = await Get(MissingImages, MissingImagesRequest(name, release))
    await MultiGet(
        Get(BuiltPackage, EnvironmentAwarePackageRequest(image.tagged.field_set))
        for image in release.images
        if image.domain in missing.domains
    )
    run = tool.interactive
    digest = await Get(Digest, MergeDigests((run.digest, release.digest)))
    return DeployProcess(
        name=field_set.address.spec,
        process=InteractiveProcess(
            (*run.args, "deploy", name, f"{{chroot}}/{release.path}"),
            env={**environment, **run.extra_env},
            input_digest=digest,
            run_in_workspace=True,
            keep_sandboxes=global_options.keep_sandboxes,
            immutable_input_digests=run.immutable_input_digests,
            append_only_caches=run.append_only_caches,
        ),
    )


def rules() -> Iterable[Any]:
    return [*collect_rules(), UnionRule(DeployFieldSet, MarketplaceDeployFieldSet)]
