"""Writes to a destination so that whoever reads from it never sees anything half-done.

A file appears whole or not at all, and the file that says that a release or a record is
complete comes last. The pointer is swapped only if it still is what it was. One deploy at a
time holds the lock, which ends with its process. These promises rest on rename(2) and flock(2)
in a folder, and on conditional writes of S3 in a bucket.
"""

import contextlib
import datetime
import fcntl
import json
import os
import shutil
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
from botocore.exceptions import BotoCoreError, ClientError

from maxairesources.errors import InputError
from release_bundle.layout import POINTER, Reader

# What the file system or S3 refuses; without an answer S3's client has errors of its own.
ERRORS = (OSError, BotoCoreError)

_LOCK = "lock"
_STAGING = "staging"
# How long a lock in a bucket lasts, in seconds, unless its holder renews it, as it does
# three times as often.
_LEASE = 60


class Destination(Reader):
    """A destination that can be written to; `open_destination` makes one."""

    def lock(self, who: str) -> contextlib.AbstractContextManager[None]:
        """Hold the destination.

        Args:
            who: what others are told about the holder.

        Raises:
            InputError: somebody else holds it, or it cannot be written to.
        """
        raise NotImplementedError

    def put_tree(self, folder: str, files: Mapping[str, bytes], last: str) -> None:
        """Write a folder of files.

        Args:
            folder: where; nothing that is complete may be there.
            files: the content of each by its name in there.
            last: the name of the one that says that the others are there.
        """
        raise NotImplementedError

    def swap_pointer(self, old: str | None, new: str) -> None:
        """Make another record the current one.

        Args:
            old: the record that has to be the current one still.
            new: the one that is to be.

        Raises:
            InputError: meanwhile another one is.
        """
        raise NotImplementedError

    def remove_tree(self, folder: str, last: str) -> None:
        """Remove a folder, `last` first, so that it is not taken for complete meanwhile."""
        raise NotImplementedError

    def has(self, name: str) -> bool:
        """Return whether a file is there."""
        return bool(self.filesystem.exists(f"{self.root}/{name}"))


def open_destination(destination: str) -> Destination:
    """Return what writes to a destination, a folder or s3://bucket/prefix."""
    return (Bucket if "://" in destination else Folder)(destination)


class Folder(Destination):
    """A folder of a file system that has atomic renames and locks."""

    @contextlib.contextmanager
    def lock(self, who: str) -> Iterator[None]:
        """See `Destination.lock`."""
        with _told(self.destination):
            Path(self.root).mkdir(parents=True, exist_ok=True)
            handle = os.open(f"{self.root}/{_LOCK}", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(handle, 1000, 0).decode(errors="replace").strip()
                raise _held(self.destination, holder) from None
            with _told(self.destination):
                os.truncate(handle, 0)
                os.pwrite(handle, f"{who}\n".encode(), 0)
                # What a deploy that was killed has left behind is nobody's.
                shutil.rmtree(Path(self.root, _STAGING), ignore_errors=True)
            yield
        finally:
            # A lock file that was removed could be held by two: it stays.
            os.close(handle)

    def put_tree(self, folder: str, files: Mapping[str, bytes], last: str) -> None:
        """See `Destination.put_tree`; `last` needs no care, since the folder is renamed."""
        with _told(self.destination):
            staging = Path(self.root, _STAGING)
            for name, content in files.items():
                _write(staging / name, content)
            target = Path(self.root, folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            _sync_folder(staging)
            staging.rename(target)
            _sync_folder(target.parent)

    def swap_pointer(self, old: str | None, new: str) -> None:
        """See `Destination.swap_pointer`; nobody else can, for want of the lock."""
        with _told(self.destination):
            staging = Path(self.root, _STAGING)
            _write(staging / POINTER, f"{new}\n".encode())
            (staging / POINTER).rename(Path(self.root, POINTER))
            _sync_folder(Path(self.root))
            staging.rmdir()

    def remove_tree(self, folder: str, last: str) -> None:
        """See `Destination.remove_tree`."""
        with _told(self.destination):
            Path(self.root, folder, last).unlink(missing_ok=True)
            shutil.rmtree(Path(self.root, folder))


class Bucket(Destination):
    """A prefix in a bucket of S3, or of what has S3's conditional writes."""

    def __init__(self, destination: str) -> None:
        super().__init__(destination)
        self._bucket, _, self._prefix = self.root.partition("/")
        self._who = ""
        self._lease: str | None = None
        self._renewing = threading.Lock()

    @contextlib.contextmanager
    def lock(self, who: str) -> Iterator[None]:
        """See `Destination.lock`."""
        self._who = who
        with _told(self.destination):
            self._lease = self._take_lease()
        ended = threading.Event()
        renewal = threading.Thread(target=self._keep_lease, args=(ended,), daemon=True)
        renewal.start()
        try:
            yield
        finally:
            ended.set()
            renewal.join()
            # If that fails, the lease ends by itself, or with this process.
            with contextlib.suppress(*ERRORS, InputError):
                self._renew_lease(0)

    def put_tree(self, folder: str, files: Mapping[str, bytes], last: str) -> None:
        """See `Destination.put_tree`."""
        with _told(self.destination):
            self._renew_lease(_LEASE)
            paths = {
                f"{self.root}/{folder}/{name}": content
                for name, content in files.items()
                if name != last
            }
            self.filesystem.pipe(paths)
            self._renew_lease(_LEASE)
            self._put(f"{folder}/{last}", files[last])

    def swap_pointer(self, old: str | None, new: str) -> None:
        """See `Destination.swap_pointer`."""
        with _told(self.destination):
            self._renew_lease(_LEASE)
            found = self._get(POINTER)
            told, tag = found if found else (b"", None)
            if told.decode().strip() != (old or ""):
                raise _overtaken(self.destination)
            if not self._put_over(POINTER, tag, f"{new}\n".encode()):
                raise _overtaken(self.destination)

    def remove_tree(self, folder: str, last: str) -> None:
        """See `Destination.remove_tree`."""
        with _told(self.destination):
            self._renew_lease(_LEASE)
            paths = [f"{self.root}/{folder}/{name}" for name in self.names(folder)]
            first = f"{self.root}/{folder}/{last}"
            if first in paths:
                self.filesystem.rm_file(first)
                paths.remove(first)
            for start in range(0, len(paths), 1000):
                self._renew_lease(_LEASE)
                self.filesystem.rm(paths[start : start + 1000])

    def _take_lease(self) -> str:
        found = self._get(_LOCK)
        if found:
            holder = json.loads(found[0])
            if not _is_over(holder):
                raise _held(self.destination, holder["who"])
        tag = found[1] if found else None
        lease = self._put_over(_LOCK, tag, self._lock_text(_LEASE))
        if not lease:
            raise _held(self.destination, "somebody")
        return lease

    def _keep_lease(self, ended: threading.Event) -> None:
        while not ended.wait(_LEASE / 3):
            # What matters is asked for anew before each write that does.
            with contextlib.suppress(*ERRORS, InputError):
                self._renew_lease(_LEASE)

    def _renew_lease(self, seconds: int) -> None:
        """Renew the lease.

        Raises:
            InputError: it ran out, and somebody else took it.
        """
        with self._renewing:
            if not self._lease:
                raise _overtaken(self.destination)
            text = self._lock_text(seconds)
            self._lease = self._put_over(_LOCK, self._lease, text)
            if not self._lease:
                raise _overtaken(self.destination)

    def _lock_text(self, seconds: int) -> bytes:
        now = datetime.datetime.now(datetime.timezone.utc)
        told = {
            "who": self._who,
            "until": (now + datetime.timedelta(seconds=seconds)).isoformat(),
            "host": socket.gethostname(),
            "process": [os.getpid(), psutil.Process().create_time()],
        }
        return json.dumps(told).encode()

    def _put_over(self, name: str, tag: str | None, content: bytes) -> str | None:
        """Write a file over the version with a tag, or where None is no file at all.

        Returns:
            The tag of the new version; None if meanwhile there is another one.
        """
        condition = {"IfMatch": tag} if tag else {"IfNoneMatch": "*"}
        try:
            return self._put(name, content, **condition)
        except OSError as error:
            if not _is_refused(error):
                raise
        # An answer that was lost makes the client send it once more.
        found = self._get(name)
        return found[1] if found and found[0] == content else None

    def _put(self, name: str, content: bytes, **condition: str) -> str:
        key = "/".join(filter(None, (self._prefix, name)))
        told = self.filesystem.call_s3(
            "put_object", Bucket=self._bucket, Key=key, Body=content, **condition
        )
        tag: str = told["ETag"]
        return tag

    def _get(self, name: str) -> tuple[bytes, str] | None:
        """Return a file's content and the tag that names this version of it."""
        path = f"{self.root}/{name}"
        for _ in range(10):
            try:
                before = self.filesystem.info(path, refresh=True)["ETag"]
                content = self.filesystem.cat_file(path)
                if before == self.filesystem.info(path, refresh=True)["ETag"]:
                    return content, before
            except FileNotFoundError:
                return None
        raise _held(self.destination, "somebody")


def _is_over(holder: dict[str, Any]) -> bool:
    """Return whether a lock's lease has run out, or its process has ended on this machine."""
    until = datetime.datetime.fromisoformat(holder["until"])
    if until <= datetime.datetime.now(datetime.timezone.utc):
        return True
    if holder["host"] != socket.gethostname():
        return False
    number, started = holder["process"]
    try:
        return bool(psutil.Process(number).create_time() != started)
    except psutil.NoSuchProcess:
        return True


def _is_refused(error: OSError) -> bool:
    """Return whether S3 refused a write since its condition did not hold."""
    cause = error.__cause__
    return isinstance(cause, ClientError) and cause.response["Error"]["Code"] in (
        "PreconditionFailed",
        "ConditionalRequestConflict",
    )


def _held(destination: str, holder: str) -> InputError:
    problem = f"another deployment is under way ({holder}), so nothing was changed here"
    return InputError(problem, "try again when it has ended", destination)


def _overtaken(destination: str) -> InputError:
    problem = "another deployment went first, so nothing was changed here"
    return InputError(problem, "see what is there now: status", destination)


@contextlib.contextmanager
def _told(destination: str) -> Iterator[None]:
    """Tell what the system refuses as an error that a person can mend."""
    try:
        yield
    except ERRORS as error:
        problem = f"cannot be written ({getattr(error, 'strerror', None) or error})"
        remedy = "see that it exists, has room, and lets you write"
        raise InputError(problem, remedy, destination) from error


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
