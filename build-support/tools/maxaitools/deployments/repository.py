"""The deployments repository: the branch `deploy/<name>` of each deployment.

Objects are fetched into, and written to, the clone that the tool runs in. Its refs
`refs/remotes/deployments/<name>` are the known tips, so `git log deployments/prod` shows
what is live. Each change is one commit and one push that expects the tip it started from.
"""

import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from maxairesources.errors import InputError
from maxairesources.tree import nearest
from maxaitools.deployments.process import ProcessFailed, git, hide_password, run

# The content of files by their paths.
Tree = dict[str, bytes]

# The trees that each have a folder for each domain.
TREES = ("maxaiconfigs", "maxaidags", "maxaiusecases")
NAME = re.compile(r"[a-z][a-z0-9_]*")
# The values of the trailer `Action` of the commits that make other files live.
MOVES = ("deploy", "promote", "rollback")
_BRANCHES = "refs/heads/deploy/"
_TIPS = "refs/remotes/deployments/"
_FIELDS = ("%H", "%P", "%an <%ae>", "%aI", "%s", "%(trailers:only,unfold)")


@dataclass(frozen=True)
class Entry:
    """A commit on a deployment's branch.

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
        """Return the value of a trailer, None if the commit has none."""
        return next(iter(self.trailers.get(trailer, ())), None)

    @property
    def release(self) -> str:
        """The commit of its release.

        Raises:
            InputError: it has none, or a shallow clone hides it.
        """
        if len(self.parents) < 2:
            problem = "its release is not known in this clone"
            advice = "choose another commit, or git fetch --unshallow"
            raise InputError(problem, advice, f"commit {self.commit[:12]}")
        return self.parents[1]

    @property
    def why(self) -> str:
        """Who made it, when and why."""
        return f"{self.author}, {self.time}: {self.get('Reason') or 'no reason given'}"


def push_command(url: str, name: str, old: str, new: str) -> list[str]:
    """Return the arguments that move a branch from one tip to another; "" is no tip."""
    branch = f"{_BRANCHES}{name}"
    lease = f"--force-with-lease={branch}:{old}"
    return [
        "push",
        "--atomic",
        "--no-verify",
        "--no-signed",
        lease,
        url,
        f"{new}:{branch}",
    ]


def explain_refusal(name: str, failed: ProcessFailed) -> InputError:
    """Return the error for a push that the deployments repository refused."""
    where = f"deploy/{name}"
    if re.search("stale info|cannot lock ref|reference already exists", failed.stderr):
        problem = (
            "another change was quicker and the branch has moved; nothing was changed"
        )
        return InputError(problem, "look at `status`, then run it again", where)
    said = re.findall(r"^remote: +(?:error: )?(.*\S)", failed.stderr, re.MULTILINE)
    said += re.findall(r"\[remote rejected\].*\((.+)\)", failed.stderr)
    problem = f"the push was refused ({'; '.join(said) or failed.reason})"
    advice = "nothing was changed; check your permissions for the branch"
    return InputError(problem, advice, where)


def parse_log(text: str) -> Iterator[Entry]:
    """Yield the commits that `git log -z` printed with the fields of an entry."""
    values = text.split("\0")
    for start in range(0, len(values) - len(_FIELDS) + 1, len(_FIELDS)):
        commit, parents, author, time, subject, block = values[start : start + 6]
        trailers: dict[str, list[str]] = {}
        for key, _, value in (line.partition(": ") for line in block.splitlines()):
            trailers.setdefault(key, []).append(value)
        yield Entry(commit, tuple(parents.split()), author, time, subject, trailers)


def pick(name: str, entries: Sequence[Entry], prefix: str) -> Entry:
    """Return the newest commit that has a hash, or a release, with a prefix.

    Raises:
        InputError: there is none, or several releases have it.
    """
    hashes = [(each, (each.commit, each.get("Release") or "")) for each in entries]
    found = [e for e, names in hashes if any(n.startswith(prefix) for n in names)]
    if len(prefix) < 4 or len({each.get("Release") for each in found}) != 1:
        problem = f"{prefix!r} does not name one commit or release that was live"
        raise InputError(problem, f"`history {name}` lists them", name)
    return found[0]


def find_url() -> str:
    """Return the deployments repository; the default one is made on first use."""
    url = os.environ.get("MAXAI_DEPLOYMENTS") or "deployments"
    if url == "deployments" and not Path(url, "HEAD").exists():
        git("init", "--quiet", "--bare", "--initial-branch=main", url)
    return str(Path(url).absolute()) if Path(url).exists() else url


class Repository:
    """The branches of all deployments, as they were when this object was made."""

    def __init__(self, url: str) -> None:
        """Fetch what is new.

        Raises:
            InputError: the repository cannot be read.
        """
        self.url, where = url, "deployments repository"
        try:
            remote = git("ls-remote", url, f"{_BRANCHES}*").split()[1::2]
            self._forget_other_repository()
            before = self._list_tips()
            rewritten = self._fetch()
        except ProcessFailed as failed:
            advice = "check MAXAI_DEPLOYMENTS and your access to it"
            raise InputError(failed.reason, advice, where) from None
        tips = (each.split() for each in self._list_tips().splitlines())
        self.tips = {ref.removeprefix(_TIPS): tip for tip, ref in tips}
        known = [line.split()[1].removeprefix(_TIPS) for line in before.splitlines()]
        gone = {name for name in known if f"{_BRANCHES}{name}" not in remote}
        self._rewritten = {*rewritten, *gone}

    def history(self, name: str) -> list[Entry]:
        """Return the commits of a deployment, the newest first.

        Raises:
            InputError: there is no such branch, or it was rewritten, or is damaged.
        """
        if name not in self.tips:
            problem = f"there is no branch deploy/{name}: nothing was deployed yet"
            advice = nearest(name, self.tips, f"./pants experimental-deploy //:{name}")
            raise InputError(problem, advice, "deployments repository")
        tip = self.tips[name]
        if name in self._rewritten:
            problem = (
                f"was rewritten or deleted: {tip} was live and is not in it any more"
            )
            url = hide_password(self.url)
            restore = f"git push --force {url} {tip}:{_BRANCHES}{name}"
            advice = (
                f"restore it: {restore}; or accept it: git update-ref -d {_TIPS}{name}"
            )
            raise InputError(problem, advice, f"deploy/{name}")
        options = (
            "-c",
            "log.showSignature=false",
            "-c",
            "i18n.logOutputEncoding=UTF-8",
        )
        command = (*options, "log", "-z", "--first-parent")
        try:
            printed = git(*command, f"--format={'%x00'.join(_FIELDS)}", tip)
        except ProcessFailed as failed:
            raise self._damaged(f"deploy/{name}", failed.reason) from None
        # The first commit is empty, so that each deploy has a first parent.
        return [e for e in parse_log(printed) if e.subject != f"Begin deploy/{name}"]

    def has_all_history(self, name: str) -> bool:
        """Return whether this clone has the first commit of a deployment."""
        roots = ("rev-list", "--first-parent", "--max-parents=0", self.tips[name])
        # A shallow clone hides the parents that its oldest commit really has.
        return "\nparent " not in git("cat-file", "commit", git(*roots).split()[0])

    def read(self, commit: str, *paths: str) -> Tree:
        """Return the files of a commit, below some paths if any are given.

        Raises:
            InputError: an object is missing or damaged.
        """
        try:
            listed = git("ls-tree", "-r", "-z", "--full-tree", commit, "--", *paths)
            entries = [each.split("\t", 1) for each in listed.split("\0")[:-1]]
            blobs = [*_read_blobs([about.split()[2] for about, _ in entries])]
        except ProcessFailed as failed:
            raise self._damaged(f"commit {commit[:12]}", failed.reason) from None
        return {path: blob for (_, path), blob in zip(entries, blobs)}

    def tree_of(self, commit: str) -> str:
        """Return the hash of a commit's tree."""
        return git("rev-parse", f"{commit}^{{tree}}")

    def list_domains(self, commit: str, domains: Sequence[str]) -> str:
        """Return the hashes of all that a commit has of some domains."""
        paths = [f"{tree}/{domain}" for tree in TREES for domain in domains]
        return git("ls-tree", "--full-tree", commit, "--", *paths)

    def read_image_files(self) -> list[tuple[str, bytes]]:
        """Return path and content of each image.json that any deployment has had."""
        command = ("rev-list", "--objects", *self.tips.values(), "--", "maxaiusecases")
        lines = git(*command).splitlines() if self.tips else []
        pairs = [line.split(" ", 1) for line in lines if line.endswith("/image.json")]
        return [
            (p, blob) for (_, p), blob in zip(pairs, _read_blobs([h for h, _ in pairs]))
        ]

    def write(self, files: Mapping[str, bytes]) -> str:
        """Store files in this clone, and return the hash of their tree."""
        with tempfile.TemporaryDirectory(prefix="maxai-tree-") as folder:
            write_files(Path(folder), files)
            paths = "".join(f"{folder}/{path}\n" for path in files).encode()
            store = ("hash-object", "-w", "--no-filters", "--stdin-paths")
            hashes = git(*store, stdin=paths).split()
            lines = "".join(f"100644 {h}\t{path}\0" for h, path in zip(hashes, files))
            index = f"{folder}/.git-index"
            update = ("update-index", "-z", "--index-info")
            git(*update, stdin=lines.encode(), GIT_INDEX_FILE=index)
            return git("write-tree", GIT_INDEX_FILE=index)

    def commit_release(self, release: str, files: Mapping[str, bytes]) -> str:
        """Return the commit of a release, the same one wherever it is made."""
        who = {"NAME": "release", "EMAIL": "release", "DATE": "1980-01-01T00:00:00Z"}
        return _commit(self.write(files), [], f"Release {release}\n", False, who)

    def commit(
        self,
        name: str,
        tree: str,
        release: Sequence[str],
        message: str,
        *,
        sign: bool = False,
    ) -> str:
        """Return a new commit after the tip of a deployment; nothing is pushed.

        It is signed if `sign` says so, if the tip is, or if the user's Git signs.

        Raises:
            InputError: Git knows no author, or cannot sign.
        """
        actor, tip = os.environ.get("GITHUB_ACTOR"), self.tips.get(name)
        who = (
            {"NAME": actor, "EMAIL": f"{actor}@users.noreply.github.com"}
            if actor
            else {}
        )
        setting = (
            "config",
            "--default=false",
            "--type=bool",
            "--get",
            "commit.gpgsign",
        )
        sign = sign or git(*setting) == "true"
        sign = sign or bool(tip and "\ngpgsig" in git("cat-file", "commit", tip))
        first = tip or _commit(git("mktree"), [], f"Begin deploy/{name}\n", sign, who)
        return _commit(tree, [first, *release], message, sign, who)

    def push(self, name: str, commit: str) -> None:
        """Make a commit the tip of a deployment, if the tip is still the known one.

        Raises:
            InputError: another change was quicker, or the repository refuses the push.
        """
        try:
            git(*push_command(self.url, name, self.tips.get(name, ""), commit))
        except ProcessFailed as failed:
            raise explain_refusal(name, failed) from None
        git("update-ref", f"{_TIPS}{name}", commit)

    def check(self, name: str, signers: Path | None) -> list[str]:
        """Fetch a whole branch into an empty folder, and return what is wrong with it.

        `signers` is the file of the SSH keys that may sign, None if nothing must be signed.
        """
        # A local repository is read as a served one, so that each object is checked.
        url = f"file://{self.url}" if self.url.startswith("/") else self.url
        branch = f"{_BRANCHES}{name}"
        with tempfile.TemporaryDirectory(prefix="maxai-verify-") as folder:
            try:
                git("init", "--quiet", "--bare", folder)
                inside = f"--git-dir={folder}"
                git(inside, "fetch", "--quiet", "--no-tags", url, f"{branch}:{branch}")
                git(inside, "fsck", "--strict", "--no-dangling")
                if signers:
                    option = f"gpg.ssh.allowedSignersFile={signers.absolute()}"
                    log = ("log", "--first-parent", "--format=%h %G?", branch)
                    lines = git(inside, "-c", option, *log).splitlines()
                    # Those before the first signed one may be older than that rule.
                    signed = [n for n, line in enumerate(lines) if line[-1] != "N"]
                    return [
                        f"commit {line.split()[0]} has no valid signature"
                        for line in lines[: max(signed, default=0) + 1]
                        if line[-1] != "G"
                    ]
            except ProcessFailed as failed:
                return [f"deploy/{name}: {failed}"]
        return []

    def _fetch(self) -> list[str]:
        """Fetch all branches, and return those that were rewritten."""
        flags = ("--no-tags", "--no-prune", "--no-write-fetch-head", "--update-shallow")
        for attempt in range(3):
            try:
                # Only a fast-forward moves a known tip: no history changes unnoticed.
                git("fetch", *flags, self.url, f"{_BRANCHES}*:{_TIPS}*")
                return []
            except ProcessFailed as failed:
                # Another command may be moving the same refs in this clone.
                locked = re.search(
                    "cannot lock ref|unable to create", failed.stderr, re.I
                )
                if found := re.findall(r"! \[rejected\] +deploy/(\S+)", failed.stderr):
                    return found
                if attempt == 2 or not locked:
                    raise
                time.sleep(0.3)
        return []

    def _list_tips(self) -> str:
        return git("for-each-ref", "--format=%(objectname) %(refname)", _TIPS)

    def _forget_other_repository(self) -> None:
        url, key = hide_password(self.url), "maxai.deployments"
        if git("config", "--default=", "--get", key) != url:
            for line in self._list_tips().splitlines():
                git("update-ref", "-d", line.split()[1])
            git("config", key, url)

    def _damaged(self, where: str, problem: str) -> InputError:
        advice = f"run git fsck in {hide_password(self.url)}"
        return InputError(f"is damaged ({problem})", advice, where)


def _commit(
    tree: str, parents: Sequence[str], message: str, sign: bool, who: Mapping[str, str]
) -> str:
    flags = [flag for parent in parents for flag in ("-p", parent)] + ["-S"] * sign
    roles = ("AUTHOR", "COMMITTER")
    env = {f"GIT_{role}_{key}": value for role in roles for key, value in who.items()}
    try:
        return git(
            "commit-tree",
            tree,
            *flags,
            stdin=message.encode(errors="surrogateescape"),
            **env,
        )
    except ProcessFailed as failed:
        advice = "set user.name and user.email, and the key to sign with"
        raise InputError(failed.reason, advice, "git commit-tree") from None


def _read_blobs(hashes: Sequence[str]) -> Iterator[bytes]:
    command, start = ["git", "cat-file", "--batch"], 0
    batch = run(command, "".join(f"{each}\n" for each in hashes).encode())
    for blob in hashes:
        end = batch.index(b"\n", start)
        if not (header := batch[start:end]).startswith(f"{blob} blob ".encode()):
            raise ProcessFailed(command, header.decode())
        start = end + int(header.split()[2]) + 2
        yield batch[end + 1 : start - 1]


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files below a folder."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
