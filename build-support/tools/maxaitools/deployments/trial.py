"""Kill deploys, and race them: a deployment must never be half changed.

The tests use it.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from maxaitools.deployments.testing import KUBEPOD, Marketplace, free_port


def make_place(root: Path, url: str | None = None) -> Marketplace:
    """Return a marketplace whose domain has no image, so that a deploy needs only Git."""
    place = Marketplace(root, "127.0.0.1:1", url)
    place.tags.clear()
    (root / KUBEPOD).unlink()
    place.commit("no image")
    return place


@contextlib.contextmanager
def served(folder: Path, kind: str) -> Iterator[str]:
    """Yield an empty deployments repository: a path if `kind` is "local", or else a URL."""
    path = folder / "deployments.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(path)], check=True)
    if kind == "local":
        yield str(path)
        return
    port = free_port()
    command = ["git", "daemon", "--export-all", "--enable=receive-pack", "--reuseaddr"]
    command += ["--listen=127.0.0.1", f"--port={port}", f"--base-path={folder}"]
    # The daemon prints a line for each client that was killed.
    daemon = subprocess.Popen(
        command, start_new_session=True, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(100):
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", port)),
            ):
                break
            time.sleep(0.1)
        yield f"git://127.0.0.1:{port}/deployments.git"
    finally:
        os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait()


class Kills:
    """Deploys that SIGKILL ends, each at a later moment, and their results.

    Attributes:
        old: the number of kills after which the previous release was live.
        new: the number of kills after which the new release was live.
        faults: a line for everything that was broken or lost.
    """

    def __init__(self, place: Marketplace) -> None:
        self.old = self.new = 0
        self.faults: list[str] = []
        self._place = place

    def run(self, moments: int) -> None:
        """Kill as many deploys, at moments spread over twice the duration of a deploy."""
        self._deploy(0, None)
        started = time.monotonic()
        self._deploy(1, None)
        duration = time.monotonic() - started
        for moment in range(moments):
            before = self._read_branch()
            release = self._deploy(moment + 2, 2 * duration * moment / moments)
            after = self._read_branch()
            if after == before:
                self.old += 1
            elif after[1:] == before and after[0][1] == release:
                self.new += 1
            else:
                self.faults.append(f"moment {moment}: {before[0]} became {after[:2]}")
            # The next deploy must succeed, and must not lose a commit.
            if self._deploy(moment + 2, None) != release:
                self.faults.append(f"moment {moment}: the next deploy failed")
            if self._read_branch()[-len(after) :] != after:
                self.faults.append(f"moment {moment}: a commit was lost")

    def _deploy(self, n: int, kill_after: float | None) -> str:
        place = self._place
        place.set_n(n)
        release = place.package()
        process = start(place)
        if kill_after is None:
            out, err = process.communicate()
            if process.returncode:
                self.faults.append(f"deploy {n}: {err}")
        else:
            time.sleep(kill_after)
            # This also kills the Git processes that the deploy started.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        return release.id

    def _read_branch(self) -> list[tuple[str, str]]:
        """Check all objects of the branch; return the commit and release of each deploy."""
        with tempfile.TemporaryDirectory() as folder:
            url = self._place.url
            url = f"file://{url}" if url.startswith("/") else url
            git = ["git", "-C", folder]
            clone = ["git", "clone", "--quiet", "--bare", "--branch=deploy/dev", url]
            subprocess.run([*clone, folder], check=True, capture_output=True)
            subprocess.run([*git, "fsck", "--strict"], check=True, capture_output=True)
            log = [*git, "log", "--first-parent", "--format=%H %(trailers:key=Release)"]
            lines = subprocess.run(
                log, check=True, capture_output=True, text=True
            ).stdout
            show = [*git, "show", "HEAD:release.json"]
            facts = subprocess.run(show, check=True, capture_output=True).stdout
            entries = [line.split() for line in lines.splitlines() if line]
            found = [(e[0], e[-1]) for e in entries if len(e) == 3]
            assert json.loads(facts)["release"] == found[0][1]
            return found


def start(place: Marketplace) -> "subprocess.Popen[str]":
    """Start a deploy of the clone, without the check of its DAGs."""
    here = Path.cwd()
    os.chdir(place.root)
    try:
        key = place.key(place.package())
    finally:
        os.chdir(here)
    return place.start("deploy", "dev", "--checked", key)


def race(folder: Path, url: str, deploys: int) -> list[str]:
    """Deploy from several clones at once, until each deploy has succeeded.

    Returns:
        The releases, in the order of the branch.

    Raises:
        AssertionError: a deploy was lost, or was refused although no other was first.
    """
    waiting = {}
    for number in range(deploys):
        place = make_place(folder / f"clone{number}", url)
        place.set_n(number)
        waiting[place.package().id] = place
    order: list[str] = []
    while waiting:
        started = {release: start(place) for release, place in waiting.items()}
        won = 0
        for release, process in started.items():
            _, err = process.communicate()
            if process.returncode == 0:
                won += 1
                order.append(release)
                place = waiting.pop(release)
            else:
                refused = "another change was pushed first"
                assert refused in err and err.count("\n") == 1, err
        assert won
    place.git("fetch", url, "refs/heads/deploy/dev")
    format = "--format=%(trailers:key=Release,valueonly)"
    live = place.git("log", "--first-parent", format, "FETCH_HEAD").split()
    assert sorted(live) == sorted(order)
    return live[::-1]
