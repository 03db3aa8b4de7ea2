"""Reads and writes the tables of a task through its ports."""

import importlib
import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pandas as pd

# Pandas reads and writes parquet through it; Pants sees what is imported only.
import pyarrow  # noqa: F401

from maxairesources.errors import InputError
from maxairesources.utilities.ports import (
    Port,
    check_exists,
    find_port,
    unreadable,
    unwritable,
)

# Domains without Spark hold this module but not that one, so it is loaded by name.
_SPARK_CONNECTORS = "maxairesources.utilities.spark_connectors"


class DataFrame:
    """Data frames behind ports: pandas or Spark, as the port says."""

    def get(self, ports: Any, port_number: int = 1) -> Any:
        """Read the table of a port.

        Args:
            ports: the task's `input`, see `find_port`.
            port_number: the number of the port.

        Returns:
            A pandas DataFrame or a Spark one, as the port's type says.

        Raises:
            InputError: the port is wrong, or its file is missing or unreadable.
        """
        port = find_port(ports, port_number)
        check_exists(port.path)
        if port.type == "spark":
            return _spark().read(port)
        reader = pd.read_parquet if port.format == "parquet" else pd.read_csv
        try:
            return reader(port.path)
        except (ValueError, OSError) as error:
            raise unreadable(port, error) from error

    def write(self, df: Any, ports: Any, port_number: int = 1) -> None:
        """Write a table to a port, whole or not at all; missing folders are made.

        Args:
            df: a pandas DataFrame or a Spark one, as the port's type says.
            ports: the task's `output`, see `find_port`.
            port_number: the number of the port.

        Raises:
            InputError: the port is wrong, or its place cannot be written to.
        """
        port = find_port(ports, port_number)
        if isinstance(df, pd.DataFrame) != (port.type == "pandas"):
            raise InputError(
                f"port {port_number} has type {port.type!r}, but the task writes a "
                f"{type(df).__module__.split('.')[0]} table there",
                "change the port's type in the config",
            )
        try:
            port.path.parent.mkdir(parents=True, exist_ok=True)
            if port.type == "spark":
                _spark().write(df, port)
            else:
                _write_pandas(df, port)
        except OSError as error:
            raise unwritable(port, error) from error


def reading(port: Port) -> AbstractContextManager[None]:
    """Return a context for what computes with the table of a port.

    Spark reads the data then only, so an unreadable part shows there, as an InputError.
    """
    return _spark().reading(port) if port.type == "spark" else nullcontext()


def _write_pandas(df: pd.DataFrame, port: Port) -> None:
    """Write aside, in the same folder, and put the whole file in place at once."""
    aside = port.path.with_name(f".{port.path.name}.{os.getpid()}.tmp")
    try:
        with aside.open("wb") as file:
            if port.format == "parquet":
                df.to_parquet(file, index=False)
            else:
                df.to_csv(file, index=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, port.path)
    finally:
        aside.unlink(missing_ok=True)


def _spark() -> Any:
    return importlib.import_module(_SPARK_CONNECTORS)
