"""Deploy a release, promote it to another deployment, or roll it back.

A rollback needs only Git and the standard library, so it works when Pants, a registry or the
Docker engine is down. Each function raises an InputError if the policy, a registry or the
deployments repository refuses the change; then the deployment is as before. The options are those
of the command line; `--help` explains them.
"""

import contextlib
import os
import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from maxairesources.errors import InputError
from maxairesources.tree import TREES
from maxaitools.deployments import registry, trees
from maxaitools.deployments.acceptance import find_breaches
from maxaitools.deployments.branches import Branches, Entry, is_signed, pick
from maxaitools.deployments.compare import show_difference
from maxaitools.deployments.process import git, is_ancestor, read_source
from maxaitools.deployments.record import Record, carry_over, make_record, mix
from maxaitools.deployments.record import settings_of, sources_of
from maxaitools.deployments.settings import Definition, find_settings, must_sign

# The keys that may sign the commits of a deployment with `signed = true`.
SIGNERS = Path("build-support/allowed_signers")
_STARTED = time.monotonic()


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


def deploy(options: Namespace) -> None:
    """Deploy a packaged release.

    This clone must be as it was when the release was packaged.
    """
    branches, to = Branches(), find_settings(options.name)
    release, live = trees.store(options.folder), branches.live(to.name)
    trees.check_sources(options.folder)
    known = carry_over(trees.read_tags(options.folder), live)
    new = make_record(to, release, known, read_source())
    breaches = _check_policy(branches, to, new, None, options.force)
    _say(f"{to.name}: release {release[:12]} of commit {new['source']['commit'][:12]}")
    if not options.dry_run:
        if unbuilt := registry.find_unbuilt(new):
            _say(f"pushing the images of {', '.join(unbuilt)} to {to.registry}")
        new["images"] = registry.push(new, unbuilt)
    _publish(branches, Change("deploy", new, None, breaches), live, options)


def promote(options: Namespace) -> None:
    """Deploy the release that is live in another deployment."""
    branches, to, name = Branches(), find_settings(options.name), options.source
    history, live = branches.history(name), branches.live(to.name)
    entry = pick(name, history, options.commit) if options.commit else history[0]
    origin = branches.read(entry.commit)
    if must_sign(name) and not is_signed(entry.commit, SIGNERS):
        remedy = f"deploy to {name} again with a key of {SIGNERS}"
        raise InputError("it has no valid signature", remedy, f"commit {entry.commit}")
    new = origin | settings_of(to)
    if options.domain:
        new = _mix(to.name, live, origin, options) | settings_of(to)
    breaches = _check_policy(branches, to, new, origin, options.force)
    _say(f"{to.name}: release {new['release'][:12]} of {name} {entry.commit}")
    if not options.dry_run:
        for image in registry.copy_missing(new, origin):
            _say(f"copied {image} from {origin['registry']}")
    change = Change("promote", new, f"{name} {entry.commit}", breaches)
    _publish(branches, change, live, options)


def rollback(options: Namespace) -> None:
    """Make the previous release, or an earlier commit, live again."""
    branches, name, live = Branches(), options.name, None
    history = branches.history(name)
    if options.to is None:
        entry = find_previous(name, history, options.domain)
    else:
        entry = pick(name, [each for each in history if each.action], options.to)
    # A rollback replaces a damaged commit too.
    with contextlib.suppress(InputError):
        live = branches.live(name)
    new = branches.read(entry.commit)
    if options.domain:
        new = _mix(name, live, new, options)
    if new == live:
        problem = f"the files of commit {entry.commit[:12]} are already live"
        remedy = f"choose another commit with --to; `history {name}` lists them"
        raise InputError(problem, remedy, name)
    _say(f"{name}: release {new['release'][:12]}, back to commit {entry.commit}")
    _publish(branches, Change("rollback", new, entry.commit), live, options)


def find_previous(
    name: str, history: Sequence[Entry], domains: Sequence[str] = ()
) -> Entry:
    """Return the newest earlier commit that differs from the live one.

    If the live commit is a rollback, the search starts before the commit that it restored.

    Raises:
        InputError: there is none, or the last rollback changed other domains.
    """
    by_commit, live = {each.commit: each for each in history}, history[0]
    while live.origin in by_commit:
        if {*live.domains.split()} != {*domains}:
            problem = "the last rollback did not change the same domains"
            raise InputError(problem, "name a commit with --to", name)
        live = by_commit[live.origin]
    content = _content_of(live, domains)
    for entry in history[history.index(live) + 1 :]:
        if entry.action and _content_of(entry, domains) != content:
            return entry
    problem = "no other release was live before"
    raise InputError(problem, "deploy another release instead", name)


def _content_of(entry: Entry, domains: Sequence[str]) -> str:
    """Return what a commit made live: its release, or the trees of some domains."""
    if not domains:
        return entry.release
    paths = [f"{tree}/{domain}" for tree in TREES for domain in domains]
    return git("ls-tree", "--full-tree", entry.commit, "--", *paths)


def _mix(name: str, live: Record | None, other: Record, options: Namespace) -> Record:
    """Return the live record with some domains of another one."""
    if live is None:
        remedy = "leave out --domain to deploy all domains first"
        raise InputError("nothing is live yet", remedy, name)
    releases = (live["release"], other["release"])
    release = trees.replace_domains(*releases, options.domain)
    return mix(live, other, release, options.domain)


def _check_policy(
    branches: Branches, to: Definition, new: Record, origin: Record | None, force: bool
) -> list[str]:
    """Return the breaches of the policy; raise an InputError unless they are forced."""
    breaches = [*find_breaches(branches, to, new, origin)]
    if breaches and not force:
        remedy = "to override it, use --force --reason '...' (the commit records both)"
        raise InputError("; ".join(breaches), remedy, f"policy of {to.name}")
    for line in breaches:
        _say(f"{to.name}: overridden: {line}")
    return breaches


def _publish(
    branches: Branches, change: Change, live: Record | None, options: Namespace
) -> None:
    """Make a change live, unless it changes nothing or is only tried."""
    new, name = change.record, change.record["name"]
    tree = trees.add_record(new["release"], new)
    is_same = (
        live and {**live, "source": new["source"]} == new and live["source"]["clean"]
    )
    commits = [each["source"]["commit"] for each in (live or new, new)]
    if is_same and not change.breaches and is_ancestor(*commits):
        tip = branches.tips[name][:12]
        _say(f"{name}: release {new['release'][:12]} is already live, in commit {tip}")
    elif options.dry_run:
        print(f"{name}: nothing was changed; this would change:")
        print("\n".join(show_difference(branches.tips.get(name), live, tree, new)))
    else:
        message = make_message(change, options)
        commit = branches.commit(name, tree, message, must_sign(name))
        if change.action != "rollback":
            registry.tag_all(new, f"{name}-{commit[:12]}")
        branches.push(name, commit)
        _say(f"{name}: live: commit {commit[:12]}")


def make_message(change: Change, options: Namespace) -> str:
    """Return a commit message: a subject for people, then Git trailers for machines."""
    name, release = change.record["name"], change.record["release"]
    part = f"{', '.join(options.domain)} of {name}" if options.domain else name
    subject = f"{change.action.capitalize()} release {release[:12]} to {name}"
    if change.action == "rollback":
        subject = f"Roll {part} back to release {release[:12]}"
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
