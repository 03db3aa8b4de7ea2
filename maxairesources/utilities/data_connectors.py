"""Reads and writes the tables of a task through its ports.

What a table of pandas is after it was written and read again depends on the format:

- parquet: the same table. Files in folders named column=value have that column too.
- csv: only strings; types are guessed. Dates come back as strings, strings of digits as
  numbers, and empty strings and such as NA as missing values.
- excel: one sheet of an .xlsx file. Fractions have 16 digits and are whole numbers where
  they can be, times are rounded to milliseconds, and those with a time zone are refused.
  Dates come back as times and empty strings as missing values, and last rows of missing
  values do not come back.
- json: a list of records, one object for each row, or one object on each line with the
  option `lines`. Dates come back as strings (ISO 8601), and an empty table without its
  columns.

Whole numbers with missing values stay whole, with a nullable type of pandas. In csv, excel
and json, a categorical column comes back as strings. A named index is written as a column.
"""

import importlib
import json
import warnings
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import IO, Any

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
from fsspec.utils import infer_compression
from pyarrow import dataset

from maxairesources.configs.py_config import Port
from maxairesources.errors import InputError
from maxairesources.utilities import storage
from maxairesources.utilities.ports import Place, find_port, unreadable

# Domains without Spark hold this module but not that one, so it is loaded by name.
_SPARK_CONNECTORS = "maxairesources.utilities.spark_connectors"


class DataFrame:
    """Data frames behind ports: pandas or Spark, as the type of the port says."""

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
        if place.type == "spark":
            return _spark().read(place)
        storage.check_exists(place.address)
        return _read_pandas(place)

    def write(
        self, df: Any, ports: Iterable[Port | dict[str, Any]], port_number: int = 1
    ) -> None:
        """Write a table to a port, whole or not at all, and create missing folders.

        Args:
            df: a pandas DataFrame or a Spark one, as the port's type says.
            ports: the task's `output`, see `find_port`.
            port_number: the number of the port.

        Raises:
            InputError: the port is wrong, its place cannot be written to, or the format
                cannot hold the table.
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
        table = _with_index(df, place)
        _check_names(table.columns, place)
        try:
            with storage.replacing(place.address) as file:
                _WRITERS[place.format](table, file, place)
        except ImportError as error:
            raise storage.lacking("openpyxl", "excel", place.address) from error


def reading(place: Place) -> AbstractContextManager[None]:
    """Return a context for code that computes with the table of a port.

    Spark reads the data only then, so an unreadable part appears there, as an InputError.
    """
    return _spark().reading(place) if place.type == "spark" else nullcontext()


def _with_index(df: pd.DataFrame, place: Place) -> pd.DataFrame:
    """Return a table with its index as columns, if the index has names.

    An index of whole numbers without a name only counts the rows.
    """
    if any(name is not None for name in df.index.names):
        try:
            return df.reset_index()
        except ValueError as error:
            problem = f"the index cannot become a column ({error})"
            raise InputError(
                problem, "rename it", storage.shown(place.address)
            ) from None
    if len(df) and not pd.api.types.is_integer_dtype(df.index):
        raise InputError(
            f"the table has an index of type {df.index.dtype} without a name, which would "
            "be lost",
            "name it (df.index.name), or remove it (df.reset_index(drop=True))",
            storage.shown(place.address),
        )
    return df


def _check_names(columns: Iterable[Any], place: Place) -> None:
    """Raise an InputError for names of columns that a file cannot hold."""
    seen: set[object] = set()
    for name in columns:
        problem = ""
        if not isinstance(name, str):
            problem = f"the name of a column is {name!r}, not a string"
        elif name in seen:
            problem = f"two columns have the name {name!r}"
        if problem:
            raise InputError(problem, "rename it", storage.shown(place.address))
        seen.add(name)


def _read_pandas(place: Place) -> pd.DataFrame:
    found, path = storage.file_system(place.address)
    try:
        # By its path, because it may be a folder of Spark's.
        if place.format == "parquet":
            table = _read_parquet(found, path)
        else:
            with found.open(path, compression=_compression(place)) as file:
                table = _READERS[place.format](file, place)
    except InputError:
        raise
    except ImportError as error:
        raise storage.lacking("openpyxl", "excel", place.address) from error
    # The readers and the packages of object stores raise errors of many kinds, and
    # nothing of ours runs in here.
    except Exception as error:
        raise unreadable(place, error) from error
    _check_names(table.columns, place)
    return table


def _compression(place: Place) -> str | None:
    """Return the compression of a file, as fsspec names it."""
    given = place.options.get("compression")
    if given is None:
        inferred: str | None = infer_compression(place.address)
        return inferred
    return None if given == "none" else str(given)


def _read_parquet(found: Any, path: str) -> pd.DataFrame:
    # As strings, because pyarrow would take 01234 for a number.
    names = [
        part.partition("=")[0]
        for file in found.find(path)
        for part in file[len(path) :].split("/")[:-1]
        if "=" in part
    ]
    schema = pa.schema([(name, pa.string()) for name in dict.fromkeys(names)])
    parts = dataset.dataset(
        path,
        filesystem=found,
        format="parquet",
        partitioning=dataset.partitioning(schema, flavor="hive"),
    )
    # By itself, pyarrow would take the columns of the first file.
    schemas = [parts.schema, *(each.physical_schema for each in parts.get_fragments())]
    unified = pa.unify_schemas(schemas)
    table = parts.replace_schema(unified).to_table()
    frame: pd.DataFrame = table.to_pandas(types_mapper=_nullable_types(table).get)
    for name in schema.names:
        values = frame[name].dropna()
        if values.map(
            lambda value: str(int(value)) == value if value.isdigit() else False
        ).all():
            frame[name] = pd.to_numeric(frame[name])
    return frame


def _nullable_types(table: pa.Table) -> dict[pa.DataType, Any]:
    """Return the nullable types of the whole numbers and booleans with missing values."""
    found: dict[pa.DataType, Any] = {}
    for column, each in zip(table.columns, table.schema):
        if column.null_count and pa.types.is_integer(each.type):
            name = str(each.type).replace("uint", "UInt").replace("int", "Int")
            found[each.type] = pd.api.types.pandas_dtype(name)
        elif column.null_count and pa.types.is_boolean(each.type):
            found[each.type] = pd.BooleanDtype()
    return found


def _read_csv(file: IO[bytes], place: Place) -> pd.DataFrame:
    given = {
        key: place.options[key] for key in ("sep", "encoding") if key in place.options
    }
    names = pd.read_csv(file, header=None, nrows=1, dtype=str, **given).iloc[0]
    _check_names(names.dropna(), place)
    file.seek(0)
    with warnings.catch_warnings():
        # Pandas would only warn of values without a column.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        table = pd.read_csv(
            file,
            **given,
            decimal=place.options.get("decimal", "."),
            na_values=place.options.get("na_values"),
            index_col=False,
            # The default may miss the last digit.
            float_precision="round_trip",
            dtype_backend="numpy_nullable",
        )
    return table.apply(_without_nullable)


def _without_nullable(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return a column with a type of NumPy where that type can hold it."""
    dtype, missing = column.dtype, column.isna()
    if isinstance(dtype, pd.StringDtype):
        return column.astype(object).where(~missing, np.nan)
    if isinstance(dtype, pd.Float64Dtype) or missing.all():
        return column.astype("float64")
    if not missing.any() and hasattr(dtype, "numpy_dtype"):
        return column.astype(dtype.numpy_dtype)
    return column


def _read_excel(file: IO[bytes], place: Place) -> pd.DataFrame:
    # The cells have types, so pandas need not look for numbers in strings.
    table = pd.read_excel(
        file,
        engine="openpyxl",
        sheet_name=place.options.get("sheet", 0),
        dtype=object,
        keep_default_na=False,
        na_values=[""],
    )
    return table.apply(_of_values)


def _read_json(file: IO[bytes], place: Place) -> pd.DataFrame:
    text = file.read().decode(place.options.get("encoding", "utf-8"))
    if place.options.get("lines"):
        # Not splitlines(): a string may contain other characters that separate lines.
        records = [json.loads(line) for line in text.split("\n") if line.strip()]
    else:
        records = json.loads(text)
    if not isinstance(records, list) or not all(isinstance(r, dict) for r in records):
        raise ValueError("it is not a list of objects")
    return pd.DataFrame(records, dtype=object).apply(_of_values)


def _of_values(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return a column of objects with the type of its values."""
    kinds = {type(value) for value in column[column.notna()]}
    if kinds <= {int} and kinds and column.isna().any():
        return column.astype("Int64")
    if kinds <= {bool} and kinds and column.isna().any():
        return column.astype("boolean")
    if kinds <= {int, float}:
        return pd.to_numeric(column)
    return column.infer_objects()


def _write_csv(df: pd.DataFrame, file: IO[bytes], place: Place) -> None:
    options = {
        k: v for k, v in place.options.items() if k in ("sep", "decimal", "encoding")
    }
    with _compressed(file, place) as target:
        df.to_csv(target, index=False, **options)


def _write_excel(df: pd.DataFrame, file: IO[bytes], place: Place) -> None:
    name = place.options.get("sheet", "Sheet1")
    with pd.ExcelWriter(file, engine="openpyxl") as writer:
        df.to_excel(writer, index=False, sheet_name=name)
        # A string that begins with = is not a formula.
        for row in writer.sheets[name].iter_rows():
            for cell in row:
                if cell.data_type == "f":
                    cell.data_type = "s"


def _write_json(df: pd.DataFrame, file: IO[bytes], place: Place) -> None:
    # Pandas itself would round numbers to 15 places and write infinite ones as null.
    records = df.astype(object).where(df.notna(), None).to_dict("records")

    def dump(value: Any) -> str:
        return json.dumps(value, allow_nan=False, default=_to_json)

    lines = place.options.get("lines")
    text = "".join(f"{dump(each)}\n" for each in records) if lines else dump(records)
    with _compressed(file, place) as target:
        target.write(text.encode(place.options.get("encoding", "utf-8")))


def _to_json(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value.tolist()


def _write_parquet(df: pd.DataFrame, file: IO[bytes], place: Place) -> None:
    given = place.options.get("compression", "snappy")
    df.to_parquet(file, index=False, compression=None if given == "none" else given)


def _compressed(file: IO[bytes], place: Place) -> Any:
    """Return a context with the file, or with one that compresses what it writes to it."""
    name = _compression(place)
    return (
        nullcontext(file)
        if name is None
        else fsspec.compression.compr[name](file, mode="wb")
    )


_READERS: dict[str, Callable[[Any, Place], pd.DataFrame]] = {
    "csv": _read_csv,
    "excel": _read_excel,
    "json": _read_json,
}
_WRITERS: dict[str, Callable[[pd.DataFrame, Any, Place], None]] = {
    "csv": _write_csv,
    "excel": _write_excel,
    "json": _write_json,
    "parquet": _write_parquet,
}


def _spark() -> Any:
    return importlib.import_module(_SPARK_CONNECTORS)
