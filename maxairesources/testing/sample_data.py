"""Write sample data from files that packages of the Python package index contain."""

import importlib.metadata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from maxairesources.testing.handlers import port
from maxairesources.utilities.data_connectors import DataFrame


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

    The same tables always give the same bytes.
    """
    for name, table in tables.items():
        # To import the package would import much more than the file needs.
        package = importlib.metadata.distribution(table.package)
        frame = table.read(Path(str(package.locate_file(table.file))))
        if table.number:
            frame.insert(0, table.number, range(1, len(frame) + 1))
        path = Path("data", name)
        DataFrame().write(frame, [port(1, path.absolute())])
        size = path.stat().st_size / 1e6
        print(f"{path}: {len(frame):,} rows, {size:.1f} MB ({table.package})")
