"""The goal `affected`: the images, tests, DAGs and deployments that a change affects, and why.

It selects the same targets as every goal with `--changed-since`: the tests that `test` runs
and the images that `package` builds. It reads sources alone, and asks neither engine nor registry.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from enum import Enum
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Mapping, Optional

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
from marketplace.graph import Deployments
from marketplace.selection import Selection
from marketplace.tags import TaggedImage, parse_lock, without_comments
from maxairesources.launches import merge, named_tasks
from maxairesources.tree import CONFIGS, DAG_FILE, USECASES, dag_id, json_path, SETTINGS

# Returns the content of a file, or None if it is missing.
Read = Callable[[str], Optional[str]]
Names = tuple[str, ...]
Report = Mapping[str, Any]

# The groups are the path of a config without its ending, and the deployment of an overlay.
CONFIG = re.compile(rf"({CONFIGS}/.+/[^/.]+)(?:\.([a-z0-9_]+))?\.json")
_LOCK = re.compile(f"{USECASES}/[^/]+/requirements[.]lock")
# A comment on GitHub has at most 65,536 characters.
_LINES, _WIDTH = 500, 110


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
    compared = (partial(read_before, changes.base), read_now, changes.files)
    report = {
        "since": changes.since,
        # The merge base, from which the changes count.
        "base": changes.base,
        # The changed files that affect everything.
        "everything": changes.everything,
        # The names of the images, DAGs and files that change in each deployment.
        "deployments": _find_deployments(
            selection, deployments, {**images, **dags}, others
        ),
        # By name, each with a shortest path to it: a changed file, then its dependents.
        "images": explain(images),
        "dags": {**explain(dags), **deleted},
        "tests": explain(tests),
        # The values that differ in configs, and the packages that differ in locks.
        "configs": [*compare_configs(*compared, deployments)],
        "packages": [*compare_locks(*compared)],
    }
    printers = dict(zip(Format, (as_text, as_json, as_markdown)))
    console.print_stdout(printers[options.format](report))
    return Affected(exit_code=0)


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


@dataclass(frozen=True)
class Difference:
    """A value of a config or a package of a lock that differs between two commits.

    Attributes:
        file: the config or lock.
        place: the JSON path in the config, or the package in the lock.
        before: the value at the first commit, as JSON, or the version; None if missing.
        after: the value at the second commit.
        deployments: the deployments whose DAGs see this difference; () for a lock.
    """

    file: str
    place: str
    before: str | None
    after: str | None
    deployments: Names = ()


def compare_configs(
    before: Read, after: Read, files: Iterable[str], deployments: Iterable[str]
) -> Iterator[Difference]:
    """Yield the values that differ in at least one of the deployments.

    `before` and `after` read a file at one of the commits; `files` are those that differ.
    """
    configs = {f"{f[1]}.json": None for f in map(CONFIG.fullmatch, files) if f}
    for path in configs:
        seen: dict[tuple[str, str | None, str | None], Names] = {}
        for name in deployments:
            old, new = (_read_values(each, path, name) for each in (before, after))
            # One line for a new or deleted config says more than all of its values.
            if not (old and new):
                old, new = (each and {"$": "a config"} for each in (old, new))
            for difference in _compare(old, new):
                seen[difference] = (*seen.get(difference, ()), name)
        yield from (Difference(path, *each, names) for each, names in seen.items())


def compare_locks(
    before: Read, after: Read, files: Iterable[str]
) -> Iterator[Difference]:
    """Yield the packages whose versions or hashes differ in the locks of domains."""
    for path in filter(_LOCK.fullmatch, files):
        texts = (without_comments(read(path) or "") for read in (before, after))
        for name, *entries in sorted(_compare(*map(parse_lock, texts))):
            was, now = (e and e.split()[0].partition("==")[2] for e in entries)
            same = f"{now} with other hashes"
            yield Difference(path, name, was, same if was == now else now)


def _compare(
    old: Mapping[str, str], new: Mapping[str, str]
) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield each key whose value differs, with the value before and after."""
    for key in {**old, **new}:
        if old.get(key) != new.get(key):
            yield key, old.get(key), new.get(key)


def _read_values(read: Read, path: str, deployment: str) -> dict[str, str]:
    """Return the values of a config with the overlay of a deployment, by JSON path."""
    text, overlay = read(path), read(f"{path[:-5]}.{deployment}.json")
    if text is None:
        return {}
    try:
        config = merge(json.loads(text), json.loads(overlay or "{}"))
    except (RecursionError, ValueError):
        return {"$": "not valid JSON"}
    tasks = named_tasks(config)
    # Tasks without a unique name for each stay a list.
    by_name = {name: task for name, task in tasks if isinstance(name, str)}
    if tasks and len(by_name) == len(tasks):
        config["tasks"] = by_name
    return dict(_flatten(config))


def _flatten(value: Any, *path: str) -> Iterator[tuple[str, str]]:
    """Yield the JSON path of each value in objects; a list is one value, as in an overlay."""
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from _flatten(below, *path, key)
    else:
        yield json_path(path), json.dumps(value, ensure_ascii=False)


def as_json(report: Report) -> str:
    """Return the report in JSON."""
    return json.dumps(report, indent=2, default=asdict)


def as_markdown(report: Report) -> str:
    """Return the report as a comment on a pull request.

    Names and values come from the pull request, so all lines are in an indented code block: GitHub
    then reads no Markdown, HTML or mention in them.
    """
    lines = as_text(report).split("\n")
    if len(lines) > _LINES:
        more = f"... and {len(lines) - _LINES} more lines: run ./pants affected"
        lines[_LINES:] = [more]
    short = (f"    {line[:_WIDTH]}{'...' * (len(line) > _WIDTH)}" for line in lines)
    return "\n".join(["### What this change deploys", "", *short])


def as_text(report: Report) -> str:
    """Return the report for a terminal: sections with a title."""
    what = "Nothing that is built, tested or deployed"
    if report["everything"]:
        what = "Everything"
    elif any(report[key] for key in ("deployments", "images", "dags", "tests")):
        what = "The following"
    sections = {
        f"{what} is affected": [
            f"since {report['since']} (merge base {report['base'][:12]})",
            *(f"because of {path}" for path in report["everything"]),
        ],
        "deployments": [
            f"{name}: {', '.join(map(_short, names))}"
            for name, names in report["deployments"].items()
        ],
        "images": [*_explain(report["images"])],
        "config values": [*_show(report["configs"])],
        "packages": [*_show(report["packages"])],
        "DAGs": [*_explain(report["dags"])],
        "tests": [*_explain(report["tests"])],
    }
    return "\n\n".join(
        "\n  ".join([title, *map(_printable, lines)])
        for title, lines in sections.items()
        if lines
    )


def _short(name: str) -> str:
    """Return a name with a short content tag."""
    return re.sub("(:[0-9a-f]{12})[0-9a-f]{52}$", r"\1", name)


def _explain(items: Mapping[str, Names]) -> Iterator[str]:
    for name, (first, *steps) in items.items():
        yield _short(name)
        if first != name:
            yield f"    because of {first}"
            # The last step is the item itself.
            yield from (f"        -> {step}" for step in steps[:-1])


def _show(differences: Iterable[Difference]) -> Iterator[str]:
    """Yield both sides of each difference, from a little before where they part."""
    grouped = groupby(differences, attrgetter("file", "deployments"))
    for (file, deployments), found in grouped:
        yield f"{file} ({', '.join(deployments)})" if deployments else file
        for each in found:
            common = os.path.commonprefix([each.before or "", each.after or ""])
            start = max(len(common) - 25, 0)
            sides = (
                "not set" if side is None else f"{'...' * bool(start)}{side[start:]}"
                for side in (each.before, each.after)
            )
            yield f"    {each.place}: {' -> '.join(sides)}"


def _printable(line: str) -> str:
    """Return a line with escapes for characters that could hide a change."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in line
    )


def rules() -> Iterable[Any]:
    return collect_rules()
