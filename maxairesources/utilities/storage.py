"""Files and objects by their address: a path, or a URI such as s3://bucket/table.csv.

URIs are read and written through fsspec, which needs the package s3fs for s3, adlfs for
abfs and gcsfs for gs. These packages read credentials from their own environment
variables (AWS_ACCESS_KEY_ID, AZURE_STORAGE_ACCOUNT_KEY, GOOGLE_APPLICATION_CREDENTIALS).
fsspec reads other settings from variables such as FSSPEC_S3_ENDPOINT_URL. A config or an
address contains none of them.
"""

import os
import re
import uuid
from pathlib import Path
from typing import Any

import fsspec

from maxairesources.errors import InputError

# Within a URI: a password, and what follows a question mark, such as a signature.
_PASSWORD = re.compile(r"(?<=://)[^/\s@:]*:[^/\s@]*@")
_QUERY = re.compile(r"(://[^\s?]*\?)[^\s'\")]+")


def file_system(address: str) -> tuple[Any, str]:
    """Return fsspec's file system of an address, and the path in it."""
    if "://" not in address:
        # For fsspec, ~ at the start of a path has a meaning.
        return fsspec.url_to_fs(str(Path(address).absolute()))
    # An error for an unknown protocol, which the next call takes for a path.
    fsspec.get_filesystem_class(address.partition("://")[0])
    return fsspec.url_to_fs(address)


def check_exists(address: str) -> None:
    """Raise an InputError if nothing exists at an address, or it cannot be reached."""
    try:
        found, path = file_system(address)
        found.info(path)
    # The errors of the object stores' packages have no common base class.
    except Exception as error:
        raise unusable("read", address, error) from error


def read_text(address: str) -> str:
    """Return the text at an address.

    Raises:
        InputError: it cannot be read, or is not UTF-8.
    """
    try:
        found, path = file_system(address)
        return bytes(found.cat_file(path)).decode()
    except Exception as error:
        raise unusable("read", address, error) from error


def write(address: str, content: bytes) -> None:
    """Replace the file or object at an address, whole or not at all.

    Missing folders are created.

    Raises:
        InputError: it cannot be written.
    """
    try:
        if "://" in address:
            found, path = file_system(address)
            found.pipe_file(path, content)
            return
        target = Path(address)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Not the process id: in containers that share a volume it is the same in each.
        staged = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
        try:
            with staged.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            staged.replace(target)
        finally:
            staged.unlink(missing_ok=True)
    except Exception as error:
        raise unusable("written", address, error) from error


def unusable(
    verb: str, address: str, error: Exception, file_format: str = ""
) -> InputError:
    """Return the error for a file, perhaps of a format, that cannot be `read` or `written`.

    It has the first line of the error's message, without secrets in addresses.
    """
    if isinstance(error, ImportError):
        remedy = (
            "add it to the domain's requirements.txt, and as a dependency to the BUILD "
            "file of the handlers"
        )
        return InputError(str(error), remedy, shown(address))
    if verb == "read" and isinstance(error, FileNotFoundError):
        remedy = (
            "write it first, or correct its path (MAXAI_DATA_ROOT, filePath, --config)"
        )
        return InputError("no such file", remedy, shown(address))
    text = str(getattr(error, "strerror", None) or error).strip()
    reason = shown(text.splitlines()[0]) if text else type(error).__name__
    remedy = "check the path, and the permissions or credentials of this process"
    if file_format:
        verb += f" as {file_format}"
        remedy = "correct the table, or change fileFormat or options in the config"
    return InputError(f"cannot be {verb} ({reason})", remedy, shown(address))


def shown(text: str) -> str:
    """Return a string without the secrets in its URIs."""
    return _QUERY.sub(r"\1***", _PASSWORD.sub("***@", text))
