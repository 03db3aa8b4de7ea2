"""The commit that a deploy is of, and what git says of it and others."""

import getpass
import os
import subprocess
from dataclasses import dataclass

from maxairesources.errors import InputError


@dataclass(frozen=True)
class Commit:
    """What is checked out.

    Attributes:
        sha: the commit.
        dirty: whether there is anything that is not committed.
    """

    sha: str
    dirty: bool


def read_commit() -> Commit:
    """Return what is checked out.

    Raises:
        InputError: this is no checkout.
    """
    done = _git("rev-parse", "--verify", "HEAD")
    if done.returncode:
        problem = (done.stderr.strip().splitlines() or ["git failed"])[-1]
        raise InputError(problem, "run it in a clone that has a commit", "git")
    return Commit(done.stdout.strip(), bool(_git("status", "--porcelain").stdout))


def is_on_branch(sha: str, branch: str) -> bool:
    """Return whether a commit is on a branch, as the remote has it if there is one.

    Raises:
        InputError: the branch is unknown here.
    """
    for ref in (f"refs/remotes/origin/{branch}", f"refs/heads/{branch}"):
        if _git("rev-parse", "--verify", "--quiet", ref).returncode == 0:
            return is_ancestor(sha, ref)
    raise InputError(f"there is no branch {branch!r} here", "git fetch origin", "git")


def is_ancestor(sha: str, of: str) -> bool:
    """Return whether a commit is another one or one of its ancestors; no if unknown."""
    return _git("merge-base", "--is-ancestor", sha, of).returncode == 0


def commits_between(old: str, new: str, *paths: str) -> list[str]:
    """Return a line for each commit after one and up to another that changed paths.

    There is none where one of the two is unknown here.
    """
    done = _git("log", "--format=%h %s", f"{old}..{new}", "--", *paths)
    return done.stdout.splitlines() if done.returncode == 0 else []


def who() -> str:
    """Return who is at it: the user of a workflow, of git or of this machine."""
    return (
        os.environ.get("GITHUB_ACTOR")
        or _git("config", "user.email").stdout.strip()
        or getpass.getuser()
    )


def _git(*arguments: str) -> "subprocess.CompletedProcess[str]":
    try:
        # What the caller's git says must not depend on the caller's language.
        environment = {**os.environ, "LC_ALL": "C"}
        command = ["git", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment)
    except FileNotFoundError:
        raise InputError("is not installed", "install it", "git") from None
