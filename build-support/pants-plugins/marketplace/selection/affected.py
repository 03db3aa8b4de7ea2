"""The goal `affected`: the images, tests, DAGs and deployments that a change affects, and why.

It selects the same targets as every goal with `--changed-since`: the tests that `test` runs
and the images that `package` builds. It reads sources alone, and asks neither engine nor registry.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, Iterable, Mapping

from pants.backend.docker.goals.package_image import DockerPackageFieldSet
from pants.backend.docker.target_types import DockerImageTarget
from pants.backend.python.target_types import PythonTestTarget
from pants.engine.addresses import Address
from pants.engine.console import Console
from pants.engine.goal import Goal, GoalSubsystem
from pants.engine.rules import Get, MultiGet, collect_rules, goal_rule, rule
from pants.engine.target import FilteredTargets, Target
from pants.option.option_types import EnumOption
from pants.vcs.changed import Changed

from marketplace.graph.deployments import Deployment, Deployments, MarketplaceDeployment
from marketplace.release.image_tags import TaggedImage
from marketplace.selection.changed_targets import (
    ByFile,
    ChangedTargets,
    ChangedTargetsRequest,
)
from marketplace.selection.changes import Changes, read_changes
from marketplace.selection.comment import markdown
from marketplace.selection.dependents import ChangedDependents, Reached, reach
from marketplace.selection.differences import find_differences
from marketplace.selection.report import AffectedDeployment, AffectedImage, Report
from maxairesources.tree import CONFIGS, DAG_FILE, dag_id

_OVERLAY = re.compile(rf"{CONFIGS}/.*\.([a-z0-9_]+)\.json")


class Format(Enum):
    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


class AffectedSubsystem(GoalSubsystem):
    name = "affected"
    help = (
        "Lists the images, tests, DAGs and deployments that the changes since a commit "
        "affect. It needs --changed-since; specs narrow it."
    )

    format = EnumOption(
        default=Format.TABLE,
        help=(
            "The format of the output. `markdown` is a comment on a pull request; it also "
            "has the config values and packages that change."
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
    """

    since: str
    changes: Changes
    targets: tuple[Target, ...]


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
    changes = read_changes(since)
    report, deployments = await MultiGet(
        Get(Report, ReportRequest(since, changes, tuple(targets))), Get(Deployments)
    )
    if options.format == Format.JSON:
        console.print_stdout(json.dumps(asdict(report), indent=2))
    elif options.format == Format.MARKDOWN:
        console.print_stdout(markdown(report, find_differences(changes, deployments)))
    else:
        console.print_stdout(report.table())
    return Affected(exit_code=0)


@rule
async def make_report(request: ReportRequest) -> Report:
    targets, changes = request.targets, request.changes
    deployments, changed = await MultiGet(
        Get(Deployments), Get(ChangedTargets, ChangedTargetsRequest(changes))
    )
    dependents = await Get(ChangedDependents, ChangedTargets, changed)
    reached = reach(changed.by_file, dependents)
    tagged = await MultiGet(
        Get(TaggedImage, DockerPackageFieldSet, DockerPackageFieldSet.create(target))
        for target in sorted(targets, key=lambda target: target.address)
        if isinstance(target, DockerImageTarget)
    )
    images = {each.field_set.address: each for each in tagged}
    files_of = find_causes(images, changed.by_file, dependents)
    dags = {
        target.address: dag_id(*found.groups())
        for target in targets
        if target.address in reached
        and target.address.is_file_target
        and (found := DAG_FILE.fullmatch(target.address.filename))
    }
    names = {address: image.repository for address, image in images.items()}
    deployed = {
        *dags,
        *images,
        *(t.address for t in targets if isinstance(t, MarketplaceDeployment)),
    }
    tests = (each for each in targets if isinstance(each, PythonTestTarget))
    return Report(
        since=request.since,
        base=changes.base,
        everything=changes.everything,
        images=describe_images(images, reached, files_of),
        tests=tuple(sorted(name_of(test.address) for test in tests)),
        dags=tuple(sorted(dags.values())),
        deployments=tuple(
            AffectedDeployment(
                each.name,
                tuple(sorted(names[a] for a in carried if a in names)),
                tuple(sorted(dags[a] for a in carried if a in dags)),
            )
            for each in deployments
            if (carried := find_carried(each, changed.by_file, dependents, deployed))
            # A deleted DAG affects each deployment.
            or any(map(DAG_FILE.fullmatch, changes.deleted))
        ),
    )


def describe_images(
    images: Mapping[Address, TaggedImage],
    reached: Reached,
    files_of: Mapping[Address, tuple[str, ...]],
) -> tuple[AffectedImage, ...]:
    """Return the images with the files that affect each of them."""
    return tuple(
        AffectedImage(
            image.repository,
            image.tag,
            shortest_path(address, reached),
            files_of[address],
        )
        for address, image in images.items()
    )


def name_of(address: Address) -> str:
    """Return the path of a file's target, and the address of any other target."""
    return address.filename if address.is_file_target else address.spec


def shortest_path(address: Address, reached: Reached) -> tuple[str, ...]:
    """Return a shortest path from a file to an address; () if no file reaches it."""
    path = []
    step: Address | str | None = address if address in reached else None
    while isinstance(step, Address):
        path.append(name_of(step))
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
        return bool(address.spec_path) or address.target_name == deployment.name

    files = {
        path: addresses
        for path, addresses in by_file.items()
        if not (overlay := _OVERLAY.fullmatch(path)) or overlay[1] == deployment.name
    }
    return reach(files, dependents).keys() & set(filter(is_carried, deployed))


def rules() -> Iterable[Any]:
    return collect_rules()
