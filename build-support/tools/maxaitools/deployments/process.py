"""Run other programs: only this module starts processes in the tool `deployments`."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from maxairesources.errors import InputError
from maxairesources.tree import SOURCES, UNTRACKED


def hide_password(text: str) -> str:
    """Return a string without the user names and passwords of the URLs in it."""
    return re.sub(r"//[^/\s]*@", "//", text)


class ProcessFailed(Exception):
    """A program failed.

    Attributes:
        stderr: the standard error of the program, without passwords.
        reason: the line of it that names the cause.
    """

    def __init__(self, command: Sequence[str], stderr: str) -> None:
        self.stderr = hide_password(stderr)
        lines = [*filter(None, map(str.strip, self.stderr.splitlines()))]
        causes = [line for line in lines if re.match("fatal: |error: |remote: ", line)]
        self.reason = (causes or lines[-1:] or [f"{command[0]} failed"])[0]
        super().__init__(f"{' '.join(command[:2])}: {self.reason}")


def run(command: Sequence[str], stdin: bytes = b"", **variables: str) -> str:
    """Run a program with more environment variables, and return its standard output.

    Raises:
        InputError: the program is not installed.
        ProcessFailed: the exit code is not 0.
    """
    # This tool parses messages, so they must not depend on the user's language.
    fixed = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            env={**os.environ, **fixed, **variables},
        )
    except FileNotFoundError:
        remedy = "install it: build-support/setup"
        raise InputError("is not installed", remedy, command[0]) from None
    if done.returncode:
        raise ProcessFailed(command, done.stderr.decode(errors="replace"))
    return done.stdout.decode(errors="surrogateescape").strip("\n")


def package(*addresses: str) -> None:
    """Package targets with Pants, which prints its progress."""
    command = ["./pants", "package", *addresses]
    # With this variable of the launcher, Pants would parse all BUILD files again.
    if subprocess.run(["env", "-u", "PYTHONPATH", *command]).returncode:
        raise ProcessFailed(command, "")


def package_release() -> Path:
    """Package the release with Pants, and return its folder."""
    releases = Path("dist/release")
    # Another release may be there, but only that of this commit can be deployed.
    shutil.rmtree(releases, ignore_errors=True)
    package("//:release")
    (folder,) = releases.iterdir()
    return folder


def git(*arguments: str, stdin: bytes = b"", **variables: str) -> str:
    """Run git in the current folder; see `run`."""
    return run(["git", *arguments], stdin, **variables)


def succeeds(*arguments: str) -> bool:
    """Return if a git command succeeds."""
    try:
        git(*arguments)
    except ProcessFailed:
        return False
    return True


def is_ancestor(commit: str, of: str) -> bool:
    """Return if this clone has two commits, and the first is the second or an ancestor of it."""
    return succeeds("merge-base", "--is-ancestor", commit, of)


def is_known(commit: str) -> bool:
    """Return if this clone has a commit."""
    return succeeds("cat-file", "-e", f"{commit}^{{commit}}")


def find_branch(branch: str) -> str:
    """Return the name of the ref of a branch of origin; if that is missing, of this clone.

    Raises:
        InputError: neither of the two branches exists.
    """
    names = (f"refs/heads/{branch}", f"refs/remotes/origin/{branch}")
    known = git("for-each-ref", "--format=%(refname)", *names).split()
    if not known:
        problem = f"this clone has no branch {branch!r}"
        raise InputError(problem, "run `git fetch origin`", "git")
    return known[-1]


def find_uncommitted() -> list[str]:
    """Return the files of this clone that may differ from the checked-out commit.

    Besides changes, they are files that Pants reads and `git status` leaves out: ignored files,
    those in an untracked clone, those outside a sparse checkout, and those that
    `git update-index --assume-unchanged` names.
    """
    changed = git("status", "--porcelain", "-z", "--no-renames", "--untracked-files=no")
    listed = ("ls-files", "-z", "-v", "--", *SOURCES)
    unseen = [line[2:] for line in git(*listed).split("\0") if line[:1] not in "H"]
    files = [line[3:] for line in changed.split("\0")] + git(*UNTRACKED).split("\0")
    return sorted({*filter(None, (*files, *unseen))})
