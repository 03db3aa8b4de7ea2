"""The steps that all changes of a deployment share: policy, commit message and push."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from maxairesources.errors import InputError
from maxaitools.deployments.deployment import read_all
from maxaitools.deployments.release import Release
from maxaitools.deployments.repository import Repository

_STARTED = time.monotonic()


@dataclass(frozen=True)
class Options:
    """The options of a change; `--help` explains them."""

    dry_run: bool = False
    force: bool = False
    reason: str | None = None
    domain: Sequence[str] = ()
    trust_registry: bool = False
    checked: str | None = None

    @property
    def domain_flags(self) -> str:
        """The options that select the same domains again."""
        return "".join(f"--domain {domain} " for domain in self.domain)


def say(line: str) -> None:
    """Print a step, with the seconds since the start."""
    print(f"{time.monotonic() - _STARTED:6.1f} s  {line}", flush=True)


def apply_policy(name: str, breaches: Sequence[str], options: Options) -> None:
    """Print the breaches of a policy if the change is forced.

    Raises:
        InputError: there are breaches, and the change is not forced.
    """
    if breaches and not options.force:
        remedy = "to override it, use --force --reason '...' (the commit records both)"
        raise InputError("; ".join(breaches), remedy, f"policy of {name}")
    for line in breaches:
        say(f"{name}: overridden: {line}")


def describe(new: Release) -> list[tuple[str, str | None]]:
    """Return the trailers that name a release and its source commits."""
    commits = dict.fromkeys(commit for commit, _ in new.sources)
    return [("Release", new.id), *(("Source-Commit", commit) for commit in commits)]


def make_message(
    subject: str,
    trailers: Sequence[tuple[str, str | None]],
    breaches: Sequence[str],
    options: Options,
) -> str:
    """Return a commit message: a subject for people, then Git trailers for machines."""
    keys = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, project, run = (os.environ.get(key) for key in keys)
    run_url = f"{server}/{project}/actions/runs/{run}" if run else None
    trailers = [
        *trailers,
        *(("Domain", domain) for domain in options.domain),
        ("Reason", options.reason),
        *(("Overridden", line) for line in breaches),
        ("Run", run_url),
    ]
    lines = [f"{key}: {' '.join(value.split())}" for key, value in trailers if value]
    return "\n".join([subject, "", *lines, ""])


def commit_and_push(
    repository: Repository, name: str, tree: str, release: Sequence[str], message: str
) -> None:
    """Commit and push a tree; see `Repository.commit` for the arguments."""
    # The BUILD file may no longer define the deployment.
    sign = getattr(read_all().get(name), "signed", False)
    push(repository, name, repository.commit(name, tree, release, message, sign=sign))


def push(repository: Repository, name: str, commit: str) -> None:
    """Push the new tip of a deployment, and print it."""
    repository.push(name, commit)
    say(f"{name}: live: commit {commit[:12]}")
