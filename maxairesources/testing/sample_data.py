"""Write sample data from files that packages of the Python package index contain."""

import argparse
import importlib.metadata
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet


class Table(NamedTuple):
    """The source of a table.

    Attributes:
        package: the distribution that contains it.
        file: the path of the file in that distribution.
        read: the function that reads the file.
        number: a column to add, which numbers the rows from 1; None adds none.
    """

    package: str
    file: str
    read: Callable[..., Any]
    number: str | None = None


def load(table: Table) -> pd.DataFrame:
    """Return the rows of a table, with times in microseconds, the precision that Spark reads."""
    # To import the package would import much more than the file needs.
    distribution = importlib.metadata.distribution(table.package)
    frame: pd.DataFrame = table.read(Path(str(distribution.locate_file(table.file))))
    times = frame.select_dtypes("datetime").columns
    frame = frame.astype(dict.fromkeys(times, "datetime64[us]"))
    if table.number:
        frame.insert(0, table.number, range(1, len(frame) + 1))
    return frame


def write(frame: pd.DataFrame, path: Path) -> None:
    """Write a Parquet file completely, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
        pyarrow.parquet.write_table(table, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_tables(tables: Mapping[str, Table], argv: Sequence[str] | None = None) -> int:
    """Write tables into the folder that the command line names, and print a line for each.

    The same tables always give the same bytes.

    Args:
        tables: the tables, by their path below the folder.
        argv: the arguments; None means those of the process.

    Returns:
        The exit code: 0, or 1 if the folder cannot be written.
    """
    parser = argparse.ArgumentParser(description="Write the sample data of a domain.")
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path("data"),
        help="the folder to write to (default: data)",
    )
    folder = parser.parse_args(argv).folder
    try:
        for name, table in tables.items():
            frame, path = load(table), folder / name
            write(frame, path)
            size = path.stat().st_size / 1e6
            print(f"{path}: {len(frame):,} rows, {size:.1f} MB ({table.package})")
    except OSError as error:
        print(
            f"error: {error.filename}: cannot be written ({error.strerror}); "
            "use another folder",
            file=sys.stderr,
        )
        return 1
    return 0
