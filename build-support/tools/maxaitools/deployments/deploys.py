"""Deploy a release, promote it to another deployment, or roll it back.

A rollback needs only Git and the standard library, so it works when Pants, a registry or the
Docker engine is down. Each function raises an InputError if the policy, a registry or the
deployments repository refuses the change; then the deployment is as before. The options are those
of the command line; `--help` explains them.
"""

import contextlib
import os
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

from maxairesources.errors import InputError
from maxairesources.tree import CONFIGS, DAGS, LIBRARY, PROBLEMS, TREES
from maxaitools.deployments import registry, trees
from maxaitools.deployments.acceptance import find_breaches
from maxaitools.deployments.branches import Branches, Entry, is_signed, pick
from maxaitools.deployments.process import ProcessFailed, find_uncommitted, git
from maxaitools.deployments.process import is_ancestor, package, package_release
from maxaitools.deployments.record import Record, carry_over
from maxaitools.deployments.record import settings_of, source_of, sources_of
from maxaitools.deployments.settings import Definition, find_settings
from maxaitools.deployments.settings import how_to_deploy, must_sign
from maxaitools.steps import say

# The keys that may sign the commits of a deployment with `signed = true`.
SIGNERS = Path("build-support/allowed_signers")


def deploy(options: Namespace) -> None:
    """Deploy a release; without a folder, package it and the images that are missing.

    This clone must be as it was when the release was packaged.
    """
    # The launcher has found them; a release has no DAG of such a domain.
    for problem in os.environ.get(PROBLEMS, "").splitlines():
        where, _, what = problem.partition(": ")
        raise InputError(what, "or delete the domain", where)
    branches, to = Branches(), find_settings(options.name)
    live, folder = branches.live(to.name), options.folder or package_release()
    release = trees.store(folder)
    trees.check_sources(folder)
    known = carry_over(trees.read_images(folder), live)
    if uncommitted := find_uncommitted():
        say(f"{to.name}: differs from the commit: {', '.join(uncommitted[:9])}")
    source = {"commit": git("rev-parse", "HEAD"), "clean": not uncommitted}
    new = {**settings_of(to), "release": release, "images": known, "source": source}
    breaches = _check_policy(branches, to, new, None, options.force)
    say(f"{to.name}: release {release[:12]} of commit {new['source']['commit'][:12]}")
    unbuilt = registry.find_unbuilt(new)
    if targets := [f"maxaiusecases/{domain}:image" for domain in unbuilt]:
        # The workflow Main reads this line.
        say(f"{to.name}: images to push to {to.registry}: {' '.join(targets)}")
    if not options.dry_run:
        if targets and not options.folder:
            package(*targets)
        new["images"] = registry.push(new, unbuilt)
    _publish(branches, options, live, new, breaches=breaches)


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
    say(f"{to.name}: release {new['release'][:12]} of {name} {entry.commit}")
    if not options.dry_run:
        for image in registry.copy_missing(new, origin):
            say(f"copied {image} from {origin['registry']}")
    _publish(branches, options, live, new, f"{name} {entry.commit}", breaches)


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
    say(f"{name}: release {new['release'][:12]}, back to commit {entry.commit}")
    _publish(branches, options, live, new, entry.commit)


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
    raise InputError(problem, f"deploy another one: {how_to_deploy(name)}", name)


def _content_of(entry: Entry, domains: Sequence[str]) -> str:
    """Return what a commit made live: its release, or the trees of some domains."""
    if not domains:
        return entry.release
    paths = [f"{tree}/{domain}" for tree in TREES for domain in domains]
    return git("ls-tree", "--full-tree", entry.commit, "--", *paths)


def _mix(name: str, live: Record | None, other: Record, options: Namespace) -> Record:
    """Return the live record with the images and the sources of some domains of another."""
    if live is None:
        remedy = "leave out --domain to deploy all domains first"
        raise InputError("nothing is live yet", remedy, name)
    domains, releases = options.domain, (live["release"], other["release"])
    images = {d: image for d, image in live["images"].items() if d not in domains}
    images |= {d: image for d, image in other["images"].items() if d in domains}
    sources = live.get("domains", {}) | {d: source_of(other, d) for d in domains}
    release = trees.replace_domains(*releases, domains)
    return {**live, "release": release, "images": images, "domains": sources}


def _check_policy(
    branches: Branches, to: Definition, new: Record, origin: Record | None, force: bool
) -> list[str]:
    """Return the breaches of the policy; raise an InputError unless they are forced."""
    breaches = [*find_breaches(branches, to, new, origin)]
    if breaches and not force:
        remedy = "to override it, use --force --reason '...' (the commit records both)"
        raise InputError("; ".join(breaches), remedy, f"policy of {to.name}")
    for line in breaches:
        say(f"{to.name}: overridden: {line}")
    return breaches


def _publish(
    branches: Branches,
    options: Namespace,
    live: Record | None,
    new: Record,
    origin: str = "",
    breaches: Sequence[str] = (),
) -> None:
    """Make a new record live, unless it changes nothing or is only tried.

    `origin` is the commit that the release comes from, after its deployment if that differs.
    """
    name, tree = new["name"], trees.add_record(new["release"], new)
    is_same = (
        live and {**live, "source": new["source"]} == new and live["source"]["clean"]
    )
    commits = [each["source"]["commit"] for each in (live or new, new)]
    if is_same and not breaches and is_ancestor(*commits):
        tip = branches.tips[name][:12]
        say(f"{name}: release {new['release'][:12]} is already live, in commit {tip}")
    elif options.dry_run:
        print(f"{name}: nothing was changed; this would change:")
        print("\n".join(show_difference(branches.tips.get(name), live, tree, new)))
    else:
        message = make_message(options, new, origin, breaches)
        commit = branches.commit(name, tree, message, must_sign(name))
        if options.run is not rollback:
            registry.tag_all(new, f"{name}-{commit[:12]}")
        branches.push(name, commit)
        say(f"{name}: live: commit {commit[:12]}")


def make_message(
    options: Namespace, record: Record, origin: str, breaches: Sequence[str]
) -> str:
    """Return a commit message: a subject for people, then Git trailers for machines."""
    name, release, action = record["name"], record["release"], options.run.__name__
    part = f"{', '.join(options.domain)} of {name}" if options.domain else name
    subject = f"{action.capitalize()} release {release[:12]} to {name}"
    if options.run is rollback:
        subject = f"Roll {part} back to release {release[:12]}"
    keys = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, project, run = (os.environ.get(key) for key in keys)
    trailers = [
        ("Action", action),
        ("Release", release),
        *(("Source-Commit", each["commit"]) for each in sources_of(record)),
        ("From", origin),
        *(("Domain", domain) for domain in options.domain),
        ("Reason", options.reason),
        *(("Overridden", line) for line in breaches),
        ("Run", f"{server}/{project}/actions/runs/{run}" if run else None),
    ]
    lines = [f"{key}: {' '.join(value.split())}" for key, value in trailers if value]
    return "\n".join([subject, "", *lines, ""])


def show_difference(
    old_tree: str | None, old: Record | None, new_tree: str, new: Record
) -> Iterator[str]:
    """Yield the lines that show what changes if one commit or tree replaces another one.

    Each side has its record; None means that nothing was deployed before.
    """
    before = old["release"][:12] if old else "nothing"
    yield f"release {before} -> {new['release'][:12]}"
    was, now = old["images"] if old else {}, new["images"]
    for domain in sorted({*was, *now}):
        tags = [each.get(domain, {}).get("tag", "nothing") for each in (was, now)]
        if was.get(domain) != now.get(domain):
            yield f"image {domain} {tags[0][:12]} -> {tags[1][:12]}"
    for key in ("paused", "data_root", "registry"):
        if old and old[key] != new[key]:
            yield f"{key} {old[key]} -> {new[key]}"
    if old:
        commits = (each["source"]["commit"] for each in (old, new))
        # This clone may lack the commits.
        with contextlib.suppress(ProcessFailed):
            yield git("log", "--format=commit %h %s", "..".join(commits))
    start = old_tree or git("mktree")
    diff = ("diff", "--no-color", "--no-ext-diff", "--no-renames")
    yield git(*diff, "--stat=100", start, new_tree)
    # The summary has the images, and the release has the content of a new file.
    yield git(*diff, "--diff-filter=M", start, new_tree, "--", CONFIGS, DAGS, LIBRARY)
