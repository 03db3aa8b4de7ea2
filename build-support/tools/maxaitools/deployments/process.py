"""Run other programs: the one module of this tool that starts processes."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence

from maxairesources.errors import InputError

# A registry or a Git server may be slow, but an unattended deploy must end.
_TIMEOUT = 1800


def hide_password(text: str) -> str:
    """Return a text without the user and password of the URLs in it."""
    return re.sub(r"//[^/\s]*@", "//", text)


class ProcessFailed(Exception):
    """A program failed: `stderr` without passwords, and `reason`, its line of the cause."""

    def __init__(self, command: Sequence[str], stderr: str) -> None:
        self.stderr = hide_password(stderr)
        lines = [*filter(None, map(str.strip, self.stderr.splitlines()))]
        causes = [line for line in lines if re.match("fatal: |error: |remote: ", line)]
        self.reason = (causes or lines[-1:] or [f"{command[0]} failed"])[0]
        super().__init__(f"{' '.join(command[:2])}: {self.reason}")


def run(
    command: Sequence[str],
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    folder: str | None = None,
) -> bytes:
    """Run a program to its end, and return its standard output.

    Args:
        command: the program and its arguments.
        stdin: its standard input.
        env: its environment; None means that of this process.
        folder: the folder to run it in.

    Raises:
        InputError: it is not installed, or does not end.
        ProcessFailed: its exit code is not 0.
    """
    try:
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            env=_environment() if env is None else env,
            cwd=folder,
            timeout=_TIMEOUT,
        )
    except FileNotFoundError:
        advice = "install it: build-support/setup"
        raise InputError("is not installed", advice, command[0]) from None
    except subprocess.TimeoutExpired:
        problem = f"did not end within {_TIMEOUT} seconds"
        raise InputError(problem, "check the network", command[0]) from None
    if done.returncode:
        raise ProcessFailed(command, done.stderr.decode(errors="replace"))
    return done.stdout


def git(*arguments: str, stdin: bytes = b"", **variables: str) -> str:
    """Run git in the current folder with more environment variables; see `run`."""
    printed = run(["git", *arguments], stdin, _environment() | variables)
    return printed.decode(errors="surrogateescape").strip("\n")


def _environment() -> dict[str, str]:
    # Messages are parsed, so they must not depend on the user's language.
    return {**os.environ, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}


def is_ancestor(commit: str, of: str) -> bool:
    """Return whether a commit is another one or its ancestor; no if one is unknown."""
    try:
        git("merge-base", "--is-ancestor", commit, of)
    except ProcessFailed:
        return False
    return True


def is_on_branch(commit: str, branch: str) -> bool:
    """Return whether a commit is on a branch, as the remote has it if it is known here."""
    refs = (f"refs/remotes/origin/{branch}", f"refs/heads/{branch}")
    known = [ref for ref in refs if is_ancestor(ref, ref)]
    if not known:
        raise InputError(
            f"there is no branch {branch!r} here", "git fetch origin", "git"
        )
    return is_ancestor(commit, known[0])


def read_source() -> dict[str, object]:
    """Return the commit that is checked out, and whether it is clean: all is committed."""
    commit = git("rev-parse", "--verify", "HEAD")
    clean = not git("status", "--porcelain", "--untracked-files=normal")
    return {"commit": commit, "clean": clean}


def read_log(old: str, new: str, *paths: str) -> list[str]:
    """Return a line for each commit after one, up to another, that changed some paths."""
    try:
        return git("log", "--format=%h %s", f"{old}..{new}", "--", *paths).splitlines()
    except ProcessFailed:
        return []
