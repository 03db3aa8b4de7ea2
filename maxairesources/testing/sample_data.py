"""Write sample data from files that packages of the Python package index contain."""

import importlib.metadata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow.parquet


class Table(NamedTuple):
    """The source of a table: a file of a distribution, and the function that reads it.

    `number` is the name of a column to add, which numbers the rows from 1.
    """

    package: str
    file: str
    read: Callable[..., Any]
    number: str | None = None


def write_tables(tables: Mapping[str, Table]) -> None:
    """Write tables, by their path below the folder data, and print a line for each.

    The same tables always give the same bytes. Times have microseconds, as Spark reads them.
    """
    for name, table in tables.items():
        # To import the package would import much more than the file needs.
        package = importlib.metadata.distribution(table.package)
        frame: pd.DataFrame = table.read(Path(str(package.locate_file(table.file))))
        times = frame.select_dtypes("datetime").columns
        frame = frame.astype(dict.fromkeys(times, "datetime64[us]"))
        if table.number:
            frame.insert(0, table.number, range(1, len(frame) + 1))
        path = Path("data", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not `to_parquet`, in which Pants sees no dependency on pyarrow.
        content = pyarrow.Table.from_pandas(frame, preserve_index=False)
        pyarrow.parquet.write_table(content, path)
        size = path.stat().st_size / 1e6
        print(f"{path}: {len(frame):,} rows, {size:.1f} MB ({table.package})")
