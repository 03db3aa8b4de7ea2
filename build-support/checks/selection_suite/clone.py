"""A scratch clone of the marketplace, in which cases edit files and run Pants."""

import math
import os
import resource
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

TREES = ("maxaiconfigs", "maxaidags", "maxaiusecases")


@dataclass(frozen=True)
class Answer:
    """The result of a Pants command.

    Attributes:
        status: its exit code.
        stdout: its output.
        stderr: its error output.
        seconds: its duration.
        cpu: the CPU seconds that it and the daemon used. It is not a number if the daemon has
            ended itself, which it does when it uses too much memory.
    """

    status: int
    stdout: str
    stderr: str
    seconds: float
    cpu: float


def _cpu_of_commands() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Clone:
    """A clone of a repository's HEAD in a scratch folder, with a daemon of its own.

    Attributes:
        base: the commit from which cases start.
        since: the value of `--changed-since`; a case may set another one.
    """

    def __init__(self, root: Path, scratch: Path) -> None:
        self._root = root
        self._full = scratch / "full.git"
        self.folder = scratch / "clone"
        self._run("git", "clone", "--quiet", str(root), str(self.folder), cwd=scratch)
        self.base = self.since = "HEAD"

    def begin(self) -> None:
        """Commit the current state as the base of all cases."""
        self.commit("Base")
        self.base = self.git("rev-parse", "HEAD").strip()
        self.reset()

    def reset(self) -> None:
        """Undo the changes of a case."""
        if self._full.exists():
            shutil.rmtree(self.folder / ".git")
            self._full.rename(self.folder / ".git")
        self.git("checkout", "--quiet", "--force", "-B", "case", self.base)
        self.git("clean", "--quiet", "--force", "-d")
        self.since = self.base

    def cut_history(self) -> None:
        """Make the clone as shallow as in a CI system: HEAD is its only commit."""
        shallow = self._full.with_name("shallow")
        shutil.rmtree(shallow, ignore_errors=True)
        url = f"file://{self.folder}"
        self.git("clone", "--quiet", "--depth=1", "--no-checkout", url, str(shallow))
        (self.folder / ".git").rename(self._full)
        (shallow / ".git").rename(self.folder / ".git")
        self.git("reset", "--quiet")

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
        return self._run("git", *identity, *arguments, cwd=self.folder)

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def files(self, *folders: str) -> list[str]:
        return self.git("ls-files", "-z", "--", *folders).split("\0")[:-1]

    def changed_files(self) -> list[str]:
        """Return the changed files as path filters see them: a renamed file by its new name."""
        base = self.git("merge-base", self.since, "HEAD").strip()
        changed = self.git("diff", "--name-only", "--find-renames", "-z", base)
        others = self.git("ls-files", "--other", "--exclude-standard", "-z")
        return sorted({*changed.split("\0"), *others.split("\0")} - {""})

    def read(self, path: str) -> str:
        return (self.folder / path).read_text()

    def write(self, path: str, content: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def append(self, path: str, content: str) -> None:
        self.write(path, self.read(path) + content)

    def replace(self, path: str, old: str, new: str) -> None:
        content = self.read(path)
        assert old in content, f"{path}: it does not contain {old!r}; adapt the case"
        self.write(path, content.replace(old, new))

    def remove(self, *paths: str) -> None:
        self.git("rm", "--quiet", "-r", *paths)

    def move(self, old: str, new: str) -> None:
        (self.folder / new).parent.mkdir(parents=True, exist_ok=True)
        self.git("mv", "--force", old, new)

    def copy(self, source: str, target: str, old: str, new: str) -> None:
        """Copy the files below a path in each tree, and replace a name in their content.

        Args:
            source: the path below each tree.
            target: the path of the copy.
            old: the name to replace.
            new: its replacement.
        """
        names = ((old, new), (old.replace("_", "-"), new.replace("_", "-")))
        for path in self.files(*(f"{tree}/{source}" for tree in TREES)):
            content = self.read(path)
            for before, after in names:
                content = content.replace(before, after)
            tree, _, rest = path.partition("/")
            self.write(f"{tree}/{target}{rest.removeprefix(source)}", content)

    def pants(self, *arguments: str, plugin: str = "selection_truth") -> Answer:
        """Run the launcher of the original repository, so that edits of it install nothing.

        Args:
            arguments: options and goals.
            plugin: a plugin in build-support/checks to load.
        """
        daemon, used, own = self.daemon(), self._cpu(), _cpu_of_commands()
        start = time.monotonic()
        result = subprocess.run(
            [
                str(self._root / "pants"),
                f'--pythonpath=+["{self._root}/build-support/checks"]',
                f'--backend-packages=+["{plugin}"]',
                *arguments,
            ],
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
        )
        seconds = time.monotonic() - start
        # A new daemon has spent all its time on this command.
        used = self._cpu() - (used if daemon == self.daemon() else 0)
        cpu = used + _cpu_of_commands() - own if self.daemon() else math.nan
        return Answer(result.returncode, result.stdout, result.stderr, seconds, cpu)

    def make(self, *arguments: str) -> None:
        """Run `./pants new` in the clone."""
        answer = self.pants("new", *arguments)
        assert not answer.status, f"./pants new {' '.join(arguments)}: {answer.stderr}"

    def daemon(self) -> int | None:
        """Return the process id of the clone's daemon; None if it does not run."""
        for file in self.folder.glob(".pids/*/pantsd/pid"):
            # A daemon that is about to end has emptied the file.
            pid = file.read_text().strip()
            if pid and Path("/proc", pid).exists():
                return int(pid)
        return None

    def memory(self) -> int:
        """Return the daemon's resident memory, in MiB; 0 if it has just ended itself."""
        pid = self.daemon()
        if pid is None:
            return 0
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) // 1024

    def stop(self) -> None:
        """Stop the daemon that this clone has started, and wait until it has ended."""
        pid = self.daemon()
        if pid is not None:
            # On a SIGTERM, Pants 2.17 may wait forever for its file watcher.
            os.kill(pid, signal.SIGKILL)
            while Path(f"/proc/{pid}").exists():
                time.sleep(0.1)

    def _cpu(self) -> float:
        """Return the CPU seconds of the daemon so far, with those of its finished processes."""
        pid = self.daemon()
        if pid is None:
            return 0
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def _environment() -> dict[str, str]:
        """Return the environment of the caller, without the variables that `./pants run` added."""
        own = ("PEX_", "PYTHONPATH", "PANTS_CONFIG_FILES", "__PEX")
        return {k: v for k, v in os.environ.items() if not k.startswith(own)}

    def _run(self, *command: str, cwd: Path) -> str:
        result = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
        assert result.returncode == 0, f"{' '.join(command)}: {result.stderr}"
        return result.stdout
