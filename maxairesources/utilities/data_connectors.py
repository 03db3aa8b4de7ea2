"""Reads and writes the tables of a task through its ports.

What a table of pandas is after it was written and read again depends on the format:

- parquet: the same table.
- csv: only texts; types are guessed. Dates come back as texts, texts of digits as
  numbers, and empty texts and such as NA as missing values.
- excel: the first sheet of an .xlsx file. Fractions have 16 digits and are whole
  numbers where they can be, times are rounded to milliseconds, and those with a time
  zone are refused. Dates come back as times and empty texts as missing values, and
  last rows of missing values do not come back.
- json: a list of records, one object a row, and not one a line (Spark writes those).
  Dates come back as texts (ISO 8601), and an empty table without its columns.

In excel and json, as in csv, a column of whole numbers with missing values comes back
as one of fractions, and a categorical one as texts.
"""

import importlib
import json
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import IO, Any

import pandas as pd

# Pandas reads and writes parquet through it; Pants sees what is imported only.
import pyarrow  # noqa: F401

from maxairesources.configs.py_config import Port
from maxairesources.errors import InputError
from maxairesources.utilities import storage
from maxairesources.utilities.ports import Place, find_port, unreadable

# Domains without Spark hold this module but not that one, so it is loaded by name.
_SPARK_CONNECTORS = "maxairesources.utilities.spark_connectors"


class DataFrame:
    """Data frames behind ports: pandas or Spark, as the port says."""

    def get(self, ports: Iterable[Port | dict[str, Any]], port_number: int = 1) -> Any:
        """Read the table of a port.

        Args:
            ports: the task's `input`, see `find_port`.
            port_number: the number of the port.

        Returns:
            A pandas DataFrame or a Spark one, as the port's type says.

        Raises:
            InputError: the port is wrong, or its table is missing or unreadable.
        """
        place = find_port(ports, port_number)
        storage.check_exists(place.address)
        return _spark().read(place) if place.type == "spark" else _read_pandas(place)

    def write(
        self, df: Any, ports: Iterable[Port | dict[str, Any]], port_number: int = 1
    ) -> None:
        """Write a table to a port, whole or not at all; missing folders are made.

        Args:
            df: a pandas DataFrame or a Spark one, as the port's type says.
            ports: the task's `output`, see `find_port`.
            port_number: the number of the port.

        Raises:
            InputError: the port is wrong, or its place cannot be written to.
        """
        place = find_port(ports, port_number)
        if isinstance(df, pd.DataFrame) != (place.type == "pandas"):
            raise InputError(
                f"port {port_number} has type {place.type!r}, but the task writes a "
                f"{type(df).__module__.split('.')[0]} table there",
                "change the port's type in the config",
            )
        if place.type == "spark":
            _spark().write(df, place)
            return
        try:
            with storage.replacing(place.address) as file:
                _WRITERS[place.format](df, file)
        except ImportError as error:
            raise storage.lacking("openpyxl", "excel", place.address) from error


def reading(place: Place) -> AbstractContextManager[None]:
    """Return a context for what computes with the table of a port.

    Spark reads the data then only, so an unreadable part shows there, as an InputError.
    """
    return _spark().reading(place) if place.type == "spark" else nullcontext()


def _read_pandas(place: Place) -> pd.DataFrame:
    found, path = storage.file_system(place.address)
    try:
        # By its path, since it may be a folder of Spark's.
        if place.format == "parquet":
            return pd.read_parquet(path, filesystem=found)
        with found.open(path, compression="infer") as file:
            return _READERS[place.format](file)
    except ImportError as error:
        raise storage.lacking("openpyxl", "excel", place.address) from error
    # The readers and the packages of object stores raise errors of many kinds, and
    # nothing of ours runs in here.
    except Exception as error:
        raise unreadable(place, error) from error


def _read_excel(file: Any) -> pd.DataFrame:
    # The cells have types, so that pandas need not look for numbers in texts.
    return pd.read_excel(
        file, engine="openpyxl", dtype=object, keep_default_na=False, na_values=[""]
    ).infer_objects()


def _write_json(df: pd.DataFrame, file: IO[bytes]) -> None:
    # Pandas itself would round numbers to 15 places and write infinite ones as null.
    records = df.astype(object).where(df.notna(), None).to_dict("records")
    text = json.dumps(records, allow_nan=False, default=lambda time: time.isoformat())
    file.write(text.encode())


_READERS: dict[str, Callable[[Any], pd.DataFrame]] = {
    # The default of float_precision may miss the last digit.
    "csv": partial(pd.read_csv, float_precision="round_trip"),
    "excel": _read_excel,
    # Pandas would look for dates and numbers in texts.
    "json": partial(
        pd.read_json,
        orient="records",
        dtype=False,
        convert_dates=False,
        precise_float=True,
    ),
}
_WRITERS: dict[str, Callable[[pd.DataFrame, Any], None]] = {
    "csv": partial(pd.DataFrame.to_csv, index=False),
    "excel": partial(pd.DataFrame.to_excel, index=False, engine="openpyxl"),
    "json": _write_json,
    "parquet": partial(pd.DataFrame.to_parquet, index=False),
}


def _spark() -> Any:
    return importlib.import_module(_SPARK_CONNECTORS)
