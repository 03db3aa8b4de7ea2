"""Ports: where a task's tables come from and go to, as a py_config names them."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maxairesources.errors import InputError

_TYPES = ("pandas", "spark")
_SOURCES = ("file",)
_FORMATS = ("parquet", "csv")


@dataclass(frozen=True)
class Port:
    """One port, checked.

    Attributes:
        type: the kind of data frame, `pandas` or `spark`.
        format: the format of the file, `parquet` or `csv`.
        path: the file, or the folder that Spark reads or writes.
    """

    type: str
    format: str
    path: Path


def find_port(ports: Any, port_number: int = 1) -> Port:
    """Return the port that has a number.

    Args:
        ports: the list of ports in a py_config, each of the form `{"port": 1, "type":
            "pandas", "sourceDetails": {"source": "file", "fileFormat": "parquet",
            "filePath": "retail/transactions.parquet"}}`. A relative path is below the
            folder that MAXAI_DATA_ROOT names (default: the current folder).
        port_number: the number of the port.

    Raises:
        InputError: the port is missing, stands there twice, or has a missing or
            unknown value.
    """
    name = f"port {port_number}"
    found = [
        port
        for port in (ports if isinstance(ports, list) else [])
        if isinstance(port, dict) and port.get("port") == port_number
    ]
    if len(found) != 1:
        problem = "is missing" if not found else f"stands there {len(found)} times"
        raise InputError(f"{name} {problem}", "give each port once, with its number")
    details = found[0].get("sourceDetails")
    if not isinstance(details, dict):
        raise InputError(f"{name} has no sourceDetails", "add them, a JSON object")
    file_path = details.get("filePath")
    if not isinstance(file_path, str) or not file_path:
        raise InputError(
            f"{name}: sourceDetails.filePath is {file_path!r}", "give a path"
        )
    _one_of(name, "sourceDetails.source", details.get("source"), _SOURCES)
    return Port(
        type=_one_of(name, "type", found[0].get("type"), _TYPES),
        format=_one_of(
            name, "sourceDetails.fileFormat", details.get("fileFormat"), _FORMATS
        ),
        path=Path(os.environ.get("MAXAI_DATA_ROOT", "")) / file_path,
    )


def check_exists(path: Path) -> None:
    """Raise an InputError when there is no such file or folder."""
    if not path.exists():
        raise InputError(
            "no such file",
            "write it first, or point MAXAI_DATA_ROOT or the config at the right place",
            path,
        )


def unreadable(port: Port, error: Exception) -> InputError:
    """Return the error for a file that is there but cannot be read."""
    lines = str(error).strip().splitlines()
    reason = lines[0] if lines else type(error).__name__
    return InputError(
        f"cannot be read as {port.format} ({reason})",
        "give a file of that format, or change fileFormat in the config",
        port.path,
    )


def unwritable(port: Port, error: OSError) -> InputError:
    """Return the error for a place that cannot be written to."""
    return InputError(
        f"cannot be written ({error.strerror})",
        "make the folder writable, or change filePath in the config",
        port.path,
    )


def _one_of(port: str, key: str, value: Any, valid: tuple[str, ...]) -> str:
    if value not in valid:
        raise InputError(
            f"{port}: {key} is {value!r}", f"supported: {', '.join(valid)}"
        )
    return str(value)
