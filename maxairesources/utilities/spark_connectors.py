"""The Spark session, and the data connectors of Spark.

An error of Spark that a file causes is an InputError that names the file.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyarrow import dataset

from maxairesources.configs.py_config import Port
from maxairesources.errors import InputError
from maxairesources.utilities import storage
from maxairesources.utilities.data_connectors import CSV_TYPES, check_type

# Pants requires no owner of an import whose error is handled, so this module may be in an image
# without Spark. Only a port of Spark loads it.
try:
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException, PythonException
    from pyspark.sql import Column, DataFrame, SparkSession
    from pyspark.sql import functions as F
except ImportError:
    remedy = "add pyspark to requirements.txt, and run ./pants lock <domain>"
    raise InputError("the image has no Spark", remedy, "requirements.txt") from None

# The settings of every session: what other programs write and read too.
_SETTINGS: dict[str, Any] = {
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
}
# The settings of a session of our own; spark-submit brings its own.
_LOCAL: dict[str, Any] = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
# The dialect of pandas. By default, Spark escapes quotes with a backslash, removes spaces,
# and reads a line with too many or too few values as another one.
_CSV = {
    "header": True,
    "escape": '"',
    "ignoreLeadingWhiteSpace": False,
    "ignoreTrailingWhiteSpace": False,
}
_READ: dict[str, dict[str, Any]] = {
    "csv": {
        **_CSV,
        "columnPruning": False,
        "enforceSchema": False,
        "mode": "FAILFAST",
        "multiLine": True,
        "unescapedQuoteHandling": "RAISE_ERROR",
    },
    "json": {"mode": "FAILFAST"},
    "parquet": {"mergeSchema": True},
}
# By default, Spark cuts times to milliseconds, and omits missing values from JSON.
_TIMES = {
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
}
_WRITE: dict[str, dict[str, Any]] = {
    "csv": {**_CSV, **_TIMES, "emptyValue": "", "quoteAll": True},
    "json": {**_TIMES, "ignoreNullFields": False},
}
# Spark's names of the sources of a port.
_SCHEMES = {"s3": "s3a", "abfs": "abfss"}


def session() -> SparkSession:
    """Return the Spark session: spark-submit's, or a local one on all cores.

    Times are in UTC, and Spark logs errors only.
    """
    settings = {**_SETTINGS}
    # spark-submit starts the JVM first and sets this variable to its port.
    if "PYSPARK_GATEWAY_PORT" not in os.environ:
        settings |= {"spark.master": "local[*]", **_LOCAL}
    spark = SparkSession.builder.config(map=settings).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def read(port: Port) -> DataFrame:
    """Read the file or folder of a port, with Spark's own options of the format.

    Columns of csv have the types that a port of pandas gives them. JSON is one object on each
    line, or a list of objects in one line; its dates are strings.
    """
    if "://" not in port.address:
        storage.find(port.address)
    # The name of a file is not a pattern.
    options = {"__globPaths__": False, **_READ.get(port.format, {}), **port.options}
    with storage.converting("read", port.address, port.format), reading(port):
        as_text = session().read.option("__globPaths__", False)
        if port.format == "csv" and "encoding" not in port.options:
            _check_csv(as_text.text(_uri(port), lineSep="\n"))
        elif port.format == "json" and not port.options:
            _check_json(as_text.text(_uri(port), lineSep="\n"))
        elif port.format == "parquet" and "://" not in port.address:
            # Spark reads durations as numbers, and names no column that it cannot read.
            parquet = dataset.ParquetFileFormat(coerce_int96_timestamp_unit="us")
            for each in dataset.dataset(port.address, format=parquet).schema:
                check_type("parquet", each.name, str(each.type))
        table = session().read.options(**options).load(_uri(port), port.format)
        return _with_types(table) if port.format == "csv" else table


def _with_types(table: DataFrame) -> DataFrame:
    """Return a table of csv with the type that all values of each column have."""
    if not table.columns:
        raise ValueError("it has no columns")
    strings = [name for name, kind in table.dtypes if kind == "string"]
    columns = {name: F.nullif(_column(name), F.lit("")) for name in strings}
    kinds = table.agg(F.lit(0), *map(_kind, columns.values())).collect()[0][1:]
    for name, kind in zip(columns, kinds):
        # Spark replaces bytes that are not valid in the encoding by this character.
        if not kind or {*"\r\ufffd"} & {*name}:
            raise ValueError(f"column {name!r} has another encoding")
        columns[name] = columns[name].cast(kind)
    return table.withColumns(columns)


def _kind(column: Column) -> Column:
    kind = F.when(F.bool_or(column.contains("\ufffd")), "")
    for name, pattern in CSV_TYPES.items():
        fits = F.count(column.try_cast(name)) == F.count(column)
        kind = kind.when(F.bool_and(column.rlike(pattern)) & fits, name)
    return kind.otherwise("string")


def _check_csv(lines: DataFrame) -> None:
    """Raise a ValueError if Spark would change the line breaks in strings."""
    value, head = F.col("value"), "".join(lines.head() or [])
    if "\r" in head[:-1]:
        raise ValueError("its lines end with a carriage return alone")
    quotes = F.length(F.regexp_replace(value, '[^"]', ""))
    broken = lines.where(value.endswith("\r") & (quotes % 2 == 1))
    if head.endswith("\r") and broken.head():
        raise ValueError(
            r"a string has a line break that is \r\n, as those of the file"
        )


def _check_json(lines: DataFrame) -> None:
    """Raise a ValueError for lines that Spark would read in part, or as strings."""
    one = "bool_and(json_array_length('[' || value || ']') <=> 1)"
    schema = "schema_of_variant_agg(parse_json(value))"
    lines = lines.where(F.col("value").rlike(r"\S"))
    found = lines.selectExpr(one, schema).collect()[0]
    if found[0] is False:
        raise ValueError("a line has more than one value")
    wrong = re.search(r"[^<>]*: (ARRAY<)*(VARIANT|OBJECT<>)|``: ", found[1] or "")
    if wrong:
        raise ValueError(f"values of several types, empty ones or no name: {wrong[0]}")


@contextmanager
def reading(port: Port, verb: str = "read") -> Iterator[None]:
    """Convert Spark's errors in this context to the error of a port that cannot be `read`."""
    context = session().sparkContext
    # Spark logs a Java stack trace for a broken file, besides the error that it raises.
    context.setLogLevel("OFF")
    try:
        yield
    except PythonException:
        raise  # It has the traceback of a function of the handler.
    except (PySparkException, Py4JJavaError) as error:
        found, texts = getattr(error, "java_exception", None), [str(error)]
        while found:
            text = found.getMessage() or found.toString()
            texts.append(" ".join(text.splitlines()[:2])[:300])
            found = found.getCause()
        # The first cause names the file, and the last one the reason.
        texts = [text for text in texts[1:] if "awaitResult" not in text] or texts
        reason = ": ".join(dict.fromkeys([texts[0], texts[-1]]))
        with storage.converting(verb, port.address, port.format):
            raise RuntimeError(reason) from error
    finally:
        context.setLogLevel("ERROR")


def write(df: DataFrame, port: Port) -> None:
    """Write a table as the folder of a port, with Spark's own options of the format.

    On a file system, the folder is staged beside it, then renamed. A table of Delta or Iceberg
    and an object store replace their content themselves.
    """
    with storage.converting("written", port.address, port.format):
        df = _checked(df, port)
    with reading(port, "written"):
        writer = df.write.options(**{**_WRITE.get(port.format, {}), **port.options})
        if "://" in port.address or port.format in ("delta", "iceberg"):
            writer.save(_uri(port), port.format, "overwrite")
            return
        try:
            with storage.replacing(port.address) as new:
                writer.save(f"file://{new.absolute()}", port.format, "overwrite")
                if not any(new.glob("part-*")):
                    problem = "the executors wrote nothing where the driver looks"
                    remedy = "mount the same volume there in all pods of the job"
                    raise InputError(problem, remedy, port.address)
        except OSError:
            with storage.converting("written", port.address):
                raise


def _checked(df: DataFrame, port: Port) -> DataFrame:
    """Return a table that raises an error for a value that a text file would change."""
    columns, encoding = {}, port.options.get("encoding")
    for name, kind in df.dtypes:
        check_type(port.format, name, kind)
        column = _column(name)
        if kind == "float":
            # Its digits are those of another double.
            column = column.cast("double")
        elif kind == "string" and encoding:
            # An error for a character that the encoding lacks; Spark would write "?".
            column = F.decode(F.encode(column, encoding), encoding)
        if port.format == "json" and re.search("float|double", kind):
            text = F.to_json(F.struct(column))
            error = F.raise_error(F.lit(f"column {name!r} has infinity or NaN"))
            wrong = text.rlike(r'[:\[,]"(NaN|-?Infinity)"')
            column = F.when(wrong, error).otherwise(column)
        columns[name] = column
    return df.withColumns(columns) if port.format in ("csv", "json") else df


def _column(name: str) -> Column:
    return F.col("`" + name.replace("`", "``") + "`")


def _uri(port: Port) -> str:
    """Return the address of a port as a URI, which no default file system of Spark changes."""
    scheme, separator, rest = port.address.partition("://")
    if not separator:
        return f"file://{Path(port.address).absolute()}"
    return f"{_SCHEMES.get(scheme, scheme)}://{rest}"
