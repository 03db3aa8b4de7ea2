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
import secrets
import shutil
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from maxairesources.errors import InputError
from release_bundle.layout import MANIFEST, POINTER, RECORD, Reader, pointer_in

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

    def put_tree(self, folder: str, files: Mapping[str, bytes]) -> None:
        """Write a release or a record, whose index says that all the rest is there.

        Args:
            folder: where; nothing that is complete may be there.
            files: the content of each file by its name in there.
        """
        raise NotImplementedError

    def swap_pointer(self, name: str) -> None:
        """Make another record the current one.

        Raises:
            InputError: somebody else held the destination meanwhile.
        """
        raise NotImplementedError

    def remove_tree(self, folder: str) -> None:
        """Remove a release or a record, its index first."""
        raise NotImplementedError

    def is_complete(self, folder: str) -> bool:
        """Return whether a release or a record is there with its index."""
        try:
            self.read(f"{folder}/{index_of(folder)}")
        except FileNotFoundError:
            return False
        return True


def index_of(folder: str) -> str:
    """Return the name of the file that lists the others in a release or a record."""
    return RECORD if folder.startswith("records/") else MANIFEST


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

    def put_tree(self, folder: str, files: Mapping[str, bytes]) -> None:
        """See `Destination.put_tree`; all of it appears at once."""
        with _told(self.destination):
            staging, target = Path(self.root, _STAGING), Path(self.root, folder)
            write_files(staging, files, sync=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            staging.rename(target)
            _sync_folder(target.parent)

    def swap_pointer(self, name: str) -> None:
        """See `Destination.swap_pointer`; nobody else can, for want of the lock."""
        with _told(self.destination):
            staging = Path(self.root, _STAGING)
            write_files(staging, {POINTER: f"{name}\n".encode()}, sync=True)
            (staging / POINTER).rename(Path(self.root, POINTER))
        # From here on it is live, whatever the system says to the rest.
        with contextlib.suppress(OSError):
            _sync_folder(Path(self.root))
            staging.rmdir()

    def remove_tree(self, folder: str) -> None:
        """See `Destination.remove_tree`."""
        with _told(self.destination):
            Path(self.root, folder, index_of(folder)).unlink(missing_ok=True)
            shutil.rmtree(Path(self.root, folder))


class Bucket(Destination):
    """A prefix in a bucket of S3, or of what has S3's conditional writes.

    Whoever takes the lock writes the pointer anew, with a token of its own below the record's
    name. So one who was asleep for longer than its lease cannot swap it any more.
    """

    def __init__(self, destination: str) -> None:
        super().__init__(destination)
        self._bucket, _, self._prefix = self.root.partition("/")
        self._who = ""
        self._lease: str | None = None
        self._pointer: str | None = None
        self._renewing = threading.Lock()

    @contextlib.contextmanager
    def lock(self, who: str) -> Iterator[None]:
        """See `Destination.lock`."""
        self._who = who
        with _told(self.destination):
            self._lease = self._take_lease()
            found = self._get(POINTER)
            name = pointer_in(found[0], self.shown(POINTER)) if found else None
            self._pointer = self._write_pointer(name or "", found and found[1])
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

    def put_tree(self, folder: str, files: Mapping[str, bytes]) -> None:
        """See `Destination.put_tree`."""
        with _told(self.destination):
            self._renew_lease(_LEASE)
            last = index_of(folder)
            paths = {
                f"{self.root}/{folder}/{name}": content
                for name, content in files.items()
                if name != last
            }
            self.filesystem.pipe(paths)
            self._renew_lease(_LEASE)
            self._put(f"{folder}/{last}", files[last])

    def swap_pointer(self, name: str) -> None:
        """See `Destination.swap_pointer`."""
        with _told(self.destination):
            self._renew_lease(_LEASE)
            self._pointer = self._write_pointer(name, self._pointer)

    def remove_tree(self, folder: str) -> None:
        """See `Destination.remove_tree`."""
        with _told(self.destination):
            self._renew_lease(_LEASE)
            first = f"{self.root}/{folder}/{index_of(folder)}"
            paths = {f"{self.root}/{folder}/{name}" for name in self.names(folder)}
            if first in paths:
                self.filesystem.rm_file(first)
            if rest := sorted(paths - {first}):
                self._renew_lease(_LEASE)
                self.filesystem.rm(rest)

    def _write_pointer(self, name: str, tag: str | None) -> str:
        """Write the pointer over the version with a tag, and return the new one's.

        Raises:
            InputError: meanwhile there is another version.
        """
        content = f"{name}\n{secrets.token_hex(8)}\n".encode()
        written = self._put_over(POINTER, tag, content)
        if not written:
            raise _overtaken(self.destination)
        return written

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
            "machine": _machine(),
            "process": [os.getpid(), _started(os.getpid())],
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
    number, started = holder["process"]
    return bool(holder["machine"] == _machine() and started != _started(number))


def _machine() -> str:
    """Return what names this run of this machine, and the processes that it knows of."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {os.readlink('/proc/self/ns/pid')}"


def _started(process: int) -> str | None:
    """Return when a process has started, in the kernel's ticks; None if there is none."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return None
    # Its name, in parentheses, may hold anything.
    return text.rpartition(")")[2].split()[19]


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


def write_files(folder: Path, files: Mapping[str, bytes], sync: bool = False) -> None:
    """Write files below a folder, by their names in there.

    Args:
        folder: the folder; it need not exist.
        files: the content of each file.
        sync: return only when they would outlast a power failure.
    """
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            if sync:
                os.fsync(file.fileno())
    if sync:
        for up in {up for name in files for up in PurePosixPath(name).parents}:
            _sync_folder(folder / up)


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
