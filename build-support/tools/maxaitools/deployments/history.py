"""The history of a deployment: the commits on its branch and their Git trailers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from maxairesources.errors import InputError

# The values of the trailer `Action` of the commits that change the live files.
MOVES = ("deploy", "promote", "rollback")
# The format of `git log` that `parse_log` reads: the attributes of `Entry`.
LOG_FIELDS = ("%H", "%P", "%an <%ae>", "%aI", "%s", "%(trailers:only,unfold)")


@dataclass(frozen=True)
class Entry:
    """A commit on the branch of a deployment.

    Attributes:
        commit: its hash.
        parents: the previous commit of the branch, then the commit of the release.
        author: the person who changed the deployment.
        time: in ISO 8601.
        subject: the first line of its message.
        trailers: the values of each Git trailer.
    """

    commit: str
    parents: tuple[str, ...]
    author: str
    time: str
    subject: str
    trailers: Mapping[str, Sequence[str]]

    def get(self, trailer: str) -> str | None:
        """Return the first value of a trailer, or None if the commit lacks it."""
        return next(iter(self.trailers.get(trailer, ())), None)

    @property
    def release(self) -> str:
        """The commit of its release.

        Raises:
            InputError: the commit has no release, or the clone is shallow and lacks it.
        """
        if len(self.parents) < 2:
            problem = "its release is not known in this clone"
            remedy = "choose another commit, or run `git fetch --unshallow`"
            raise InputError(problem, remedy, f"commit {self.commit[:12]}")
        return self.parents[1]

    @property
    def why(self) -> str:
        """Its author, time and reason."""
        return f"{self.author}, {self.time}: {self.get('Reason') or 'no reason given'}"


def parse_log(text: str) -> Iterator[Entry]:
    """Yield the commits that `git log -z` printed with the format `LOG_FIELDS`."""
    size, values = len(LOG_FIELDS), text.split("\0")
    for start in range(0, len(values) - size + 1, size):
        commit, parents, author, time, subject, block = values[start : start + size]
        trailers: dict[str, list[str]] = {}
        for key, _, value in (line.partition(": ") for line in block.splitlines()):
            trailers.setdefault(key, []).append(value)
        yield Entry(commit, tuple(parents.split()), author, time, subject, trailers)


def pick(name: str, entries: Sequence[Entry], prefix: str) -> Entry:
    """Return the newest commit whose hash, or release, starts with a prefix.

    Raises:
        InputError: no commit matches, commits of several releases match, or the prefix has
            fewer than 4 characters.
    """
    hashes = [(each, (each.commit, each.get("Release") or "")) for each in entries]
    found = [e for e, names in hashes if any(n.startswith(prefix) for n in names)]
    if len(prefix) < 4 or len({each.get("Release") for each in found}) != 1:
        problem = f"{prefix!r} does not name one commit or release that was live"
        listed = f"`./pants deployments history {name}`"
        remedy = f"give at least 4 characters of a hash from {listed}"
        raise InputError(problem, remedy, name)
    return found[0]
