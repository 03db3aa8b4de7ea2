"""The branches `deploy/<name>` of the deployments repository, one for each deployment.

The tool fetches them into the clone that it runs in, as `refs/remotes/deployments/<name>`, so
`git log deployments/prod` shows what is live. Each change is one commit and one push. The push
fails if the branch has moved since the tool fetched it.
"""

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maxairesources.errors import InputError
from maxairesources.tree import nearest
from maxaitools.deployments.process import ProcessFailed, git, hide_password, succeeds
from maxaitools.deployments.record import RECORD_FILE, Record, parse_record
from maxaitools.deployments.settings import how_to_deploy
from maxaitools.deployments.trees import release_of

_BRANCHES = "refs/heads/deploy/"
_TIPS = "refs/remotes/deployments/"
# With these, Git cannot create the branches, or takes another commit for their tip.
_BLOCKING = ("refs/heads/deploy", "refs/tags/deploy/*")
_TRAILERS = ("Action", "Release", "From", "Domain", "Reason", "Source-Commit")


@dataclass(frozen=True)
class Entry:
    """A commit on the branch of a deployment.

    Attributes:
        commit: its hash.
        author: its author, with an address.
        time: the time of its author, as ISO 8601.
        action: deploy, promote or rollback; empty if this tool did not make it.
        release: the hash of its release.
        origin: the commit that the release came from, after its deployment if that differs.
        domains: the domains that a change was limited to, one on each line.
        reason: the reason that was given.
        sources: the source commits of its release, one on each line.
    """

    commit: str
    author: str
    time: str
    action: str = ""
    release: str = ""
    origin: str = ""
    domains: str = ""
    reason: str = ""
    sources: str = ""


def pick(name: str, entries: Sequence[Entry], prefix: str) -> Entry:
    """Return the newest commit whose hash, or release, starts with a prefix.

    Raise an InputError if no commit, or commits of several releases match.
    """
    found = [e for e in entries if e.commit.startswith(prefix)]
    found = found or [e for e in entries if e.release.startswith(prefix)]
    if len(prefix) < 4 or len({each.release for each in found}) != 1:
        problem = f"{prefix!r} does not name one commit or release that was live"
        listed = f"`./pants deployments history {name}`"
        remedy = f"give at least 4 characters of a hash from {listed}"
        raise InputError(problem, remedy, name)
    return found[0]


def explain_refusal(name: str, failed: ProcessFailed) -> InputError:
    """Return the error for a push that the deployments repository refused."""
    where = f"deploy/{name}"
    if re.search("stale info|but expected|reference already exists", failed.stderr):
        problem = "another change was pushed first, so this one was refused"
        remedy = "check `./pants deployments status`, then run the command again"
        return InputError(problem, remedy, where)
    reasons = re.findall(r"^remote: +(?:error: )?(.*\S)", failed.stderr, re.MULTILINE)
    reasons += re.findall(r"\[remote rejected\].*\((.+)\)", failed.stderr)
    problem = f"the push was refused ({'; '.join(reasons) or failed.reason})"
    remedy = "nothing was changed; check your permission to push to the branch"
    return InputError(problem, remedy, where)


def is_signed(commit: str, signers: Path) -> bool:
    """Return if a key in a file of SSH keys has signed a commit."""
    option = f"gpg.ssh.allowedSignersFile={signers.absolute()}"
    return succeeds("-c", option, "verify-commit", commit)


def find_url() -> str:
    """Return the URL of the deployments repository; create the default one if needed."""
    url = os.environ.get("MAXAI_DEPLOYMENTS") or "deployments"
    if url == "deployments" and not Path(url, "HEAD").exists():
        git("init", "--quiet", "--bare", "--initial-branch=main", url)
    return str(Path(url).absolute()) if Path(url).exists() else url


def read_tips(prefix: str = _TIPS) -> dict[str, str]:
    """Return the newest commit of each deployment in this clone, by name."""
    listed = git("for-each-ref", "--format=%(objectname) %(refname)", prefix)
    tips = (line.split() for line in listed.splitlines())
    return {ref.removeprefix(prefix): tip for tip, ref in tips}


def read_entries(tip: str) -> list[Entry]:
    """Return the commits of a deployment from its newest one on, the newest first."""
    keys = (f"%(trailers:key={k},valueonly,separator=%x0A)" for k in _TRAILERS)
    values = _log(tip, "%x00".join(("%H", "%an <%ae>", "%aI", *keys)), "-z").split("\0")
    size = len(_TRAILERS) + 3
    return [Entry(*values[n : n + size]) for n in range(0, len(values) - 1, size)]


def _log(tip: str, style: str, *options: str) -> str:
    # The log must not depend on the user's settings.
    fixed = ("--first-parent", "--no-show-signature", "--encoding=UTF-8")
    return git("log", *fixed, f"--format={style}", *options, tip)


class Branches:
    """The branches of all deployments, as they were when this object was created.

    Attributes:
        url: the deployments repository.
        tips: the newest commit of each deployment.
    """

    def __init__(self) -> None:
        """Fetch all branches; raise an InputError if the repository cannot be read."""
        self.url, rewritten = find_url(), []
        flags = ("--no-tags", "--no-prune", "--no-write-fetch-head")
        try:
            asked = (f"{_BRANCHES}*", *_BLOCKING)
            listed = git("ls-remote", self.url, *asked).split()[1::2]
            self._forget_other_repository()
            before = read_tips()
            # Git refuses all but a fast-forward, which shows a rewritten branch.
            git("fetch", *flags, self.url, f"{_BRANCHES}*:{_TIPS}*")
        except ProcessFailed as failed:
            rewritten = re.findall(r"! \[rejected\] +deploy/(\S+)", failed.stderr)
            if not rewritten:
                remedy = "check MAXAI_DEPLOYMENTS and your access to it"
                where = "deployments repository"
                raise InputError(failed.reason, remedy, where) from None
        for ref in listed:
            if not ref.startswith(_BRANCHES):
                problem = f"{ref} has the name of a deployment's branch, or of their "
                where = "deployments repository"
                raise InputError(f"{problem}folder", "rename or delete it", where)
        self.tips = read_tips()
        remote = {ref.removeprefix(_BRANCHES) for ref in listed}
        self._rewritten = {*rewritten, *(before.keys() - remote)}

    def history(self, name: str) -> list[Entry]:
        """Return the commits of a deployment, the newest first.

        Raise an InputError if the branch is missing or was rewritten.
        """
        if name not in self.tips:
            problem = f"branch deploy/{name} does not exist: nothing was deployed yet"
            first = f"deploy first: {how_to_deploy(name)}"
            remedy = nearest(name, self.tips, first)
            raise InputError(problem, remedy, "deployments repository")
        tip = self.tips[name]
        if name in self._rewritten:
            problem = f"was rewritten or deleted: commit {tip} was live"
            url = hide_password(self.url)
            restore = f"git push --force {url} {tip}:{_BRANCHES}{name}"
            accept = f"git update-ref -d {_TIPS}{name}"
            remedy = f"restore it: {restore}; or accept the change: {accept}"
            raise InputError(problem, remedy, f"deploy/{name}")
        return read_entries(tip)

    def show(self, name: str, *options: str) -> str:
        """Return the log of a deployment for people; see `git log` for the options."""
        style = "%h  %aI  %an <%ae>  %s%n%w(0,4,4)%(trailers:only,unfold)"
        return _log(self.tips[name], style, "--abbrev=12", *options)

    def read(self, commit: str) -> Record:
        """Return the record of a commit; see `parse_record`."""
        try:
            content = git("show", f"{commit}:{RECORD_FILE}")
        except ProcessFailed:
            content = ""
        # A clone that has fetched the branch lacks the tree of the release.
        release_of(commit)
        return parse_record(content, f"commit {commit[:12]}")

    def live(self, name: str) -> Record | None:
        """Return the live record of a deployment; None before its first deploy."""
        return self.read(self.history(name)[0].commit) if name in self.tips else None

    def commit(self, name: str, tree: str, message: str, sign: bool) -> str:
        """Write a commit on top of a deployment's branch, and return its hash."""
        who: dict[str, Any] = {}
        if actor := os.environ.get("GITHUB_ACTOR"):
            email = f"{actor}@users.noreply.github.com"
            for role in ("AUTHOR", "COMMITTER"):
                who |= {f"GIT_{role}_NAME": actor, f"GIT_{role}_EMAIL": email}
        parent = ["-p", self.tips[name]] if name in self.tips else []
        flags = [*parent, *(["-S"] if sign else [])]
        try:
            stdin = message.encode(errors="surrogateescape")
            return git("commit-tree", tree, *flags, stdin=stdin, **who)
        except ProcessFailed as failed:
            remedy = "set user.name and user.email, and user.signingkey to sign"
            raise InputError(failed.reason, remedy, "git commit-tree") from None

    def push(self, name: str, commit: str) -> None:
        """Push a commit as the new tip of a deployment, if the branch has not moved."""
        branch, tip = f"{_BRANCHES}{name}", self.tips.get(name, "")
        flags = ("--atomic", "--no-verify", "--no-signed")
        # Without a known tip, the branch must not exist yet.
        lease = f"--force-with-lease={branch}:{tip}"
        try:
            git("push", *flags, lease, self.url, f"{commit}:{branch}")
        except ProcessFailed as failed:
            raise explain_refusal(name, failed) from None
        git("update-ref", f"{_TIPS}{name}", commit)

    def check(self, name: str, signers: Path | None) -> Iterator[str]:
        """Clone a whole branch into an empty folder, and yield its faults.

        `signers` is a file with SSH keys; if it is given, one of them must sign.
        """
        # With a file:// URL, Git checks each object of a local repository.
        url = f"file://{self.url}" if self.url.startswith("/") else self.url
        clone = ("clone", "--quiet", "--bare", "--no-tags", f"--branch=deploy/{name}")
        with tempfile.TemporaryDirectory(prefix="maxai-verify-") as folder:
            try:
                git("-c", "transfer.fsckObjects=true", *clone, url, folder)
            except ProcessFailed as failed:
                yield f"deploy/{name}: {failed}"
        tip, release = self.tips[name], self.read(self.tips[name])["release"]
        if signers and not is_signed(tip, signers):
            yield f"commit {tip[:12]} has no valid signature"
        if release_of(tip) != release:
            yield f"commit {tip[:12]}: its files are not those of release {release}"

    def _forget_other_repository(self) -> None:
        url, key = hide_password(self.url), "maxai.deployments"
        if git("config", "--default=", "--get", key) != url:
            for name in read_tips():
                git("update-ref", "-d", f"{_TIPS}{name}")
            git("config", key, url)
