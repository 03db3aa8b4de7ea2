"""The policy of a deployment: the rules for each change, which --force overrides.

Each function yields one line for each breach of a rule.
"""

from collections.abc import Callable, Iterator, Sequence

from maxaitools.deployments.branches import Entry
from maxaitools.deployments.record import Record, source_of, sources_of
from maxaitools.deployments.settings import Settings

Question = Callable[[str, str], bool]


def find_rollback(history: Sequence[Entry], release: str) -> Entry | None:
    """Return the commit that rolled a release back.

    The result is None if nobody rolled it back, or if somebody deployed it again later.
    """
    for entry, before in zip(history, history[1:]):
        if entry.get("Release") == release:
            return None
        if entry.get("Action") == "rollback" and before.get("Release") == release:
            return entry
    return None


def breaches_of_rollback(
    name: str, history: Sequence[Entry], release: str
) -> Iterator[str]:
    """Yield a line if a release was rolled back in a deployment."""
    if entry := find_rollback(history, release):
        yield f"release {release[:12]} was rolled back in {name} ({entry.why})"


def breaches_of_sources(
    to: Settings,
    new: Record,
    live: Record | None,
    is_on_branch: Question,
    is_ancestor: Question,
) -> Iterator[str]:
    """Yield a line for each source commit that a deployment does not accept."""
    for source in sources_of(new) if to.branch else ():
        commit = source["commit"]
        if not source["clean"]:
            yield f"commit {commit[:12]} was deployed with uncommitted changes"
        if not is_on_branch(commit, str(to.branch)):
            yield f"commit {commit[:12]} is not on {to.branch}"
    if live is None:
        return
    domains = {*new.get("domains", {}), *live.get("domains", {}), ""}
    moves = {
        (source_of(new, d)["commit"], source_of(live, d)["commit"]) for d in domains
    }
    for commit, now in sorted(moves):
        if commit != now and is_ancestor(commit, now):
            yield f"commit {commit[:12]} is older than {now[:12]}, which is live"
