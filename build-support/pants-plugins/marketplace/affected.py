"""The goal `affected`: the images, tests, DAGs and deployments that a change affects, and why.

It selects the same targets as every goal with `--changed-since`: the tests that `test` runs
and the images that `package` builds. It reads sources alone, and asks neither engine nor registry.
"""

from __future__ import annotations

import contextlib
import json
import re
from enum import Enum
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Iterable, Mapping

from pants.backend.docker.target_types import DockerImageTarget
from pants.backend.python.target_types import PythonTestTarget
from pants.base.build_environment import get_buildroot
from pants.engine.addresses import Address
from pants.engine.console import Console
from pants.engine.goal import Goal, GoalSubsystem
from pants.engine.rules import Get, MultiGet, collect_rules, goal_rule
from pants.engine.target import FilteredTargets, Target
from pants.option.option_types import EnumOption
from pants.vcs.changed import Changed

from marketplace.changes import Changes, read_before, read_changes
from marketplace.report import CONFIG, Names, Report, as_json, as_markdown, as_text
from marketplace.report import Read, compare_configs, compare_locks
from marketplace.selection import Selection
from marketplace.tags import TaggedImage
from maxairesources.domains import read_owners
from maxairesources.lineage import find_edges, find_readers, find_uses, read_uses
from maxairesources.tree import CONFIGS, DAG_FILE, DOMAIN_CONFIG, PY_CONFIG, SETTINGS
from maxairesources.tree import dag_id, path_of

# The group is the objective.
_PY_CONFIG = re.compile(f"{CONFIGS}/([^/]+/[^/]+/[^/]+)/{PY_CONFIG}")


class Format(Enum):
    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


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
    selection = await Get(Selection, Changes, changes)
    tagged = await MultiGet(
        Get(TaggedImage, Address, target.address)
        for target in targets
        if isinstance(target, DockerImageTarget)
    )
    images = {each.field_set.address: each.name for each in tagged}
    # The tool `deployments` checks the file; CPython 3.9 has no parser for it.
    names = r"^\[deployments\.([a-z][a-z0-9_]*)\]"
    deployments = sorted(re.findall(names, read_now(SETTINGS) or "", re.M))
    report = _report(changes, selection, targets, images, deployments)
    printers = dict(zip(Format, (as_text, as_json, as_markdown)))
    console.print_stdout(printers[options.format](report))
    return Affected(exit_code=0)


def _report(
    changes: Changes,
    selection: Selection,
    targets: Iterable[Target],
    images: Mapping[Address, str],
    deployments: list[str],
) -> Report:
    tests, dags = {}, {}
    for target in targets:
        name = name_of(target.address)
        if isinstance(target, PythonTestTarget):
            tests[target.address] = name
        elif found := DAG_FILE.fullmatch(name):
            dags[target.address] = dag_id(*found.groups())
    reached = selection.reached(sorted(selection.by_file))

    def explain(names: Mapping[Address, str]) -> dict[str, Names]:
        return {names[each]: shortest_path(each, reached) for each in sorted(names)}

    # They have no targets.
    deleted = {
        f"{dag_id(*found.groups())} (deleted)": (found[0],)
        for found in map(DAG_FILE.fullmatch, changes.deleted)
        if found
    }
    # The first two define all deployments.
    others = [*({"BUILD", SETTINGS} & {*changes.files}), *deleted]
    affected = _find_deployments(selection, deployments, {**images, **dags}, others)
    # Each deployment is compared, and all of them read the same file.
    before = lru_cache(None)(partial(read_before, changes.base))
    compared = (before, read_now, changes.files)
    dag_files = {*(each.filename for each in dags), *changes.deleted}
    objectives = [*filter(None, map(DAG_FILE.fullmatch, sorted(dag_files)))]
    return {
        "since": changes.since,
        # The merge base, from which the changes count.
        "base": changes.base,
        # The changed files that affect everything.
        "everything": changes.everything,
        # The names of the images, DAGs and files that change in each deployment.
        "deployments": affected,
        # By name, each with a shortest path to it: a changed file, then its dependents.
        "images": explain(images),
        "dags": {**explain(dags), **deleted},
        "tests": explain(tests),
        # The DAGs that read, directly or not, what those above write.
        "readers": _find_readers(objectives, changes, before),
        # The values that differ in configs, and the packages that differ in locks.
        "configs": [*compare_configs(*compared, deployments)],
        "packages": [*compare_locks(*compared)],
    }


def _find_readers(
    objectives: Iterable[re.Match[str]], changes: Changes, before: Read
) -> dict[str, Names]:
    """Return a table that each reader reads, the DAG that writes it, and the reader's owners."""
    names = ["/".join(found.groups()) for found in objectives]
    uses = read_uses(Path(get_buildroot())) if names else []
    # Others may still read what is not written any more.
    files = changes.files if names else ()
    for found in filter(None, map(_PY_CONFIG.fullmatch, files)):
        with contextlib.suppress(AttributeError, ValueError, RecursionError):
            uses += find_uses(found[1], json.loads(before(found[0]) or "{}"))
    readers = {}
    for reader, (written, read) in sorted(
        find_readers(find_edges(uses), names).items()
    ):
        domain = read_now(path_of(CONFIGS, reader.split("/")[:1], DOMAIN_CONFIG)) or ""
        writer = dag_id(*written.objective.split("/"))
        owners = read_owners(domain.encode())
        readers[dag_id(*reader.split("/"))] = (read.address, writer, *owners)
    return readers


def read_now(path: str) -> str | None:
    """Return the content of a file of this clone; None if it is missing."""
    file = Path(get_buildroot(), path)
    return file.read_text(errors="replace") if file.is_file() else None


def _find_deployments(
    selection: Selection,
    deployments: Iterable[str],
    names: Mapping[Address, str],
    others: list[str],
) -> dict[str, Names]:
    """Return the names of what changes in each deployment; `others` change in all."""
    result = {}
    for deployment in deployments:
        # An overlay affects only its own deployment.
        files = (
            path
            for path in selection.by_file
            if not (config := CONFIG.fullmatch(path)) or config[2] in (None, deployment)
        )
        found = selection.reached(files).keys() & names.keys()
        if found or others:
            result[deployment] = (*sorted(names[each] for each in found), *others)
    return result


def name_of(address: Address) -> str:
    """Return the path of a file's target, and the address of any other target."""
    return address.filename if address.is_file_target else address.spec


def shortest_path(address: Address, reached: Mapping[Address, Any]) -> Names:
    """Return a shortest path from a changed file to an address that it reaches."""
    path, step = [], address
    while isinstance(step, Address):
        path.append(name_of(step))
        step = reached[step]
    # A file and its target often have the same name.
    return tuple(dict.fromkeys((step, *reversed(path))))


def rules() -> Iterable[Any]:
    return collect_rules()
