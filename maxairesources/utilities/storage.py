"""Files and objects by their address: a path, or a URI such as s3://bucket/table.csv.

URIs are read and written through fsspec, which needs the package s3fs for s3, adlfs for
abfs and gcsfs for gs. These packages read credentials from their own environment
variables (AWS_ACCESS_KEY_ID, AZURE_STORAGE_ACCOUNT_KEY, GOOGLE_APPLICATION_CREDENTIALS).
fsspec reads other settings from variables such as FSSPEC_S3_ENDPOINT_URL. A config or an
address contains none of them.

Any error of these functions is an InputError that names the address.
"""

import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec

from maxairesources.errors import InputError

# Within a URI: a password, and what follows a question mark, such as a signature.
_PASSWORD = re.compile(r"(?<=://)[^/\s@:]*:[^/\s@]*@")
_QUERY = re.compile(r"(://[^\s?]*\?)[^\s'\")]+")


def find(address: str) -> tuple[Any, str]:
    """Return fsspec's file system of an address, and the path in it, which must exist."""
    with converting("read", address):
        found, path = _file_system(address)
        found.info(path)
        return found, path


def read_text(address: str) -> str:
    """Return the text at an address, which is in UTF-8."""
    with converting("read", address):
        found, path = _file_system(address)
        return bytes(found.cat_file(path)).decode()


def write(address: str, content: bytes) -> None:
    """Replace the file or object at an address, whole or not at all."""
    with converting("written", address):
        if "://" in address:
            found, path = _file_system(address)
            found.pipe_file(path, content)
            return
        with replacing(address) as staged, staged.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def replacing(address: str) -> Iterator[Path]:
    """Yield the path of a new file or folder, which then replaces the one at an address.

    A folder replaces anything, but a file replaces no folder. Missing folders are created.
    """
    target = Path(address)
    # Not the process id: in containers that share a volume it is the same in each.
    work = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    new, old = work / "new", work / "old"
    try:
        work.mkdir(parents=True)
        yield new
        # Renaming a folder cannot replace another one.
        if new.is_dir() and target.exists():
            target.rename(old)
        new.rename(target)
    finally:
        if old.exists() and not target.exists():
            old.rename(target)
        shutil.rmtree(work, ignore_errors=True)


def _file_system(address: str) -> tuple[Any, str]:
    if "://" not in address:
        # For fsspec, ~ at the start of a path has a meaning.
        return fsspec.url_to_fs(str(Path(address).absolute()))
    # An error for an unknown protocol, which the next call takes for a path.
    fsspec.get_filesystem_class(address.partition("://")[0])
    return fsspec.url_to_fs(address)


@contextmanager
def converting(verb: str, address: str, file_format: str = "") -> Iterator[None]:
    """Convert an error in this context to one for a file that cannot be `read` or `written`.

    It has the first line of the error's message, without secrets in addresses.
    """
    try:
        yield
    except InputError:
        raise
    # The errors of readers and of the object stores' packages have no common base class.
    except Exception as error:
        text = str(getattr(error, "strerror", None) or error).strip()
        reason = shown(text.splitlines()[0]) if text else type(error).__name__
        problem = f"cannot be {verb} ({reason})"
        remedy = "check the path, and the permissions or credentials of this process"
        if isinstance(error, ImportError):
            problem, remedy = str(error), "add it to the domain's requirements.txt, and"
            remedy += " as a dependency to the BUILD file of the handlers"
        elif verb == "read" and isinstance(error, FileNotFoundError):
            problem, remedy = "no such file", "write it first, or correct its path "
            remedy += "(MAXAI_DATA_ROOT, filePath, --config)"
        elif file_format:
            problem = f"cannot be {verb} as {file_format} ({reason})"
            remedy = "correct the table, or change fileFormat or options in the config"
        raise InputError(problem, remedy, shown(address)) from error


def shown(text: str) -> str:
    """Return a string without the secrets in its URIs."""
    return _QUERY.sub(r"\1***", _PASSWORD.sub("***@", text))
