"""Deploy a release, promote it to another deployment, or roll it back.

A rollback needs only Git and the standard library, so it works when Pants, a registry or the
Docker engine is down.
"""

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from maxairesources.errors import InputError
from maxairesources.tree import TREES
from maxaitools.deployments import acceptance, registry, trees
from maxaitools.deployments.branches import Branches, Entry, pick
from maxaitools.deployments.compare import show_difference
from maxaitools.deployments.process import git, is_ancestor, is_on_branch, read_source
from maxaitools.deployments.record import (
    Record,
    carry_over,
    make_record,
    mix,
    settings_of,
    sources_of,
)
from maxaitools.deployments.settings import Settings, read_settings

# The keys that may sign the commits of a deployment with `signed = true`.
SIGNERS = Path("build-support/allowed_signers")
_STARTED = time.monotonic()


@dataclass(frozen=True)
class Options:
    """The options of a change; `--help` explains them."""

    dry_run: bool = False
    force: bool = False
    reason: str | None = None
    domain: Sequence[str] = ()


@dataclass(frozen=True)
class Change:
    """A change of a deployment.

    Attributes:
        action: deploy, promote or rollback.
        record: the new record.
        origin: the commit that the release comes from, after its deployment if that differs.
        breaches: the breaches of the policy that --force overrides.
    """

    action: str
    record: Record
    origin: str | None = None
    breaches: Sequence[str] = ()


def deploy(branches: Branches, to: Settings, folder: Path, options: Options) -> None:
    """Deploy a release that was packaged from this clone.

    Raises:
        InputError: the policy, the registry or the deployments repository refuses it.
    """
    trees.check_sources(folder)
    release, live = trees.store(folder), branches.live(to.name)
    known = carry_over(trees.read_tags(folder), live)
    new = make_record(to, release, known, read_source())
    breaches = _find_breaches(branches, to, new, None)
    _apply_policy(to.name, breaches, options)
    source = new["source"]["commit"]
    _say(f"{to.name}: release {release[:12]} of commit {source[:12]}")
    if not options.dry_run:
        if unbuilt := registry.find_unbuilt(new):
            _say(f"pushing the images of {', '.join(unbuilt)} to {to.registry}")
        new["images"] = registry.push(new, unbuilt)
    change = Change("deploy", new, breaches=breaches)
    _publish(branches, change, live, options, to.signed)


def promote(
    branches: Branches, name: str, commit: str | None, to: Settings, options: Options
) -> None:
    """Deploy a release from the history of the deployment `name`.

    Raises:
        InputError: the policy, a registry or the deployments repository refuses it.
    """
    history, live = branches.history(name), branches.live(to.name)
    entry = history[0] if commit is None else pick(name, history, commit)
    origin = branches.read(entry.commit)
    _check_signature(branches, name, entry)
    new = make_record(to, origin["release"], origin["images"], origin["source"])
    new |= {"domains": origin["domains"]} if "domains" in origin else {}
    if options.domain:
        new = _mix(to.name, live, new, options) | settings_of(to)
    breaches = _find_breaches(branches, to, new, origin)
    _apply_policy(to.name, breaches, options)
    _say(f"{to.name}: release {new['release'][:12]} of {name} {entry.commit[:12]}")
    if not options.dry_run:
        for image in registry.copy_missing(new, origin):
            _say(f"copied {image} from {origin['registry']}")
    change = Change("promote", new, f"{name} {entry.commit}", breaches)
    _publish(branches, change, live, options, to.signed)


def rollback(branches: Branches, name: str, to: str | None, options: Options) -> None:
    """Make an earlier commit of a deployment live again.

    Args:
        branches: all deployments.
        name: the deployment.
        to: the start of the hash of a commit or release; None means the previous release.
        options: the options of the change.

    Raises:
        InputError: the commit does not exist, or another change was pushed first.
    """
    history = branches.history(name)
    if to is None:
        entry = find_previous(name, history, options.domain)
    else:
        entry = pick(name, [e for e in history if e.get("Action")], to)
    new, live = branches.read(entry.commit), None
    # A rollback replaces a damaged commit too.
    with contextlib.suppress(InputError):
        live = branches.live(name)
    if options.domain:
        new = _mix(name, live, new, options)
    if new == live:
        problem = f"the files of commit {entry.commit[:12]} are already live"
        remedy = f"choose another commit with --to; `history {name}` lists them"
        raise InputError(problem, remedy, name)
    _say(f"{name}: back to commit {entry.commit[:12]}, release {new['release'][:12]}")
    # marketplace.toml may no longer define the deployment.
    signed = getattr(read_settings().get(name), "signed", False)
    _publish(branches, Change("rollback", new, entry.commit), live, options, signed)


def find_previous(
    name: str, history: Sequence[Entry], domains: Sequence[str] = ()
) -> Entry:
    """Return the newest earlier commit that differs from the live one.

    If the live commit is a rollback, the search starts before the commit that it restored.

    Raises:
        InputError: there is none, or the last rollback changed other domains.
    """
    by_commit, live = {each.commit: each for each in history}, history[0]
    while (origin := live.get("From")) in by_commit:
        if {*live.trailers.get("Domain", ())} != {*domains}:
            problem = "the last rollback did not change the same domains"
            raise InputError(problem, "name a commit with --to", name)
        live = by_commit[str(origin)]
    content = _content_of(live, domains)
    for entry in history[history.index(live) + 1 :]:
        if entry.get("Action") and _content_of(entry, domains) != content:
            return entry
    problem = "no other release was live before"
    raise InputError(problem, "deploy another release instead", name)


def _content_of(entry: Entry, domains: Sequence[str]) -> str | None:
    """Return what a commit made live: its release, or the trees of some domains."""
    if not domains:
        return entry.get("Release")
    paths = [f"{tree}/{domain}" for tree in TREES for domain in domains]
    return git("ls-tree", "--full-tree", entry.commit, "--", *paths)


def _mix(name: str, live: Record | None, other: Record, options: Options) -> Record:
    """Return the live record with some domains of another one."""
    if live is None:
        remedy = "leave out --domain to deploy all domains first"
        raise InputError("nothing is live yet", remedy, name)
    releases = (live["release"], other["release"])
    release = trees.replace_domains(*releases, options.domain)
    return mix(live, other, release, options.domain)


def _check_signature(branches: Branches, name: str, entry: Entry) -> None:
    """Raise an InputError if a commit lacks the signature that its deployment needs."""
    settings = read_settings().get(name)
    if settings and settings.signed and branches.unsigned(entry.commit, SIGNERS):
        remedy = f"deploy to {name} again with a key of {SIGNERS}"
        where = f"commit {entry.commit[:12]}"
        raise InputError("it has no valid signature", remedy, where)


def _find_breaches(
    branches: Branches, to: Settings, new: Record, origin: Record | None
) -> list[str]:
    """Return the breaches of the policy; `origin` is the record that is promoted."""
    found: list[str] = []
    live = branches.live(to.name)
    history = branches.history(to.name) if live else []
    # With --domain, the release that the domains come from counts too.
    whole = origin["release"] if origin else new["release"]
    for release in dict.fromkeys((new["release"], whole)):
        found += acceptance.breaches_of_rollback(to.name, history, release)
    if to.after and (origin is None or origin["name"] != to.after):
        found.append(f"it accepts only releases promoted from {to.after}")
    if origin:
        there = branches.history(origin["name"])
        found += acceptance.breaches_of_rollback(origin["name"], there, whole)
    found += acceptance.breaches_of_sources(to, new, live, is_on_branch, is_ancestor)
    return found


def _apply_policy(name: str, breaches: Sequence[str], options: Options) -> None:
    """Raise an InputError for breaches, unless the change is forced: then print them."""
    if breaches and not options.force:
        remedy = "to override it, use --force --reason '...' (the commit records both)"
        raise InputError("; ".join(breaches), remedy, f"policy of {name}")
    for line in breaches:
        _say(f"{name}: overridden: {line}")


def _publish(
    branches: Branches,
    change: Change,
    live: Record | None,
    options: Options,
    sign: bool,
) -> None:
    """Make a change live, unless it changes nothing or is only tried."""
    new, name = change.record, change.record["name"]
    tree = trees.add_record(new["release"], new)
    if live and not change.breaches and is_same(live, new):
        tip = branches.tips[name][:12]
        _say(f"{name}: release {new['release'][:12]} is already live, in commit {tip}")
    elif options.dry_run:
        for line in describe_dry_run(change, options):
            print(line)
        print("\n".join(show_difference(branches.tips.get(name), live, tree, new)))
    else:
        message = make_message(change, options)
        commit = branches.commit(name, tree, message, sign)
        if change.action != "rollback":
            registry.tag_all(new, f"{name}-{commit[:12]}")
        branches.push(name, commit)
        _say(f"{name}: live: commit {commit[:12]}")


def is_same(live: Record, new: Record) -> bool:
    """Return if a deploy would change neither the release, the images nor the source."""
    content = [{**each, "source": None} for each in (live, new)]
    commits = [each["source"]["commit"] for each in (live, new)]
    return (
        content[0] == content[1] and live["source"]["clean"] and is_ancestor(*commits)
    )


def describe_dry_run(change: Change, options: Options) -> list[str]:
    """Return the lines that a dry run prints before the difference."""
    flags = "".join(f"--domain {domain} " for domain in options.domain)
    pin = {"promote": "--commit", "rollback": "--to"}.get(change.action)
    commit = (change.origin or "").split(" ")[-1]
    lines = [f"to do exactly this: {flags}{pin} {commit}"] if pin else []
    return [*lines, f"{change.record['name']}: nothing was changed; this would change:"]


def make_message(change: Change, options: Options) -> str:
    """Return a commit message: a subject for people, then Git trailers for machines."""
    name, release = change.record["name"], change.record["release"]
    part = f"{', '.join(options.domain)} of {name}" if options.domain else name
    subject = {
        "deploy": f"Deploy release {release[:12]} to {name}",
        "promote": f"Promote release {release[:12]} to {name}",
        "rollback": f"Roll {part} back to release {release[:12]}",
    }[change.action]
    keys = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, project, run = (os.environ.get(key) for key in keys)
    trailers = [
        ("Action", change.action),
        ("Release", release),
        *(("Source-Commit", each["commit"]) for each in sources_of(change.record)),
        ("From", change.origin),
        *(("Domain", domain) for domain in options.domain),
        ("Reason", options.reason),
        *(("Overridden", line) for line in change.breaches),
        ("Run", f"{server}/{project}/actions/runs/{run}" if run else None),
    ]
    lines = [f"{key}: {' '.join(value.split())}" for key, value in trailers if value]
    return "\n".join([subject, "", *lines, ""])


def _say(line: str) -> None:
    """Print a step, with the seconds since the start."""
    print(f"{time.monotonic() - _STARTED:6.1f} s  {line}", flush=True)
