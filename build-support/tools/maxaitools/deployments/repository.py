"""The deployments repository: the branch `deploy/<name>` of each deployment.

The tool fetches objects into the clone that it runs in, and writes them there. The refs
`refs/remotes/deployments/<name>` of the clone are the known tips, so `git log
deployments/prod` shows what is live. Each change is one commit and one push. The push fails
if the branch has moved since the tool fetched it.
"""

import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from maxairesources.errors import InputError
from maxairesources.tree import TREES, nearest
from maxaitools.deployments.history import LOG_FIELDS, Entry, parse_log
from maxaitools.deployments.process import ProcessFailed, git, hide_password, run

# The content of files by path.
Tree = dict[str, bytes]

_BRANCHES = "refs/heads/deploy/"
_TIPS = "refs/remotes/deployments/"


def push_command(url: str, name: str, old: str, new: str) -> list[str]:
    """Return the arguments of git that move a branch from its known tip to a new one.

    If `old` is empty, the branch must not exist yet.
    """
    branch = f"{_BRANCHES}{name}"
    lease = f"--force-with-lease={branch}:{old}"
    flags = ["--atomic", "--no-verify", "--no-signed", lease]
    return ["push", *flags, url, f"{new}:{branch}"]


def explain_refusal(name: str, failed: ProcessFailed) -> InputError:
    """Return the error for a push that the deployments repository refused."""
    where = f"deploy/{name}"
    if re.search("stale info|cannot lock ref|reference already exists", failed.stderr):
        problem = "another change was pushed first, so this one was refused"
        remedy = "check `./pants deployments status`, then run the command again"
        return InputError(problem, remedy, where)
    reasons = re.findall(r"^remote: +(?:error: )?(.*\S)", failed.stderr, re.MULTILINE)
    reasons += re.findall(r"\[remote rejected\].*\((.+)\)", failed.stderr)
    problem = f"the push was refused ({'; '.join(reasons) or failed.reason})"
    remedy = "nothing was changed; check your permission to push to the branch"
    return InputError(problem, remedy, where)


def find_url() -> str:
    """Return the URL of the deployments repository; create the default one if needed."""
    url = os.environ.get("MAXAI_DEPLOYMENTS") or "deployments"
    if url == "deployments" and not Path(url, "HEAD").exists():
        git("init", "--quiet", "--bare", "--initial-branch=main", url)
    return str(Path(url).absolute()) if Path(url).exists() else url


class Repository:
    """The branches of all deployments, as they were when this object was created.

    Attributes:
        url: the deployments repository.
        tips: the newest commit of each deployment.
    """

    def __init__(self, url: str) -> None:
        """Fetch all branches.

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
            remedy = "check MAXAI_DEPLOYMENTS and your access to it"
            raise InputError(failed.reason, remedy, where) from None
        tips = (each.split() for each in self._list_tips().splitlines())
        self.tips = {ref.removeprefix(_TIPS): tip for tip, ref in tips}
        known = [line.split()[1].removeprefix(_TIPS) for line in before.splitlines()]
        gone = {name for name in known if f"{_BRANCHES}{name}" not in remote}
        self._rewritten = {*rewritten, *gone}

    def history(self, name: str) -> list[Entry]:
        """Return the commits of a deployment, the newest first.

        Raises:
            InputError: the branch is missing, rewritten or damaged.
        """
        if name not in self.tips:
            problem = f"branch deploy/{name} does not exist: nothing was deployed yet"
            first = f"deploy first: ./pants experimental-deploy //:{name}"
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
        # The log must not depend on the user's settings.
        settings = ("log.showSignature=false", "i18n.logOutputEncoding=UTF-8")
        options = [part for setting in settings for part in ("-c", setting)]
        command = (*options, "log", "-z", "--first-parent")
        try:
            printed = git(*command, f"--format={'%x00'.join(LOG_FIELDS)}", tip)
        except ProcessFailed as failed:
            raise self._damaged(f"deploy/{name}", failed.reason) from None
        # The first commit of a branch is empty, so that each deploy has a first parent.
        return [e for e in parse_log(printed) if e.subject != f"Begin deploy/{name}"]

    def has_all_history(self, name: str) -> bool:
        """Return if this clone has the first commit of a deployment."""
        roots = ("rev-list", "--first-parent", "--max-parents=0", self.tips[name])
        # A shallow clone hides the parents that its oldest commit really has.
        return "\nparent " not in git("cat-file", "commit", git(*roots).split()[0])

    def read(self, commit: str) -> Tree:
        """Return the files of a commit.

        Raises:
            InputError: an object is missing or damaged.
        """
        try:
            listed = git("ls-tree", "-r", "-z", "--full-tree", commit)
            entries = [each.split("\t", 1) for each in listed.split("\0")[:-1]]
            blobs = [*_read_blobs([about.split()[2] for about, _ in entries])]
        except ProcessFailed as failed:
            raise self._damaged(f"commit {commit[:12]}", failed.reason) from None
        return {path: blob for (_, path), blob in zip(entries, blobs)}

    def tree_of(self, commit: str) -> str:
        """Return the hash of a commit's tree."""
        return git("rev-parse", f"{commit}^{{tree}}")

    def list_domains(self, commit: str, domains: Sequence[str]) -> str:
        """Return the hashes of the folders that some domains have in a commit."""
        paths = [f"{tree}/{domain}" for tree in TREES for domain in domains]
        return git("ls-tree", "--full-tree", commit, "--", *paths)

    def read_image_files(self) -> list[tuple[str, bytes]]:
        """Return the path and content of each image.json that was ever deployed."""
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
        """Write a release as a commit; equal releases have the same hash."""
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
        """Write a commit on top of a deployment's branch, and return its hash.

        The commit is signed if `sign` is true, if the tip is signed, or if the user's Git
        signs commits.

        Args:
            name: the deployment.
            tree: the hash of the files.
            release: the hash of the release's commit, if the tip has one.
            message: the commit message.
            sign: sign in any case.

        Raises:
            InputError: Git does not know the author, or cannot sign.
        """
        actor, tip = os.environ.get("GITHUB_ACTOR"), self.tips.get(name)
        who = {}
        if actor:
            who = {"NAME": actor, "EMAIL": f"{actor}@users.noreply.github.com"}
        setting = ("--default=false", "--type=bool", "--get", "commit.gpgsign")
        sign = sign or git("config", *setting) == "true"
        sign = sign or bool(tip and "\ngpgsig" in git("cat-file", "commit", tip))
        first = tip or _commit(git("mktree"), [], f"Begin deploy/{name}\n", sign, who)
        return _commit(tree, [first, *release], message, sign, who)

    def push(self, name: str, commit: str) -> None:
        """Push a commit as the new tip of a deployment, if the branch has not moved.

        Raises:
            InputError: another change was pushed first, or the repository refuses the push.
        """
        try:
            git(*push_command(self.url, name, self.tips.get(name, ""), commit))
        except ProcessFailed as failed:
            raise explain_refusal(name, failed) from None
        git("update-ref", f"{_TIPS}{name}", commit)

    def check(self, name: str, signers: Path | None) -> list[str]:
        """Fetch a whole branch into an empty folder, and return its faults.

        `signers` is a file with SSH keys; if it is given, one of them must sign.
        """
        # With a file:// URL, Git checks each object of a local repository.
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
                    # Commits before the first signed one may be older than signed=True.
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
        """Fetch all branches, and return the names of the rewritten ones."""
        flags = ("--no-tags", "--no-prune", "--no-write-fetch-head", "--update-shallow")
        for attempt in range(3):
            try:
                # Git refuses all but a fast-forward, which shows a rewritten branch.
                git("fetch", *flags, self.url, f"{_BRANCHES}*:{_TIPS}*")
                return []
            except ProcessFailed as failed:
                if found := re.findall(r"! \[rejected\] +deploy/(\S+)", failed.stderr):
                    return found
                # Another command may be updating the same refs in this clone.
                locked = "(?i)cannot lock ref|unable to create"
                if attempt == 2 or not re.search(locked, failed.stderr):
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
        remedy = f"run `git fsck` in {hide_password(self.url)}"
        return InputError(f"is damaged ({problem})", remedy, where)


def _commit(
    tree: str, parents: Sequence[str], message: str, sign: bool, who: Mapping[str, str]
) -> str:
    flags = [flag for parent in parents for flag in ("-p", parent)] + ["-S"] * sign
    roles = ("AUTHOR", "COMMITTER")
    env = {f"GIT_{role}_{key}": value for role in roles for key, value in who.items()}
    try:
        stdin = message.encode(errors="surrogateescape")
        return git("commit-tree", tree, *flags, stdin=stdin, **env)
    except ProcessFailed as failed:
        remedy = "set user.name and user.email, and user.signingkey to sign"
        raise InputError(failed.reason, remedy, "git commit-tree") from None


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
