"""The goal `affected`: the images, tests, DAGs and deployments that a change reaches, and why.

It selects what every goal selects with `--changed-since`: its tests are those that `test`
runs, its images those that `package` builds.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Any, Iterable

from pants.backend.docker.goals.package_image import DockerPackageFieldSet
from pants.backend.docker.target_types import DockerImageTarget
from pants.backend.python.target_types import PythonTestTarget
from pants.engine.addresses import Address
from pants.engine.console import Console
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.goal import Goal, GoalSubsystem
from pants.engine.rules import Get, MultiGet, collect_rules, goal_rule
from pants.engine.target import FilteredTargets
from pants.option.option_types import EnumOption
from pants.vcs.changed import Changed

from marketplace.graph.deployments import Deployment, Deployments, MarketplaceDeployment
from marketplace.release.image_tags import TaggedImage
from marketplace.selection.affected_report import (
    Image,
    Report,
    as_json,
    markdown,
    table,
)
from marketplace.selection.changed_targets import (
    ByFile,
    ChangedDependents,
    ChangedTargets,
    ChangedTargetsRequest,
    Reached,
    reach,
)
from marketplace.selection.changes import read_changes
from marketplace.selection.image_lookup import FoundImages, ImageLookup
from maxairesources.tree import DAG_FILE, domain_of

_OVERLAY = re.compile(r"maxaiconfigs/.*\.([a-z0-9_]+)\.json")


class Format(Enum):
    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


class AffectedSubsystem(GoalSubsystem):
    name = "affected"
    help = (
        "Says what the changes since a commit affect: images, tests, DAGs and deployments. "
        "It needs --changed-since; specs narrow it. The environment variable MAXAI_REGISTRY "
        "(host[:port][/prefix]) names the registry that is asked for the images."
    )

    format = EnumOption(default=Format.TABLE, help="The form of the output.")


class Affected(Goal):
    subsystem_cls = AffectedSubsystem
    environment_behavior = Goal.EnvironmentBehavior.LOCAL_ONLY


@goal_rule
async def affected(
    targets: FilteredTargets,
    changed_options: Changed,
    options: AffectedSubsystem,
    console: Console,
) -> Affected:
    since = changed_options.since
    if not since:
        console.print_stderr(
            "affected: what to compare with is not said; "
            "for example ./pants affected --changed-since=origin/main"
        )
        return Affected(exit_code=1)
    changes = read_changes(since)
    deployments, changed, env = await MultiGet(
        Get(Deployments),
        Get(ChangedTargets, ChangedTargetsRequest(changes)),
        Get(EnvironmentVars, EnvironmentVarsRequest(("MAXAI_REGISTRY",))),
    )
    dependents = await Get(ChangedDependents, ChangedTargets, changed)
    registry = env.get("MAXAI_REGISTRY", "")
    reached = reach(changed.by_file, dependents)

    field_sets = [
        DockerPackageFieldSet.create(target)
        for target in sorted(targets, key=lambda target: target.address)
        if isinstance(target, DockerImageTarget)
    ]
    tagged = await MultiGet(
        Get(TaggedImage, DockerPackageFieldSet, each) for each in field_sets
    )
    names = tuple(each.name for each in tagged)
    found = await Get(FoundImages, ImageLookup(names, registry))

    images = []
    for index, each in enumerate(tagged):
        address = each.field_set.address
        images.append(
            Image(
                address=address.spec,
                repository=each.repository,
                tag=each.tag,
                state=state_of(
                    found.engine[index], found.registry[index], bool(registry)
                ),
                engine=found.engine[index],
                registry=found.registry[index],
                why=shortest_path(address, reached),
            )
        )

    dags = {
        target.address: ".".join(names_of.groups())
        for target in targets
        if target.address in reached
        and (names_of := DAG_FILE.fullmatch(target.address.spec))
    }
    deployed = {
        *dags,
        *(each.address for each in field_sets),
        *(each.address for each in targets if isinstance(each, MarketplaceDeployment)),
    }
    # A DAG that is gone is gone from every deployment that carries its domain.
    gone = {name[1] for name in map(DAG_FILE.fullmatch, changes.deleted) if name}
    report = Report(
        since=since,
        base=changes.base,
        everything=changes.everything,
        images=tuple(images),
        tests=tuple(
            sorted(
                target.address.spec
                for target in targets
                if isinstance(target, PythonTestTarget)
            )
        ),
        dags=tuple(sorted(dags.values())),
        deployments=tuple(
            each.name
            for each in deployments
            if any(map(each.carries, gone))
            or is_affected(each, changed.by_file, dependents, deployed)
        ),
        notes=found.notes,
    )
    if options.format == Format.JSON:
        console.print_stdout(as_json(report))
        for note in found.notes:
            console.print_stderr(f"note: {note}")
    else:
        form = markdown if options.format == Format.MARKDOWN else table
        console.print_stdout(form(report, registry))
    return Affected(exit_code=0)


def state_of(engine: bool | None, registry: bool | None, asked: bool) -> str:
    """What is known of an image; see `Image`."""
    if asked:
        return {True: "identical", False: "changed", None: "unknown"}[registry]
    return {True: "built", False: "changed", None: "unknown"}[engine]


def shortest_path(address: Address, reached: Reached) -> tuple[str, ...]:
    """The way to an address, from a file on; empty if nothing reaches it."""
    path = []
    step: Address | str | None = address if address in reached else None
    while isinstance(step, Address):
        path.append(step.spec)
        step = reached[step]
    return (step, *reversed(path)) if step else ()


def is_affected(
    deployment: Deployment,
    by_file: ByFile,
    dependents: ChangedDependents,
    deployed: Iterable[Address],
) -> bool:
    """Whether the files change what a deployment carries, or the deployment itself.

    An overlay changes its deployment alone.
    """

    def is_carried(address: Address) -> bool:
        if not address.spec_path:
            return address.target_name == deployment.name
        domain = domain_of(f"{address.spec_path}/")
        return domain is None or deployment.carries(domain)

    files = {
        path: addresses
        for path, addresses in by_file.items()
        if not (overlay := _OVERLAY.fullmatch(path)) or overlay[1] == deployment.name
    }
    return not reach(files, dependents).keys().isdisjoint(filter(is_carried, deployed))


def rules() -> Iterable[Any]:
    return collect_rules()
