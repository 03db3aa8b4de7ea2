"""The Spark session, and the data connectors of Spark."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from maxairesources.errors import InputError
from maxairesources.utilities.ports import Place, unreadable
from maxairesources.utilities.storage import unwritable

# The settings of a session of our own; spark-submit brings its own. One machine needs
# neither the web page nor the 200 partitions that are Spark's default for a cluster.
_LOCAL = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}

_READ_OPTIONS: dict[str, dict[str, bool | str]] = {
    "csv": {"header": True, "inferSchema": True},
    # Otherwise Spark reads invalid JSON as a row of missing values.
    "json": {"mode": "FAILFAST"},
    "parquet": {},
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
        InputError: it cannot be read in the port's format.
    """
    spark = session()
    with reading(place):
        path, options = _uri(Path(place.address)), _READ_OPTIONS[place.format]
        return spark.read.options(**options).load(path, format=place.format)


@contextmanager
def reading(place: Place) -> Iterator[None]:
    """Convert Spark's errors in this context to the error of an unreadable port.

    Raises:
        InputError: Spark raised an error.
    """
    context = session().sparkContext
    # Spark logs a Java stack trace for a broken file, besides the error that it raises.
    context.setLogLevel("OFF")
    try:
        yield
    except PySparkException as error:
        raise unreadable(place, error) from error
    except Py4JJavaError as error:
        # The text of Java's own error names the file; that of this one does not.
        java_error = RuntimeError(error.java_exception.toString())
        raise unreadable(place, java_error) from error
    finally:
        context.setLogLevel("ERROR")


def write(df: DataFrame, place: Place) -> None:
    """Write a table as the folder of a port: staged beside it, then renamed.

    Renaming a folder cannot replace another one. Therefore an old result is renamed first,
    and removed last.

    Raises:
        InputError: the place cannot be written to, or the executors do not share it.
    """
    # Not the process id: in containers that share a volume it is the same in each.
    path, run = Path(place.address), uuid.uuid4().hex
    staged, old = (
        path.with_name(f".{path.name}.{run}.{suffix}") for suffix in ("tmp", "old")
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # Created here first, because Python's error for a forbidden folder is clearer.
            staged.mkdir()
            uri = _uri(staged)
            df.write.save(uri, format=place.format, mode="overwrite", header=True)
            if not any(staged.glob("part-*")):
                raise InputError(
                    "the executors wrote nothing where the driver looks",
                    "mount the same volume there in all pods of the job",
                    place.address,
                )
            if path.exists():
                path.rename(old)
            staged.rename(path)
        finally:
            if old.exists() and not path.exists():
                old.rename(path)
            for leftover in (staged, old):
                if leftover.is_dir():
                    shutil.rmtree(leftover)
                else:
                    leftover.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(place.address, error) from error


def _uri(path: Path) -> str:
    """Return a local path as a URI, which no default file system of Spark changes."""
    return path.absolute().as_uri()
