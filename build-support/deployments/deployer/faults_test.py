"""Tests of deploys that are ended, hindered, or not alone: afterwards, all is whole.

build-support/bench/faults ends a deploy at each of its moments; here it is a sample of them.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.faults import Trial
from deployer.record import read_history
from deployer.testing import Marketplace, Registry, registry
from release_bundle.layout import Reader

# In the middle of the release, and on both sides of the swap of the pointer.
_SAMPLE = ("maxaidags", "record.json", "current")


def test_a_deploy_may_be_ended_at_any_moment(
    images: Registry, destinations: str, tmp_path: Path
) -> None:
    trial = Trial(Marketplace(tmp_path / "clone", images.address, destinations))
    moments = trial.count_moments()
    assert moments.count("in a push") == 1
    last = {
        part: max(n for n, what in enumerate(moments, 1) if part in what)
        for part in _SAMPLE
    }
    # One after the other, each on what the one before has left. The number of moments is
    # the same each time, but for the removal of that, which comes first.
    trial.end_without_recovery(moments.index("in a push") + 1, push=True)
    *early, swap = sorted(last.values())
    for number in early:
        assert trial.end_without_recovery(number, push=True)
    release = trial.end_without_recovery(swap, push=True)
    assert release
    trial.recover(release, trial.check_whole())
    assert trial.counts.moments == 4
    assert trial.counts.old >= 2


def test_of_five_deploys_at_once_none_is_lost(
    images: Registry, destinations: str, tmp_path: Path
) -> None:
    places = [
        Marketplace(tmp_path / f"clone{number}", images.address, destinations)
        for number in range(5)
    ]
    waiting = {}
    for number, place in enumerate(places):
        place.build_image("the first")
        place.set_n(number)
        place.commit(f"n is {number}")
        waiting[place.package().name] = place
    order = []
    for _ in range(2):
        started = {name: p.start("deploy", "dev") for name, p in waiting.items()}
        for name, process in started.items():
            _, err = process.communicate()
            if process.returncode == 0:
                order.append(name)
                del waiting[name]
            else:
                assert process.returncode == 1
                (line,) = err.splitlines()
                assert "another deployment" in line and "nothing was changed" in line
    # At least one wins each time, and what the others had is nowhere.
    history = Trial(places[0]).check_whole()
    assert len(history) == len(order) >= 2
    assert {record.release for record in history} == {*order}
    assert {*places[0].reader().folders("releases")} == {*order}
    places[0].done("verify", "dev")


def as_root(*command: str) -> None:
    """Run what only root may, by sudo where that is not who runs the tests."""
    sudo = [] if os.getuid() == 0 else ["sudo", "--non-interactive"]
    subprocess.run([*sudo, *command], check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = f"size=1m,uid={os.getuid()},mode=755"
    as_root("mount", "-t", "tmpfs", "-o", options, "maxai-test", str(folder))
    try:
        yield folder
    finally:
        as_root("umount", str(folder))


def test_a_full_disk_and_a_read_only_one_change_nothing(
    images: Registry, disk: Path, tmp_path: Path
) -> None:
    place = Marketplace(tmp_path / "clone", images.address, str(disk))
    trial = Trial(place)
    trial.prepare(push=True)
    place.done("deploy", "dev")
    before = trial.check_whole()

    release = trial.prepare(push=False)
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    (disk / "rubbish").write_bytes(b"x" * (free - 20_000))
    told = place.refused("deploy", "dev")
    assert (
        "cannot be written (No space left on device); see that it exists, has" in told
    )
    assert trial.check_whole() == before
    (disk / "rubbish").unlink()
    trial.recover(release, before)

    before = trial.check_whole()
    release = trial.prepare(push=False)
    as_root("mount", "-o", "remount,ro", str(disk))
    told = place.refused("deploy", "dev")
    assert "cannot be written (Read-only file system)" in told
    assert trial.check_whole() == before
    as_root("mount", "-o", "remount,rw", str(disk))
    trial.recover(release, before)


def test_a_registry_that_stops_in_the_middle_changes_nothing(tmp_path: Path) -> None:
    with registry(tmp_path / "registry") as running:
        place = Marketplace(tmp_path / "clone", running.address, str(tmp_path / "to"))
        trial = Trial(place)
        trial.prepare(push=True)
        process = place.start("deploy", "dev")
        assert process.stdout
        # The base has tens of megabytes, which take seconds.
        while "pushing" not in process.stdout.readline():
            assert process.poll() is None
        running.stop()
        out, err = process.communicate()
        assert process.returncode == 1 and len(err.splitlines()) == 1, out + err
        assert [*read_history(Reader(trial.reader.destination))] == []
        running.start()
        place.done("deploy", "dev")
        assert len(trial.check_whole()) == 1
