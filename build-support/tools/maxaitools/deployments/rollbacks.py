"""Roll a deployment back, or put it on hold.

These changes need only Git and the standard library. So they also work when Pants, a
registry or the Docker engine is down.
"""

from collections.abc import Sequence

from maxairesources.errors import InputError
from maxaitools.deployments import policy, registry
from maxaitools.deployments.history import MOVES, Entry, pick
from maxaitools.deployments.live import read_live, read_release
from maxaitools.deployments.publish import (
    Options,
    apply_policy,
    commit_and_push,
    describe,
    make_message,
    say,
)
from maxaitools.deployments.release import Release, mix, replace_domains
from maxaitools.deployments.repository import Repository


def rollback(
    repository: Repository, name: str, to: str | None, options: Options
) -> Release:
    """Make the files of an earlier commit live again, and return them.

    Args:
        repository: the deployments repository.
        name: the deployment.
        to: the start of the hash of a commit or release; None means the previous release.
        options: the options of the change.

    Raises:
        InputError: the commit does not exist, the deployment is on hold, or another change
            was pushed first.
    """
    history = repository.history(name)
    breaches = [*policy.breaches_of_hold(name, history)]
    apply_policy(name, breaches, options)
    target = find_earlier(repository, name, history, to, options.domain)
    new, release = read_live(repository, target), target.release
    tree = repository.tree_of(target.commit)
    if options.domain:
        base, other = (read_release(repository, each) for each in (history[0], target))
        mixed = replace_domains(base, other, options.domain)
        live = read_live(repository, history[0])
        new = mix(live, new, mixed.id, options.domain)
        release = repository.commit_release(mixed.id, mixed.files)
        tree = repository.write(new.files)
    if tree == repository.tree_of(history[0].commit):
        problem = f"the files of commit {target.commit[:12]} are already live"
        remedy = f"choose another commit with --to; `history {name}` lists them"
        raise InputError(problem, remedy, name)
    say(f"{name}: back to commit {target.commit[:12]}, release {new.id}")
    if options.dry_run:
        print(f"to do exactly this: {options.domain_flags}--to {target.commit}")
        return new
    rolled = f"{', '.join(options.domain)} of {name}" if options.domain else name
    subject = f"Roll {rolled} back to release {new.id}"
    trailers = [("Action", "rollback"), *describe(new), ("From", target.commit)]
    message = make_message(subject, trailers, breaches, options)
    commit_and_push(repository, name, tree, [release], message)
    # This comes last, since a registry may be slow or down.
    try:
        references = [image.reference for image in new.images.values()]
        for line in registry.describe_missing(references):
            say(f"warning: {line}")
    except InputError as error:
        say(f"warning: the images were not checked ({error})")
    return new


def find_earlier(
    repository: Repository,
    name: str,
    history: Sequence[Entry],
    to: str | None,
    domains: Sequence[str],
) -> Entry:
    """Return the commit that a rollback makes live again.

    With `to`, it is the commit or release whose hash starts with `to`. Otherwise, it is the
    newest earlier commit that differs from the live one. If the live commit is a rollback,
    the search starts before the commit that it restored.

    Raises:
        InputError: the commit does not exist, or the previous release is ambiguous.
    """
    moves = {e.commit: e for e in history if e.get("Action") in MOVES}
    if to is not None:
        return pick(name, [*moves.values()], to)
    # This tool did not make a commit that has no action.
    live = next(e for e in [*history, history[0]] if e.get("Action") in (None, *MOVES))
    while live.get("From") in moves and not domains:
        if live.get("Domain"):
            problem = "the last rollback changed only some domains"
            raise InputError(problem, "name a commit with --to", name)
        live = moves[str(live.get("From"))]
    later = [*moves].index(live.commit) + 1 if live.commit in moves else 0
    for entry in [*moves.values()][later:]:
        if domains:
            old, new = (
                repository.list_domains(e.commit, domains) for e in (entry, live)
            )
        else:
            old, new = (e.get("Release") or "" for e in (entry, live))
        if old != new:
            return entry
    problem = "no other release was live before"
    raise InputError(problem, "deploy another release instead", name)


def hold(repository: Repository, name: str, options: Options, *, on: bool) -> None:
    """Put a deployment on hold if `on` is true, or else end the hold.

    Raises:
        InputError: the deployment is already in this state, or another change was pushed
            first.
    """
    tip, *earlier = repository.history(name)
    entry = policy.find_hold([tip, *earlier])
    if (entry is not None) == on:
        state = f"already on hold: {entry.why}" if entry else "not on hold"
        raise InputError(f"it is {state}", "see `./pants deployments status`", name)
    action, verb = ("hold", "Hold") if on else ("unhold", "End the hold of")
    kept = [(key, tip.get(key)) for key in ("Release", "Source-Commit")]
    message = make_message(f"{verb} {name}", [("Action", action), *kept], [], options)
    if options.dry_run:
        say(f"{name}: nothing was changed; this would be committed: {message}")
        return
    tree = repository.tree_of(tip.commit)
    commit_and_push(repository, name, tree, tip.parents[1:], message)
