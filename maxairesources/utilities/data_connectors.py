"""Reads and writes the tables of a task through its ports.

A port of pandas and one of Spark read the same values from the same file, or raise an
error. A table is the same after it was written and read again, except for:

- csv: only strings. A column of 64-bit whole numbers, numbers (as doubles), or true and
  false has that type. Dates come back as strings, and empty strings as missing values.
- json: one object on each line. Dates come back as strings (ISO 8601), and an empty table
  without its columns. A file with a list of objects is also read.
- parquet: files in folders named column=value have that column too, as a string.

A type that the format or the other engine lacks is refused, and so are nanoseconds. Whole
numbers with missing values stay whole, with a nullable type of pandas, for which NaN is a
missing value. A named index is written as columns.
"""

import csv
import io
import json
import re
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from operator import methodcaller
from typing import Any
from zipfile import ZipFile

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from fsspec.compression import compr
from fsspec.core import get_compression
from pyarrow import dataset
from pyarrow.parquet import write_table

from maxairesources.configs.py_config import Port
from maxairesources.errors import InputError
from maxairesources.utilities import storage
from maxairesources.utilities.ports import Ports, find_port

# The types of csv columns, in Spark's words, and the pattern of all values of such a column.
# A number with more digits before its point would lose some as a double.
CSV_TYPES = {
    "bigint": r"^[ \t]*[+-]?[0-9]+[ \t]*\z",
    "double": r"^[ \t]*([+-]?([0-9]{1,16}(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
    r"|[+-]?(?i:inf|infinity)|(?i:nan))[ \t]*\z",
    "boolean": r"^(?i:true|false)\z",
}
# With one of these options, pandas finds the types itself.
_TYPED = "converters decimal dtype false_values parse_dates thousands true_values"
# What Spark does too: only an empty value is missing. Types are those of whole columns.
_CSV: dict[str, Any] = {
    "dtype_backend": "numpy_nullable",
    # The default may miss the last digit.
    "float_precision": "round_trip",
    "index_col": False,
    "keep_default_na": False,
    "low_memory": False,
}
# The options of pandas that the names of a csv file's columns depend on.
_HEADER = "comment delimiter encoding encoding_errors quotechar sep skiprows".split()
# The types, in the words of Arrow and Spark, that only one engine reads as they are.
_ANY = "duration|extension|interval|month_day_nano_interval|variant"
_LACKING = {
    "csv": rf"{_ANY}|array|(fixed_size_|large_)?(binary|list)(_view)?|map|struct",
    "json": rf"{_ANY}|decimal\d*|(fixed_size_|large_)?binary(_view)?|map",
    "parquet": rf"{_ANY}|decimal256|halffloat|time(32|64)?|timestamp\[ns",
}


class DataFrame:
    """Data frames behind ports: pandas or Spark, as the type of the port says."""

    def get(self, ports: Ports, port_number: int = 1) -> Any:
        """Read the table of a port of a task's `input`; see `find_port`.

        Raises:
            InputError: the port is wrong, or its table is missing or unreadable.
        """
        port = find_port(ports, port_number)
        if port.type == "spark":
            return _spark().read(port)
        read, _ = _functions(port, "input", "frame = pandas.read_excel(path)")
        found, path = storage.find(port.address)
        with storage.converting("read", port.address, port.format):
            return _to_pandas(read(found, path, **port.options))

    def write(self, df: Any, ports: Ports, port_number: int = 1) -> None:
        """Write a table of pandas or Spark to a port of a task's `output`; see `find_port`.

        It replaces the old table, whole or not at all. Missing folders are created.

        Raises:
            InputError: the port is wrong or of another type, its place cannot be written
                to, or the format cannot hold the table.
        """
        kind = "pandas" if isinstance(df, pd.DataFrame) else "spark"
        port = find_port(ports, port_number, kind)
        if kind == "spark":
            _spark().write(df, port)
            return
        _, write = _functions(port, "output", "frame.to_excel(path)")
        buffer, options = io.BytesIO(), {**port.options}
        is_text = port.format != "parquet"
        given = options.pop("compression", "infer") if is_text else None
        with storage.converting("written", port.address, port.format):
            codec = get_compression(port.address, given)
            packed = compr[codec](buffer, mode="wb") if codec else nullcontext(buffer)
            with packed as file:
                write(_to_arrow(df, port.format), file, **options)
        storage.write(port.address, buffer.getvalue())


def reading(port: Port) -> AbstractContextManager[None]:
    """Return a context for code that computes with the table of a port.

    Spark reads the data only then, so an unreadable part appears there, as an InputError.
    """
    return _spark().reading(port) if port.type == "spark" else nullcontext()


def _spark() -> Any:
    # It imports this module, and needs a second to load.
    from maxairesources.utilities import spark_connectors

    return spark_connectors


def check_type(file_format: str, name: str, kind: str) -> None:
    """Raise a ValueError for a column of a type that only one engine reads as it is."""
    if not name or re.search(rf"\b({_LACKING.get(file_format, '(?!)')})\b(?!:)", kind):
        problem = f"pandas and Spark do not read column {name!r} of type {kind} alike"
        raise ValueError(f"{problem} from {file_format}; convert it")


def _to_arrow(df: pd.DataFrame, file_format: str) -> pa.Table:
    """Return a table with its named index as columns, and with times in microseconds."""
    if any(name is not None for name in df.index.names):
        df = df.reset_index()
    elif len(df) and not pd.api.types.is_integer_dtype(df.index):
        raise ValueError(
            f"the index of type {df.index.dtype} has no name and would be lost; name it "
            "(df.index.name), or remove it (df.reset_index(drop=True))"
        )
    for name in df.columns:
        if not isinstance(name, str):
            raise ValueError(f"the name of a column is {name!r}, not a string")
    table = pa.Table.from_pandas(df, preserve_index=False)
    for index, (name, column) in enumerate(zip(table.column_names, table.columns)):
        if pa.types.is_timestamp(column.type):
            try:
                # An error if a time has nanoseconds, which Spark cannot read.
                column = column.cast(pa.timestamp("us", column.type.tz))
            except pa.ArrowInvalid as error:
                raise ValueError(f"column {name!r}: {error}") from error
            table = table.set_column(index, name, column)
        kind = str(column.type)
        check_type(file_format, name, kind)
        if df[name].dtype == object and re.match("binary|date|time", kind):
            # Arrow would make a date of a time, and bytes of a string.
            if column.drop_null().to_pylist() != df[name].dropna().tolist():
                raise ValueError(f"column {name!r} has values of several types")
    return table


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    """Return a table in which whole numbers and booleans with missing values stay such."""
    gaps = {f.type for f, c in zip(table.schema, table.columns) if c.null_count}
    types = {
        each: pd.Series(dtype=each.to_pandas_dtype()).convert_dtypes().dtype
        for each in gaps
        if pa.types.is_integer(each) or pa.types.is_boolean(each)
    }
    # A type depends on the file alone, so that Spark's has the same as one of pandas.
    frame: pd.DataFrame = table.replace_schema_metadata(None).to_pandas(
        types_mapper=types.get, integer_object_nulls=True
    )
    return frame


def _content(found: Any, path: str, compression: str | None) -> bytes:
    """Return the whole content of a file, which may be compressed."""
    with found.open(path, compression=compression) as file:
        content: bytes = file.read()
    if get_compression(path, compression) == "zip":
        with found.open(path) as file:
            if len(names := ZipFile(file).namelist()) > 1:
                raise ValueError(f"it has several files: {', '.join(names)}")
    return content


def _read_csv(found: Any, path: str, **options: Any) -> pa.Table:
    content = _content(found, path, options.pop("compression", "infer"))
    encoding = options.get("encoding") or "utf-8"
    text = content.decode(encoding, options.get("encoding_errors", "strict"))
    if "\r" in text.partition("\n")[0][:-1]:
        raise ValueError("its lines end with a carriage return alone")
    if "\0" in text:
        raise ValueError("a NUL character, at which pandas would end a string")
    if not options.keys() & {"header", "names"}:
        given = {name: options[name] for name in _HEADER if name in options}
        file = io.BytesIO(content)
        head = pd.read_csv(file, header=None, nrows=1, dtype=str, **given)
        names = head.iloc[0].dropna()
        # Pandas would rename the second of two.
        for name in names[names.duplicated()]:
            raise ValueError(f"two columns have the name {name!r}")
    types = {} if options.keys() & {*_TYPED.split()} else {"dtype": str}
    missing = {"na_values": [""] + options.pop("na_values", [])}
    with warnings.catch_warnings():
        # Pandas would only warn of values without a column.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        options = {**_CSV, **types, **missing, **options}
        frame = pd.read_csv(io.BytesIO(content), **options)
    if len(frame.columns) == 1 and re.search(r"(?m)^[ \t]+\r?$", text):
        raise ValueError("a line of spaces without quotes, which pandas would skip")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    columns = [_typed(column) if types else column for column in table.columns]
    return pa.table(columns, table.column_names)


def _typed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the strings of a csv column as the type that all of them have."""
    column = column.cast(pa.string())
    for name, pattern in CSV_TYPES.items():
        if pc.all(pc.match_substring_regex(column, pattern)).as_py():
            kind = "int64" if name == "bigint" else name
            try:
                return pc.utf8_trim(column, " \t+").cast(kind)
            except pa.ArrowInvalid:
                continue  # A number has more than 64 bits.
    return column


def _read_json(found: Any, path: str, compression: str | None = "infer") -> pa.Table:
    text = _content(found, path, compression).decode()
    if text.lstrip().startswith("["):
        records = json.loads(text)
    else:
        # Not splitlines(): a string may contain other characters that separate lines.
        records = [json.loads(line) for line in text.split("\n") if line.strip()]
    names = dict.fromkeys(name for record in records for name in record.keys())
    return pa.table({name: [each.get(name) for each in records] for name in names})


def _read_parquet(found: Any, path: str, **options: Any) -> pa.Table:
    # As strings, because pyarrow would take 01234 for a number.
    folders = {
        part.partition("=")[0]: pa.string()
        for file in found.find(path)
        for part in file[len(path) :].split("/")[:-1]
        if "=" in part
    }
    parts = dataset.dataset(
        path,
        filesystem=found,
        format="parquet",
        partitioning=dataset.partitioning(pa.schema(folders), flavor="hive"),
    )
    # By itself, pyarrow would take the columns of the first file.
    schemas = [parts.schema, *(each.physical_schema for each in parts.get_fragments())]
    return parts.replace_schema(pa.unify_schemas(schemas)).to_table(**options)


def _write_csv(table: pa.Table, file: Any, **options: Any) -> None:
    # A line break in a string would be one of the file if it were not quoted.
    options.setdefault("quoting", csv.QUOTE_NONNUMERIC)
    frame = _to_pandas(table)
    for name, kind in zip(table.column_names, table.schema.types):
        # Pandas would write the year 1 as 1, not as 0001.
        if pa.types.is_timestamp(kind) and frame[name].dt.year.min() < 1000:
            frame[name] = frame[name].astype(object)
    frame.to_csv(file, index=False, **options)


def _write_json(table: pa.Table, file: Any) -> None:
    for name, column in zip(table.column_names, table.columns):
        if pa.types.is_floating(column.type) and pc.any(pc.is_inf(column)).as_py():
            raise ValueError(f"column {name!r} has an infinite value")
    for record in table.to_pylist():
        text = json.dumps(record, allow_nan=False, default=methodcaller("isoformat"))
        file.write(f"{text}\n".encode())


_Functions = tuple[Callable[..., pa.Table], Callable[..., None]]
_FORMATS: dict[str, _Functions] = {
    "csv": (_read_csv, _write_csv),
    "json": (_read_json, _write_json),
    "parquet": (_read_parquet, write_table),
}


def _functions(port: Port, side: str, call: str) -> _Functions:
    if port.format in _FORMATS:
        return _FORMATS[port.format]
    raise InputError(
        f"ports of pandas have no format {port.format!r}",
        f"use one of: {', '.join(_FORMATS)}; or open the file in the handler: "
        f"path = ports.find_port(settings.{side}).address; {call}",
        storage.shown(port.address),
    )
