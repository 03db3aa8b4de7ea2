"""Checks of input tables, the same for pandas and Spark."""

import math
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

import pyarrow as pa

from maxairesources.errors import InputError
from maxairesources.utilities.data_connectors import DataFrame, reading
from maxairesources.utilities.ports import Ports, find_port

Kind = Literal["number", "text", "date"]

# The names of Arrow's and Spark's types of each kind. Null means that all values are missing.
# A time with a time zone is not a date in pandas; in Spark all times are in UTC.
_TYPES: dict[Kind, str] = {
    "number": r"u?int\d*|(tiny|small|big)int|halffloat|float|double|decimal.*",
    "text": "(large_)?string|dictionary<values=(large_)?string.*|null",
    "date": r"date(32.*)?|timestamp(_ntz|\[.?s\])?",
}
_ADVICE: dict[Kind, str] = {
    "number": "use a number",
    "text": "use a string",
    "date": "use a date, or UTC times without a time zone",
}


def read_table(
    ports: Ports,
    columns: Mapping[str, Kind],
    port_number: int = 1,
    may_be_missing: Collection[str] = (),
    port_type: Literal["pandas", "spark"] = "pandas",
) -> Any:
    """Read the wanted columns of a port's table and check them.

    Args:
        ports: the task's `input`, see `find_port`.
        columns: the kind of each wanted column, by name.
        port_number: the number of the port.
        may_be_missing: the columns that may have missing values.
        port_type: the required type of the port, and of the table that is returned.

    Raises:
        InputError: the port has another type, the table is missing, unreadable or empty,
            or a wanted column is missing, of another kind, or has missing or infinite
            values.
    """
    port = find_port(ports, port_number, port_type)
    frame = DataFrame().get(ports, port_number)
    with reading(port):
        for problem, remedy in _mistakes(frame, columns, may_be_missing):
            raise InputError(problem, remedy, port.address)
        return frame[list(columns)]


def check_values(frame: Any, column: str, valid: Collection[Any], subject: Any) -> None:
    """Raise an InputError if a pandas column has other values than the valid ones."""
    for value in frame[column].unique().tolist():
        if value not in valid:
            problem = f"column {column!r} contains {value!r}"
            raise InputError(problem, f"valid: {', '.join(map(str, valid))}", subject)


def _mistakes(
    frame: Any, columns: Mapping[str, Kind], may_be_missing: Collection[str]
) -> Iterable[tuple[str, str]]:
    """Yield the problem and the remedy of each mistake in a table."""
    is_spark = isinstance(frame.dtypes, list)
    if is_spark:
        found = dict(frame.dtypes)
    else:
        schema = pa.Schema.from_pandas(frame, preserve_index=False)
        found = {field.name: str(field.type) for field in schema}
    for name in columns:
        if name not in found:
            yield f"no column {name!r}", f"add it; found: {', '.join(found)}"
    # The column types of an empty table say nothing.
    if frame.isEmpty() if is_spark else frame.empty:
        yield "the table is empty", "add at least one row"
    for name, kind in columns.items():
        if not re.fullmatch(_TYPES[kind], found[name]):
            yield f"column {name!r} is of type {found[name]}", _ADVICE[kind]
    full = {name: columns[name] for name in columns if name not in may_be_missing}
    if is_spark:
        gaps = _spark_gaps(frame, full)
    else:
        part = frame[list(full)]
        gaps = (part.isna() | part.isin([math.inf, -math.inf])).sum().to_dict()
    for name, count in gaps.items():
        if count:
            problem = f"column {name!r} contains {count} missing or infinite values"
            yield problem, "fill or remove those rows"


def _spark_gaps(frame: Any, columns: Mapping[str, Kind]) -> dict[str, int]:
    # SQL instead of pyspark, which most domains do not have.
    infinite = "OR isnan(`{0}`) OR abs(`{0}`) = double('infinity')"
    conditions = [
        f"count_if(`{name}` IS NULL "
        f"{infinite.format(name) if kind == 'number' else ''}) AS `{name}`"
        for name, kind in columns.items()
    ]
    return dict(frame.selectExpr(*conditions).first().asDict())
