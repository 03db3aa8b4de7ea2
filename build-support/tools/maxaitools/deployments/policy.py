"""The policy of a deployment: the rules for each change, which --force overrides.

Each function `breaches_of_...` yields one line for each breach of a rule.
"""

from collections.abc import Callable, Iterator, Sequence

from maxaitools.deployments.deployment import Deployment
from maxaitools.deployments.history import MOVES, Entry
from maxaitools.deployments.release import Release


def find_hold(history: Sequence[Entry]) -> Entry | None:
    """Return the commit that put a deployment on hold, or None if it is not on hold."""
    actions = [each for each in history if each.get("Action") in ("hold", "unhold")]
    return actions[0] if actions and actions[0].get("Action") == "hold" else None


def find_rollback(history: Sequence[Entry], release: str) -> Entry | None:
    """Return the commit that rolled a release back.

    The result is None if nobody rolled it back, or if somebody deployed it again later.
    """
    moves = [each for each in history if each.get("Action") in MOVES]
    for entry, before in zip(moves, moves[1:]):
        if entry.get("Release") == release:
            return None
        if entry.get("Action") == "rollback" and before.get("Release") == release:
            return entry
    return None


def breaches_of_hold(name: str, history: Sequence[Entry]) -> Iterator[str]:
    """Yield a line if a deployment is on hold."""
    if entry := find_hold(history):
        yield f"{name} is on hold until `unhold {name}` ({entry.why})"


def breaches_of_rollback(
    name: str, history: Sequence[Entry], release: str
) -> Iterator[str]:
    """Yield a line if a release was rolled back in a deployment."""
    if entry := find_rollback(history, release):
        yield f"release {release} was rolled back in {name} ({entry.why})"


def breaches_of_origin(
    to: Deployment, release: Release, origin: Release | None
) -> Iterator[str]:
    """Yield a line if a release does not come from the deployment in `after`."""
    before = origin.facts["deployment"] if origin else None
    if to.after and before != to.after:
        yield f"it accepts only releases promoted from {to.after}"
    for domain in sorted({*release.images} - {*origin.images}) if origin else ():
        yield f"{before} does not carry {domain}"


def breaches_of_sources(
    to: Deployment,
    release: Release,
    live: Release | None,
    is_on_branch: Callable[[str, str], bool],
    is_ancestor: Callable[[str, str], bool],
) -> Iterator[str]:
    """Yield a line for each source commit that a deployment does not accept."""
    for commit, clean in release.sources if to.branch else ():
        if not clean:
            yield f"commit {commit[:12]} was deployed with uncommitted changes"
        if not is_on_branch(commit, str(to.branch)):
            yield f"commit {commit[:12]} is not on {to.branch}"
    domains = release.domains & live.domains if live else ()
    moves = {(release.source_of(d), live.source_of(d)) for d in domains if live}
    for commit, now in sorted(moves):
        if commit != now and is_ancestor(commit, now):
            yield f"commit {commit[:12]} is older than {now[:12]}, which is live"
