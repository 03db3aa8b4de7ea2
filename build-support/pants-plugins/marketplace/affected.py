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

from marketplace.affected_report import Image, Report, as_json, markdown, table
from marketplace.changed_targets import (
    ByFile,
    ChangedDependents,
    ChangedTargets,
    ChangedTargetsRequest,
    Reached,
    reach,
)
from marketplace.changes import read_changes
from marketplace.domain_files import DEPLOYMENTS
from marketplace.image_lookup import FoundImages, ImageLookup
from marketplace.image_tags import TaggedImage

_DAG = re.compile(r"maxaidags/([^/]+)/([^/]+)/([^/]+)/dag\.py")
_OVERLAY = re.compile(rf"maxaiconfigs/.*\.({'|'.join(DEPLOYMENTS)})\.json")


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
    changed, env = await MultiGet(
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
        and (names_of := _DAG.fullmatch(target.address.spec))
    }
    deployed = {*dags, *(each.address for each in field_sets)}
    deployments = find_deployments(changed.by_file, dependents, deployed)
    if any(map(_DAG.fullmatch, changes.deleted)):
        # A DAG that is gone is gone from every deployment.
        deployments = DEPLOYMENTS
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
        deployments=deployments,
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


def find_deployments(
    by_file: ByFile,
    dependents: ChangedDependents,
    deployed: set[Address],
) -> tuple[str, ...]:
    """Where the deployed DAGs and images change: an overlay changes its deployment alone."""
    files_of: dict[str, dict[str, Iterable[Address]]] = {}
    for path, addresses in by_file.items():
        overlay = _OVERLAY.fullmatch(path)
        files_of.setdefault(overlay[1] if overlay else "", {})[path] = addresses
    changed = {
        name
        for name, files in files_of.items()
        if not deployed.isdisjoint(reach(files, dependents))
    }
    return tuple(name for name in DEPLOYMENTS if {name, ""} & changed)


def rules() -> Iterable[Any]:
    return collect_rules()
