"""Files and objects by their address: a path, or a URI such as s3://bucket/table.csv.

URIs are read and written through fsspec, which needs the package s3fs for s3, adlfs for
abfs and gcsfs for gs. These packages read credentials from their own environment
variables (AWS_ACCESS_KEY_ID, AZURE_STORAGE_ACCOUNT_KEY, GOOGLE_APPLICATION_CREDENTIALS).
fsspec reads other settings from variables such as FSSPEC_S3_ENDPOINT_URL. A config or an
address contains none of them.
"""

import os
import re
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from maxairesources.errors import InputError

# Within a URI: a password, and what follows a question mark, such as a signature.
_PASSWORD = re.compile(r"(?<=://)[^/\s@:]*:[^/\s@]*@")
_QUERY = re.compile(r"(://[^\s?]*\?)[^\s'\")]+")

# What waits for the end of `together`, by address: how to replace it, and how to clean up.
_waiting: dict[str, tuple[Callable[[], None], Callable[[], object]]] | None = None

_CHECK = "check the path, and the permissions or credentials of this process"


def is_store(address: str) -> bool:
    """Return whether an address is in an object store rather than on a file system."""
    return "://" in address and not address.startswith("file://")


def file_system(address: str) -> tuple[Any, str]:
    """Return fsspec's file system of an address, and the path in it.

    Raises:
        InputError: the protocol is unknown, lacks its package or its settings.
    """
    if "://" not in address:
        # Not by fsspec, for which ~ and :: in a path have a meaning.
        return LocalFileSystem(), str(Path(address).absolute())
    protocol = address.partition("://")[0]
    if protocol not in fsspec.available_protocols():
        raise InputError(
            f"unknown protocol {protocol!r}",
            "use a path, or a URI of file, s3, abfs or gs",
            shown(address),
        )
    try:
        return fsspec.url_to_fs(address)
    except ImportError as error:
        # fsspec's own error, without a name, hides the one of the package.
        package = getattr(error.__cause__, "name", None) or reason(error)
        raise lacking(package, protocol, address) from error
    except Exception as error:
        raise unreadable(address, error) from error


def check_exists(address: str) -> None:
    """Raise an InputError if nothing exists at an address, or it cannot be reached."""
    settle(address)
    found, path = file_system(address)
    try:
        found.info(path)
    # The errors of the object stores' packages have no common base class.
    except Exception as error:
        raise unreadable(address, error) from error


def read_text(address: str) -> str:
    """Return the text at an address.

    Raises:
        InputError: it cannot be read, or is not UTF-8.
    """
    found, path = file_system(address)
    try:
        return bytes(found.cat_file(path)).decode()
    except UnicodeDecodeError as error:
        problem = f"is not UTF-8 ({error.reason})"
        raise InputError(problem, "save it as UTF-8", shown(address)) from error
    except Exception as error:
        raise unreadable(address, error) from error


@contextmanager
def together() -> Iterator[None]:
    """Replace what is written in this context at its end, or nothing after an exception.

    What `check_exists` finds in this context is replaced first.
    """
    global _waiting
    before, _waiting = _waiting, {}
    try:
        yield
        for address in [*_waiting]:
            settle(address)
    finally:
        for _, discard in _waiting.values():
            discard()
        _waiting = before


def settle(address: str) -> None:
    """Replace what waits for an address now; see `together`."""
    if _waiting and address in _waiting:
        _finish(*_waiting.pop(address))


def _finish(commit: Callable[[], None], discard: Callable[[], object]) -> None:
    try:
        commit()
    finally:
        discard()


def replace(
    address: str, commit: Callable[[], None], discard: Callable[[], object]
) -> None:
    """Call `commit` now, or at the end of `together`; then, or if it fails, `discard`."""
    if _waiting is None:
        _finish(commit, discard)
        return
    settle(address)
    _waiting[address] = (commit, discard)


def _remove(path: Path) -> None:
    # If it could not be created, it cannot be removed either.
    with suppress(OSError):
        path.unlink()


@contextmanager
def replacing(address: str) -> Iterator[IO[bytes]]:
    """Yield a file that replaces the one at the address, and create missing folders.

    An exception changes nothing. On a file system, a temporary file in the same folder is
    renamed at the end. For an object store, a temporary file is put as one object.

    Raises:
        InputError: it cannot be written.
    """
    found, path = file_system(address)
    if is_store(address):
        folder = tempfile.TemporaryDirectory(prefix="maxai-")
        staged = Path(folder.name, "object")
        discard: Callable[[], object] = folder.cleanup
    else:
        # Not the process id: in containers that share a volume it is the same in each.
        target = Path(path)
        staged = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
        discard = partial(_remove, staged)

    def commit() -> None:
        try:
            if is_store(address):
                found.put_file(str(staged), path)
            else:
                os.replace(staged, path)
        # The errors of the object stores' packages have no common base class.
        except Exception as error:
            raise unwritable(address, error) from error

    try:
        staged.parent.mkdir(parents=True, exist_ok=True)
        with staged.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException as error:
        discard()
        if isinstance(error, OSError):
            raise unwritable(address, error) from error
        raise
    replace(address, commit, discard)


def unreadable(address: str, error: Exception) -> InputError:
    """Return the error for a file that is missing or cannot be read."""
    if isinstance(error, FileNotFoundError):
        return InputError(
            "no such file",
            "write it first, or correct its path (MAXAI_DATA_ROOT, filePath, --config)",
            shown(address),
        )
    return InputError(
        f"cannot be read ({reason(error)})",
        _CHECK,
        shown(address),
    )


def unwritable(address: str, error: Exception) -> InputError:
    """Return the error for a place that cannot be written to."""
    return InputError(
        f"cannot be written ({reason(error)})",
        _CHECK,
        shown(address),
    )


def lacking(package: str, user: str, address: str) -> InputError:
    """Return the error for a package that a protocol or a format needs."""
    return InputError(
        f"{user} needs the package {package}",
        "add it to the domain's requirements.txt, and as a dependency to the BUILD "
        "file of the handlers",
        shown(address),
    )


def reason(error: Exception) -> str:
    """Return the first line of an error's message, without secrets in addresses."""
    text = str(getattr(error, "strerror", None) or error).strip()
    return shown(text.splitlines()[0]) if text else type(error).__name__


def shown(text: str) -> str:
    """Return a string without the secrets in its URIs."""
    return _QUERY.sub(r"\1***", _PASSWORD.sub("***@", text))
