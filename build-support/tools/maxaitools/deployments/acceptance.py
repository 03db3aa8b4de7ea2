"""The policy of a deployment: the rules for each change, which --force overrides."""

from collections.abc import Iterator, Sequence

from maxaitools.deployments.branches import Branches, Entry
from maxaitools.deployments.process import find_branch, is_ancestor, is_known
from maxaitools.deployments.record import Record, source_of, sources_of
from maxaitools.deployments.settings import Definition


def find_breaches(
    branches: Branches, to: Definition, new: Record, origin: Record | None
) -> Iterator[str]:
    """Yield a line for each rule that a new record breaks; a promotion has an origin."""
    if to.after and (origin is None or origin["name"] != to.after):
        yield f"it accepts only releases promoted from {to.after}"
    # With --domain, the release that the domains come from counts too.
    whole = origin or new
    checked = [(to.name, new), (to.name, whole), (whole["name"], whole)]
    for name, release in dict.fromkeys((n, each["release"]) for n, each in checked):
        history = branches.history(name) if name in branches.tips else []
        if entry := find_rollback(history, release):
            why = f"{entry.author}, {entry.time}: {entry.reason}"
            yield f"release {release[:12]} was rolled back in {name} ({why})"
    for source in sources_of(new):
        commit = source["commit"]
        if not source["clean"]:
            yield f"files of the release differ from commit {commit[:12]}"
        if not is_known(commit):
            yield f"this clone lacks commit {commit[:12]}; run `git fetch`"
        elif to.branch and not is_ancestor(commit, ref := find_branch(to.branch)):
            # The ref is refs/heads/main or refs/remotes/origin/main.
            where = ref.split("/", 2)[2]
            yield f"commit {commit[:12]} is not on {where}; push it there, or run `git fetch`"
    live = branches.live(to.name) or new
    domains = {*new.get("domains", {}), *live.get("domains", {}), ""}
    moves = {tuple(source_of(r, d)["commit"] for r in (new, live)) for d in domains}
    for commit, now in sorted(moves):
        if commit == now:
            continue
        if not is_known(now):
            yield f"this clone lacks commit {now[:12]}, which is live; run `git fetch`"
        elif is_ancestor(commit, now):
            yield f"commit {commit[:12]} is older than {now[:12]}, which is live"


def find_rollback(history: Sequence[Entry], release: str) -> Entry | None:
    """Return the commit that rolled a release back.

    The result is None if nobody rolled it back, or if somebody deployed it again later.
    """
    for entry, before in zip(history, history[1:]):
        if entry.release == release:
            return None
        if entry.action == "rollback" and before.release == release:
            return entry
    return None
