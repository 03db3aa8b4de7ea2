"""Tests of both kinds of destination: a folder, and a bucket of moto's server for S3."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deployer import destination as module
from deployer.destination import Bucket, Destination, Folder, open_destination
from deployer.testing import object_store
from maxairesources.errors import InputError
from release_bundle.layout import read_pointer

ONE, TWO = (f"{number:06}-{'0' * 16}" for number in (1, 2))


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with object_store() as address:
        yield address


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "destination")
    address = request.getfixturevalue("bucket")
    return f"{address}/{tmp_path.name}/{'x' * 3}"


def test_the_kind_is_told_by_the_address(place: str) -> None:
    kind = Bucket if place.startswith("s3:") else Folder
    assert type(open_destination(place)) is kind


def test_a_tree_is_written_as_a_whole(place: str) -> None:
    opened = open_destination(place)
    files = {"a/b/c": b"1", "a/d": b"2", "manifest.json": b"3"}
    with opened.lock("me"):
        opened.put_tree("releases/x", files)
    assert opened.folders("releases") == ["x"]
    assert opened.folders("records") == []
    assert opened.names("releases/x") == {*files}
    assert opened.read_all("releases/x", files) == files
    assert opened.is_complete("releases/x") and not opened.is_complete("releases/y")
    with opened.lock("me"):
        opened.remove_tree("releases/x")
    assert opened.folders("releases") == []


def test_one_holds_it_at_a_time(place: str) -> None:
    with open_destination(place).lock("the first"):
        told = "another deployment is under way .*the first.* nothing was changed"
        with pytest.raises(InputError, match=told):
            with open_destination(place).lock("the second"):
                pass
    with open_destination(place).lock("the third"):
        pass


def test_of_many_at_once_one_holds_it(place: str) -> None:
    inside, refused = [], []
    ready, done = threading.Barrier(8), threading.Barrier(8)

    def hold() -> None:
        opened = open_destination(place)
        ready.wait()
        try:
            with opened.lock("me"):
                inside.append(opened)
                done.wait()
        except InputError as error:
            refused.append(str(error))
            done.wait()

    threads = [threading.Thread(target=hold) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(inside), len(refused)) == (1, 7)


_HOLD = """
import sys, time
from deployer.destination import open_destination
with open_destination(sys.argv[1]).lock("the killed one"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_lock_ends_with_its_process(place: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, place],
        stdout=subprocess.PIPE,
        env={**module.os.environ, "PYTHONPATH": ":".join(sys.path)},
    )
    assert process.stdout and process.stdout.readline() == b"held\n"
    with pytest.raises(InputError, match="the killed one"):
        with open_destination(place).lock("me"):
            pass
    process.kill()
    process.wait()
    with open_destination(place).lock("me"):
        pass


def test_the_pointer_is_swapped(place: str) -> None:
    opened = open_destination(place)
    with opened.lock("me"):
        assert read_pointer(opened) is None
        opened.swap_pointer(ONE)
        assert read_pointer(opened) == ONE
        opened.swap_pointer(TWO)
    with opened.lock("me"):
        assert read_pointer(opened) == TWO


def test_a_pointer_that_somebody_else_wrote_is_not_swapped(
    bucket: str, tmp_path: Path
) -> None:
    opened = Bucket(f"{bucket}/{tmp_path.name}")
    with opened.lock("me"):
        opened.swap_pointer(ONE)
        # As one who has the lock by then: the record is the same one.
        opened._put("current", f"{ONE}\nanother token\n".encode())
        with pytest.raises(InputError, match="another deployment went first"):
            opened.swap_pointer(TWO)
    assert read_pointer(opened) == ONE


def test_what_a_killed_deploy_staged_is_removed(tmp_path: Path) -> None:
    (tmp_path / "staging" / "a").mkdir(parents=True)
    with Folder(str(tmp_path)).lock("me"):
        assert not (tmp_path / "staging").exists()


def lease(of: str) -> Any:
    return json.loads(open_destination(of).read("lock"))


def test_a_lease_that_ran_out_is_taken_over(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = f"{bucket}/{tmp_path.name}"
    slow, quick = Bucket(place), Bucket(place)
    index = {"manifest.json": b"1"}
    monkeypatch.setattr(module, "_machine", lambda: "elsewhere")
    with slow.lock("slow"):
        monkeypatch.setattr(module, "_machine", lambda: "here")
        with pytest.raises(InputError, match=r"under way \(slow\)"):
            with quick.lock("quick"):
                pass
        # As if it had been asleep for longer than its lease.
        text = json.dumps({**lease(place), "until": "2020-01-01T00:00:00+00:00"})
        held = slow._lease = slow._put("lock", text.encode())
        with quick.lock("quick"):
            quick.put_tree("releases/x", index)
            # It may even have renewed its lease just before.
            monkeypatch.setattr(slow, "_renew_lease", lambda seconds: None)
            with pytest.raises(InputError, match="another deployment went first"):
                slow.swap_pointer(ONE)
            monkeypatch.undo()
            for act in (
                lambda: slow.put_tree("releases/y", index),
                lambda: slow.remove_tree("releases/x"),
                lambda: slow.swap_pointer(ONE),
            ):
                slow._lease = held
                with pytest.raises(InputError, match="another deployment went first"):
                    act()
            quick.swap_pointer(TWO)
    reader = open_destination(place)
    assert read_pointer(reader) == TWO
    assert reader.folders("releases") == ["x"]
    assert lease(place)["who"] == "quick"


def test_the_number_of_a_process_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    until = "2999-01-01T00:00:00+00:00"
    started = module._started(module.os.getpid())
    mine = {"machine": module._machine(), "process": [module.os.getpid(), started]}
    assert not module._is_over({"until": until, **mine})
    other = {**mine, "process": [module.os.getpid(), "1"]}
    assert module._is_over({"until": until, **other})
    # What has that number on another machine, or in another container, is nobody's.
    assert not module._is_over({"until": until, **other, "machine": "elsewhere"})


def test_a_lease_is_renewed_while_it_is_held(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LEASE", 0.3)
    place = f"{bucket}/{tmp_path.name}"
    renewed = threading.Event()
    stock = Bucket._renew_lease

    def renew(self: Bucket, seconds: int) -> None:
        stock(self, seconds)
        if seconds:
            renewed.set()

    monkeypatch.setattr(Bucket, "_renew_lease", renew)
    with Bucket(place).lock("me"):
        first = lease(place)["until"]
        renewed.clear()
        assert renewed.wait(60)
        assert lease(place)["until"] > first


def test_an_answer_that_was_lost_is_no_refusal(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Bucket(f"{bucket}/{tmp_path.name}")
    stock = Bucket._put

    def put_twice(self: Bucket, name: str, content: bytes, **condition: str) -> str:
        # As a client does that got no answer to the first one.
        if name == "current":
            stock(self, name, content, **condition)
        return stock(self, name, content, **condition)

    with opened.lock("me"):
        monkeypatch.setattr(Bucket, "_put", put_twice)
        opened.swap_pointer(ONE)
        opened.swap_pointer(TWO)
    assert read_pointer(opened) == TWO


def test_other_errors_of_s3_are_no_refusals() -> None:
    def error(code: str) -> OSError:
        cause = ClientError({"Error": {"Code": code}}, "PutObject")
        result = OSError("x")
        result.__cause__ = cause
        return result

    assert module._is_refused(error("PreconditionFailed"))
    assert not module._is_refused(error("AccessDenied"))
    assert not module._is_refused(OSError("x"))


def test_what_cannot_be_written_is_told(bucket: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (str(tmp_path / "file" / "x"), "s3://no-such-bucket-here/x"):
        with pytest.raises(InputError, match="cannot be written .*see that it exists"):
            with open_destination(place).lock("me"):
                pass


def test_a_store_that_does_not_answer_is_told(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(InputError, match="cannot be written .Could not connect to the"):
        with open_destination(bucket).lock("me"):
            pass


def test_a_destination_is_a_reader_too(place: str) -> None:
    opened: Destination = open_destination(place)
    with pytest.raises(FileNotFoundError):
        opened.read("current")
    assert opened.names("records") == set()
