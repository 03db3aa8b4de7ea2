"""Reads what is live in the deployments, as far as this clone has their branches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from maxairesources.errors import InputError
from maxairesources.tree import DAG_FILE, DAGS, LIBRARY, NAME, TREES, domain_of
from maxaitools.deployments.branches import Entry, read_entries, read_tips
from maxaitools.deployments.process import ProcessFailed, git, is_ancestor, is_known
from maxaitools.deployments.record import RECORD_FILE, Record, parse_record
from maxaitools.deployments.record import source_of, sources_of

# The branches of the clone's origin; those that ./pants deployments fetched may be newer.
_ORIGIN = "refs/remotes/origin/deploy/"
# Files that neither an image nor a release has.
_NO_SOURCES = (":(exclude)*_test.py", ":(exclude)*/BUILD", ":(exclude)*.md")


@dataclass(frozen=True)
class Live:
    """What is live in a deployment.

    Attributes:
        problem: the reason if nothing is known.
        entries: its commits, the newest first.
        record: the live deployment.json.
        deployed: the time of the last commit that changed the DAG, the configs or the image
            of an objective, by the objective's path.
        changed: the status and path of each file that differs from the sources here.
        unknown: the source commits that this clone lacks.
    """

    problem: str = ""
    entries: Sequence[Entry] = ()
    record: Record = field(default_factory=dict)
    deployed: Mapping[str, str] = field(default_factory=dict)
    changed: Sequence[str] = ()
    unknown: Sequence[str] = ()


def read_live(names: Sequence[str]) -> dict[str, Live]:
    """Return what is live in each of these deployments, and in others with a branch."""
    try:
        tips = read_tips(_ORIGIN)
        for name, tip in read_tips().items():
            if name not in tips or is_ancestor(tips[name], tip):
                tips[name] = tip
    except (InputError, ProcessFailed) as error:
        return dict.fromkeys(names, Live(f"its branch cannot be read: {error}"))
    found = {}
    for name in dict.fromkeys([*names, *filter(NAME.fullmatch, sorted(tips))]):
        found[name] = Live("no branch here; run ./pants deployments status")
        try:
            if name in tips:
                found[name] = _read(tips[name])
        except (InputError, ProcessFailed) as error:
            found[name] = Live(str(error))
    return found


def _read(tip: str) -> Live:
    record = parse_record(git("show", f"{tip}:{RECORD_FILE}"), f"commit {tip[:12]}")
    commits = dict.fromkeys(each["commit"] for each in sources_of(record))
    unknown = [commit for commit in commits if not is_known(commit)]
    changed = []
    for commit in commits.keys() - unknown:
        diff = ("diff", "--no-renames", "--name-status", commit, "--")
        for line in _git(*diff, *TREES, LIBRARY, *_NO_SOURCES).splitlines():
            domain = domain_of(line.partition("\t")[2]) or ""
            if source_of(record, domain)["commit"] == commit:
                changed.append(line)
    entries, deployed = read_entries(tip), _find_deploys(tip)
    return Live("", entries, record, deployed, sorted(changed), unknown)


def _find_deploys(tip: str) -> dict[str, str]:
    """Return the live objectives, each with the time of the last commit that changed it."""
    log = ("log", "--first-parent", "--diff-merges=first-parent", "--no-renames")
    style = ("--name-only", "--date=format-local:%F %R UTC", "--format=%x00%ad%d")
    times: dict[str, str] = {}
    for commit in git(*log, *style, tip, TZ="UTC").split("\0")[1:]:
        time, *paths = commit.split("\n")
        # A shallow clone has none of the commits before this one.
        time, _, names = time.partition(" (")
        time += " or before" if names.startswith("grafted") else ""
        for path in paths:
            # The domain has its image, the usecase its launch configs.
            times.setdefault("/".join(path.split("/")[1:-1][:3]), time)
    dags = _git("ls-tree", "-r", "--name-only", tip, "--", DAGS).splitlines()
    found = [each.groups() for each in map(DAG_FILE.fullmatch, dags) if each]
    return {
        "/".join(names): max(times.get("/".join(names[:n]), "") for n in (1, 2, 3))
        for names in found
    }


def _git(*arguments: str) -> str:
    return git("-c", "core.quotePath=off", *arguments)
