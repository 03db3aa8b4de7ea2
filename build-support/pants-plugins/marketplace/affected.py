"""The goal `affected`: the images, tests, DAGs and deployments that a change affects, and why.

It selects the same targets as every goal with `--changed-since`: the tests that `test` runs
and the images that `package` builds. It reads sources alone, and asks neither engine nor registry.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any, Iterable, Mapping, Sequence

from pants.backend.docker.target_types import DockerImageTarget
from pants.backend.python.target_types import PythonTestTarget
from pants.base.build_environment import get_buildroot
from pants.engine.addresses import Address
from pants.engine.console import Console
from pants.engine.goal import Goal, GoalSubsystem
from pants.engine.rules import Get, MultiGet, collect_rules, goal_rule
from pants.engine.target import FilteredTargets
from pants.option.option_types import EnumOption
from pants.vcs.changed import Changed

from marketplace.changes import Changes, read_before, read_changes
from marketplace.graph import SETTINGS, Deployments
from marketplace.report import (
    CONFIG,
    Report,
    as_json,
    as_markdown,
    as_text,
    compare_configs,
    compare_dags,
    compare_locks,
)
from marketplace.selection import Selection
from marketplace.tags import TaggedImage
from maxairesources.tree import DAG_FILE, dag_id


class Format(Enum):
    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


_PRINTERS = dict(zip(Format, (as_text, as_json, as_markdown)))


class AffectedSubsystem(GoalSubsystem):
    name = "affected"
    help = (
        "Lists the images, tests, DAGs and deployments that the changes since a commit "
        "affect, and why. It needs --changed-since; specs narrow it."
    )

    format = EnumOption(
        default=Format.TEXT,
        help="The format of the output; `markdown` is a comment on a pull request.",
    )


class Affected(Goal):
    subsystem_cls = AffectedSubsystem
    environment_behavior = Goal.EnvironmentBehavior.LOCAL_ONLY


@goal_rule
async def affected(
    targets: FilteredTargets,
    changed: Changed,
    options: AffectedSubsystem,
    console: Console,
) -> Affected:
    if not changed.since:
        console.print_stderr(
            "affected: --changed-since is missing; for example, run "
            "./pants affected --changed-since=origin/main"
        )
        return Affected(exit_code=1)
    changes = read_changes(changed.since)
    selection, deployments = await MultiGet(
        Get(Selection, Changes, changes), Get(Deployments)
    )
    tagged = await MultiGet(
        Get(TaggedImage, Address, target.address)
        for target in targets
        if isinstance(target, DockerImageTarget)
    )
    images = {each.field_set.address: each.name for each in tagged}
    tests, dags = {}, {}
    for target in targets:
        name = name_of(target.address)
        if isinstance(target, PythonTestTarget):
            tests[target.address] = name
        elif found := DAG_FILE.fullmatch(name):
            dags[target.address] = dag_id(*found.groups())
    reached = selection.reached(sorted(selection.by_file))
    image_paths, dag_paths, test_paths = (
        {names[each]: shortest_path(each, reached) for each in sorted(names)}
        for names in (images, dags, tests)
    )
    compared = _compare(changes, deployments)
    affected = _find_deployments(
        selection,
        deployments,
        {**images, **dags},
        # The first two define all deployments.
        bool({"BUILD", SETTINGS} & {*changes.files} or compared["deleted"]),
    )
    report = Report(
        changes.since,
        changes.base,
        changes.everything,
        affected,
        image_paths,
        dag_paths,
        test_paths,
        **compared,
    )
    console.print_stdout(_PRINTERS[options.format](report))
    return Affected(exit_code=0)


def _compare(changes: Changes, deployments: Sequence[str]) -> dict[str, Any]:
    """Return the objectives, values and packages that differ, as fields of a report."""

    def after(path: str) -> str | None:
        file = Path(get_buildroot(), path)
        return file.read_text(errors="replace") if file.is_file() else None

    def before(path: str) -> str | None:
        return read_before(changes.base, path) if path in changes.files else after(path)

    files = changes.files
    new, deleted = compare_dags(before, after, files)
    # One line for a new or deleted objective says more than all of its values.
    configs = compare_configs(before, after, files, deployments, (*new, *deleted))
    packages = tuple(compare_locks(before, after, files))
    return dict(new=new, deleted=deleted, configs=tuple(configs), packages=packages)


def _find_deployments(
    selection: Selection,
    deployments: Sequence[str],
    names: Mapping[Address, str],
    is_affected: bool,
) -> dict[str, tuple[str, ...]]:
    """Return the affected deployments, each with the names of the targets that it gets."""
    result = {}
    for deployment in deployments:
        # An overlay affects only its own deployment.
        files = (
            path
            for path in selection.by_file
            if not (config := CONFIG.fullmatch(path)) or config[3] in (None, deployment)
        )
        found = selection.reached(files).keys()
        carried = tuple(sorted(names[each] for each in found & names.keys()))
        if carried or is_affected:
            result[deployment] = carried
    return result


def name_of(address: Address) -> str:
    """Return the path of a file's target, and the address of any other target."""
    return address.filename if address.is_file_target else address.spec


def shortest_path(address: Address, reached: Mapping[Address, Any]) -> tuple[str, ...]:
    """Return a shortest path from a file to an address; () if no file reaches it."""
    path: list[str] = []
    step = address if address in reached else None
    while isinstance(step, Address):
        path.append(name_of(step))
        step = reached[step]
    # A file and its target often have the same name.
    return tuple(dict.fromkeys((step, *reversed(path)))) if step else ()


def rules() -> Iterable[Any]:
    return collect_rules()
