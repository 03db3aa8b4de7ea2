"""Read the live files of a deployment, now or at an earlier commit."""

from dataclasses import dataclass

from maxaitools.deployments.history import Entry, pick
from maxaitools.deployments.release import Release, parse_live, parse_release
from maxaitools.deployments.repository import Repository


@dataclass(frozen=True)
class Origin:
    """A release in the history of a deployment.

    Attributes:
        name: the deployment.
        entry: the commit.
        live: the files that the commit made live.
    """

    name: str
    entry: Entry
    live: Release


def read_origin(repository: Repository, name: str, commit: str | None) -> Origin:
    """Return the newest commit of a deployment, or the one whose hash starts with `commit`.

    Raises:
        InputError: the commit does not exist or is damaged.
    """
    history = repository.history(name)
    entry = history[0] if commit is None else pick(name, history, commit)
    return Origin(name, entry, read_live(repository, entry))


def read_live(repository: Repository, entry: Entry) -> Release:
    """Return the files that a commit made live."""
    return parse_live(repository.read(entry.commit), f"commit {entry.commit[:12]}")


def read_release(repository: Repository, entry: Entry) -> Release:
    """Return the release of a commit, as it was packaged."""
    where = f"release of commit {entry.commit[:12]}"
    return parse_release(repository.read(entry.release), where)
