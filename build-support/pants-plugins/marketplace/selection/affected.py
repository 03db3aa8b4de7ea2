"""The goal `affected`: the images, tests, DAGs and deployments that a change affects, and why.

It selects the same targets as every goal with `--changed-since`: the tests that `test` runs
and the images that `package` builds.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Iterable

from pants.backend.docker.goals.package_image import DockerPackageFieldSet
from pants.backend.docker.target_types import DockerImageTarget
from pants.backend.python.target_types import PythonTestTarget
from pants.engine.addresses import Address
from pants.engine.console import Console
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.goal import Goal, GoalSubsystem
from pants.engine.rules import Get, MultiGet, collect_rules, goal_rule, rule
from pants.engine.target import FilteredTargets, Target
from pants.option.option_types import EnumOption
from pants.vcs.changed import Changed

from marketplace.graph.deployments import Deployment, Deployments, MarketplaceDeployment
from marketplace.release.image_tags import TaggedImage
from marketplace.selection.affected_report import (
    AffectedDeployment,
    AffectedImage,
    Report,
    as_json,
    table,
)
from marketplace.selection.changed_targets import (
    ByFile,
    ChangedTargets,
    ChangedTargetsRequest,
)
from marketplace.selection.changes import Changes, read_changes
from marketplace.selection.comment import markdown
from marketplace.selection.dag_structures import (
    DagStructures,
    DagStructuresRequest,
    find_files,
)
from marketplace.selection.dependents import ChangedDependents, Reached, reach
from marketplace.selection.differences import (
    compare_dags,
    find_differences,
    read_live_sizes,
)
from marketplace.selection.image_lookup import FoundImages, ImageLookup
from maxairesources.tree import CONFIGS, DAG_FILE, dag_id, domain_of

_OVERLAY = re.compile(rf"{CONFIGS}/.*\.([a-z0-9_]+)\.json")


class Format(Enum):
    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


class AffectedSubsystem(GoalSubsystem):
    name = "affected"
    help = (
        "Lists the images, tests, DAGs and deployments that the changes since a commit "
        "affect. It needs --changed-since; specs narrow it. It asks the registry in the "
        "environment variable MAXAI_REGISTRY (host[:port][/prefix]) for the images."
    )

    format = EnumOption(
        default=Format.TABLE,
        help=(
            "The format of the output. `markdown` is a comment on a pull request; it also "
            "has the config values, packages, tasks and schedules that change, and the owners."
        ),
    )


class Affected(Goal):
    subsystem_cls = AffectedSubsystem
    environment_behavior = Goal.EnvironmentBehavior.LOCAL_ONLY


@dataclass(frozen=True)
class ReportRequest:
    """Asks which of the targets some changes affect.

    Attributes:
        since: the value of `--changed-since`.
        changes: the changes since then.
        targets: the targets that the changes and the specs select.
        registry: the registry to ask for the images, or an empty string.
    """

    since: str
    changes: Changes
    targets: tuple[Target, ...]
    registry: str


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
            "affected: --changed-since is missing; for example, run "
            "./pants affected --changed-since=origin/main"
        )
        return Affected(exit_code=1)
    env = await Get(EnvironmentVars, EnvironmentVarsRequest(("MAXAI_REGISTRY",)))
    registry = env.get("MAXAI_REGISTRY", "")
    changes = read_changes(since)
    report, deployments = await MultiGet(
        Get(Report, ReportRequest(since, changes, tuple(targets), registry)),
        Get(Deployments),
    )
    if options.format == Format.JSON:
        console.print_stdout(as_json(report))
        for note in report.notes:
            console.print_stderr(f"note: {note}")
    elif options.format == Format.MARKDOWN:
        places = (*changes.files, *(image.address for image in report.images))
        domains = {dag.partition(".")[0] for dag in report.dags}
        domains |= {*filter(None, (domain_of(p.replace(":", "/")) for p in places))}
        differences = find_differences(changes, deployments, domains)
        files, names = find_files(changes, report.dags), deployments.names
        structures = await Get(
            DagStructures, DagStructuresRequest(changes.base, files, names)
        )
        if structures.problem:
            note = f"the DAGs were not compared: {structures.problem}"
            report = replace(report, notes=(*report.notes, note))
        before, after = map(json.loads, (structures.before, structures.after))
        dags = compare_dags(before, after, deployments)
        live = read_live_sizes(report)
        differences = replace(differences, dags=tuple(dags), live=live)
        console.print_stdout(markdown(report, differences))
    else:
        console.print_stdout(table(report, registry))
    return Affected(exit_code=0)


async def _describe_images(
    targets: Iterable[Target],
    registry: str,
    reached: Reached,
    by_file: ByFile,
    dependents: ChangedDependents,
) -> tuple[tuple[AffectedImage, ...], tuple[str, ...]]:
    """Return the images among the targets, and notes about failed lookups."""
    tagged = await MultiGet(
        Get(TaggedImage, DockerPackageFieldSet, DockerPackageFieldSet.create(target))
        for target in sorted(targets, key=lambda target: target.address)
        if isinstance(target, DockerImageTarget)
    )
    names = tuple(each.name for each in tagged)
    found = await Get(FoundImages, ImageLookup(names, registry))
    files_of = find_causes(
        [each.field_set.address for each in tagged], by_file, dependents
    )
    images = tuple(
        AffectedImage(
            address=each.field_set.address.spec,
            repository=each.repository,
            tag=each.tag,
            state=state_of(in_engine, in_registry, bool(registry)),
            engine=in_engine,
            registry=in_registry,
            why=shortest_path(each.field_set.address, reached),
            files=files_of[each.field_set.address],
            size=size,
        )
        for each, in_engine, in_registry, size in zip(
            tagged, found.engine, found.registry, found.sizes
        )
    )
    return images, found.notes


@rule
async def make_report(request: ReportRequest) -> Report:
    targets, changes = request.targets, request.changes
    deployments, changed = await MultiGet(
        Get(Deployments), Get(ChangedTargets, ChangedTargetsRequest(changes))
    )
    dependents = await Get(ChangedDependents, ChangedTargets, changed)
    reached = reach(changed.by_file, dependents)
    images, notes = await _describe_images(
        targets, request.registry, reached, changed.by_file, dependents
    )
    dags = {
        target.address: dag_id(*names.groups())
        for target in targets
        if target.address in reached
        and (names := DAG_FILE.fullmatch(target.address.spec))
    }
    repositories = {image.address: image.repository for image in images}
    deployed = {
        *dags,
        *(
            target.address
            for target in targets
            if isinstance(target, (DockerImageTarget, MarketplaceDeployment))
        ),
    }
    # A deleted DAG affects each deployment that carries its domain.
    gone = {name[1] for name in map(DAG_FILE.fullmatch, changes.deleted) if name}
    tests = (each for each in targets if isinstance(each, PythonTestTarget))
    return Report(
        since=request.since,
        base=changes.base,
        everything=changes.everything,
        images=images,
        tests=tuple(sorted(test.address.spec for test in tests)),
        dags=tuple(sorted(dags.values())),
        deployments=tuple(
            AffectedDeployment(
                each,
                tuple(
                    sorted(
                        repositories[a.spec] for a in found if a.spec in repositories
                    )
                ),
                tuple(sorted(dags[a] for a in found if a in dags)),
            )
            for each in deployments
            if (found := find_carried(each, changed.by_file, dependents, deployed))
            or any(map(each.carries, gone))
        ),
        notes=notes,
    )


def state_of(engine: bool | None, registry: bool | None, asked: bool) -> str:
    """Return the state of an image, as `AffectedImage` describes it."""
    if asked:
        return {True: "identical", False: "changed", None: "unknown"}[registry]
    return {True: "built", False: "changed", None: "unknown"}[engine]


def shortest_path(address: Address, reached: Reached) -> tuple[str, ...]:
    """Return a shortest path from a file to an address; () if no file reaches it."""
    path = []
    step: Address | str | None = address if address in reached else None
    while isinstance(step, Address):
        path.append(step.spec)
        step = reached[step]
    return (step, *reversed(path)) if step else ()


def find_causes(
    addresses: Iterable[Address], by_file: ByFile, dependents: ChangedDependents
) -> dict[Address, tuple[str, ...]]:
    """Return the files that affect each of some images."""
    dependencies: dict[Address, list[Address]] = defaultdict(list)
    for address, found in dependents.mapping.items():
        for dependent in found:
            dependencies[dependent].append(address)
    causes = {}
    for address in addresses:
        below = reach({"": [address]}, ChangedDependents(dependencies)).keys()
        causes[address] = tuple(
            path for path in sorted(by_file) if not below.isdisjoint(by_file[path])
        )
    return causes


def find_carried(
    deployment: Deployment,
    by_file: ByFile,
    dependents: ChangedDependents,
    deployed: Iterable[Address],
) -> set[Address]:
    """Return what the files change of a deployment: itself, and the images and DAGs in it.

    An overlay affects only its own deployment.

    Args:
        deployment: the deployment.
        by_file: the changed targets by file.
        dependents: the targets that depend on the changed ones.
        deployed: the addresses of the images, DAGs and deployments that the specs select.
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
    return reach(files, dependents).keys() & set(filter(is_carried, deployed))


def rules() -> Iterable[Any]:
    return collect_rules()
