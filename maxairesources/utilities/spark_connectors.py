"""The Spark session, and the data connectors of Spark."""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from maxairesources.errors import InputError
from maxairesources.utilities.ports import Place, unreadable
from maxairesources.utilities.storage import (
    check_exists,
    is_store,
    replace,
    shown,
    unwritable,
)

# The settings of a session of our own; spark-submit brings its own. One machine needs
# neither the web page nor the 200 partitions that are Spark's default for a cluster.
_LOCAL = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}

_READ_OPTIONS: dict[str, dict[str, Any]] = {
    "csv": {"header": True, "inferSchema": True},
    # Otherwise Spark reads invalid JSON as a row of missing values.
    "json": {"mode": "FAILFAST"},
}
# The options of a port that Spark has under the same name.
_OPTIONS = ("sep", "encoding", "compression")
# Spark's names of the sources of a port, and what an error of Spark says that lacks a package.
_SCHEMES = {"s3": "s3a", "abfs": "abfss"}
_LACKS = {
    "S3AFileSystem": "hadoop-aws",
    "SecureAzureBlobFileSystem": "hadoop-azure",
    "GoogleHadoopFileSystem": "gcs-connector",
    'for scheme "gs"': "gcs-connector",
    "data source: delta": "delta-spark",
    "data source: iceberg": "iceberg-spark-runtime",
}


def session() -> SparkSession:
    """Return the Spark session: spark-submit's, or a local one on all cores.

    Times are in UTC, and Spark logs errors only.
    """
    builder = SparkSession.builder.config("spark.sql.session.timeZone", "UTC")
    # spark-submit starts the JVM first and sets this variable to its port.
    if "PYSPARK_GATEWAY_PORT" not in os.environ:
        builder = builder.master("local[*]")
        for name, value in _LOCAL.items():
            builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def read(place: Place) -> DataFrame:
    """Read the file or folder of a port.

    Spark guesses the types of csv columns, including dates. JSON is one object on each
    line, as Spark writes it, or a list of objects in one line, as pandas ports write it;
    its dates are strings. Spark writes times with milliseconds to both formats.

    Raises:
        InputError: it is missing, or cannot be read in the port's format.
    """
    if not is_store(place.address):
        check_exists(place.address)
    spark = session()
    with reading(place):
        options = {**_READ_OPTIONS.get(place.format, {}), **_options(place)}
        if place.options.get("lines") is False:
            options["multiLine"] = True
        return spark.read.options(**options).load(_uri(place), format=place.format)


@contextmanager
def reading(place: Place) -> Iterator[None]:
    """Convert Spark's errors in this context to the error of an unreadable port.

    Raises:
        InputError: Spark raised an error.
    """
    with _errors(place, unreadable):
        yield


def write(df: DataFrame, place: Place) -> None:
    """Write a table as the folder of a port.

    On a file system, the folder is staged beside it, then renamed. A table of Delta or Iceberg
    and an object store replace their content themselves.

    Raises:
        InputError: the place cannot be written to, or the executors do not share it.
    """
    if is_store(place.address) or place.format in ("delta", "iceberg"):
        with _errors(place, lambda place, error: unwritable(place.address, error)):
            _save(df, place, _uri(place))
        return
    # Not the process id: in containers that share a volume it is the same in each.
    path, run = Path(place.address), uuid.uuid4().hex
    staged, old = (
        path.with_name(f".{path.name}.{run}.{suffix}") for suffix in ("tmp", "old")
    )

    def commit() -> None:
        # Renaming a folder cannot replace another one. Therefore an old result is renamed
        # first, and removed last.
        try:
            if path.exists():
                path.rename(old)
            staged.rename(path)
        except OSError as error:
            raise unwritable(place.address, error) from error

    def discard() -> None:
        if old.exists() and not path.exists():
            old.rename(path)
        for leftover in (staged, old):
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink(missing_ok=True)

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Created here first, because Python's error for a forbidden folder is clearer.
        staged.mkdir()
    except OSError as error:
        raise unwritable(place.address, error) from error
    try:
        _save(df, place, staged.absolute().as_uri())
        if not any(staged.glob("part-*")):
            raise InputError(
                "the executors wrote nothing where the driver looks",
                "mount the same volume there in all pods of the job",
                place.address,
            )
    except BaseException:
        discard()
        raise
    replace(place.address, commit, discard)


def _save(df: DataFrame, place: Place, uri: str) -> None:
    writer = df.write.options(header=True, **_options(place))
    writer.save(uri, format=place.format, mode="overwrite")


def _options(place: Place) -> dict[str, Any]:
    """Return the options of a port under the names that Spark has for them."""
    given = {k: v for k, v in place.options.items() if k in _OPTIONS}
    if texts := place.options.get("na_values"):
        given["nullValue"] = texts[0]
    return given


@contextmanager
def _errors(
    place: Place, convert: Callable[[Place, Exception], InputError]
) -> Iterator[None]:
    """Convert Spark's errors in this context; name the package that Spark lacks."""
    context = session().sparkContext
    # Spark logs a Java stack trace for a broken file, besides the error that it raises.
    context.setLogLevel("OFF")
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        # The text of Java's own error names the file; that of this one does not.
        found = getattr(error, "java_exception", None)
        text = found.toString() if found else str(error)
        for part, package in _LACKS.items():
            if part in text:
                raise InputError(
                    f"Spark needs the package {package}",
                    "add its jars to the domain's image, or its coordinates to "
                    "spark.jars.packages in the spark_config",
                    shown(place.address),
                ) from error
        raise convert(place, RuntimeError(text)) from error
    finally:
        context.setLogLevel("ERROR")


def _uri(place: Place) -> str:
    """Return the address of a port as a URI, which no default file system of Spark changes."""
    scheme, separator, rest = place.address.partition("://")
    if not separator:
        return Path(place.address).absolute().as_uri()
    return f"{_SCHEMES.get(scheme, scheme)}://{rest}"
