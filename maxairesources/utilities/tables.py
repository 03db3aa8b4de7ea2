"""Checks of input tables, the same for pandas and Spark."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Literal

from pandas.api import types

from maxairesources.configs.py_config import Port
from maxairesources.errors import InputError
from maxairesources.utilities.data_connectors import DataFrame, reading
from maxairesources.utilities.ports import find_port

Kind = Literal["number", "text", "date"]

# Tests if a pandas column is of a kind. A time with a time zone is not a date here.
_PANDAS_KINDS: dict[Kind, Callable[[Any], bool]] = {
    "number": lambda column: (
        types.is_any_real_numeric_dtype(column)
        or types.infer_dtype(column) == "decimal"
    ),
    # Other values than strings also have the type object; "empty" means all missing.
    "text": lambda column: (
        types.infer_dtype(column) in ("string", "categorical", "empty")
    ),
    "date": lambda column: (
        types.is_datetime64_dtype(column) or types.infer_dtype(column) == "date"
    ),
}

# The names of Spark's types, without parameters. The session's time zone is UTC, so
# timestamps need no further check.
_SPARK_KINDS: dict[Kind, tuple[str, ...]] = {
    "number": ("tinyint", "smallint", "int", "bigint", "float", "double", "decimal"),
    "text": ("string",),
    "date": ("date", "timestamp", "timestamp_ntz"),
}

_REMEDIES: dict[Kind, str] = {
    "number": "use a number",
    "text": "use a string",
    "date": "use a date, or UTC times without a time zone",
}

_INFINITE = (math.inf, -math.inf)


def read_table(
    ports: Iterable[Port | dict[str, Any]],
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
        port_type: the required type of the port.

    Returns:
        A pandas DataFrame or a Spark one, as `port_type` says, with these columns.

    Raises:
        InputError: the port has another type, the table is missing, unreadable or empty,
            or a wanted column is missing, of another kind, or has missing or infinite
            values.
    """
    place = find_port(ports, port_number)
    if place.type != port_type:
        raise InputError(
            f"port {port_number} has type {place.type!r}, but the task reads a "
            f"{port_type} table there",
            "change the port's type in the config",
        )
    frame = DataFrame().get(ports, port_number)
    full = {name: columns[name] for name in columns if name not in may_be_missing}
    with reading(place):
        check_columns(frame, columns, place.address)
        frame = frame[list(columns)]
        gaps = _gaps(frame, full)
    for name, count in gaps.items():
        if count:
            raise InputError(
                f"column {name!r} contains {count} missing or infinite values",
                "fill or remove those rows",
                place.address,
            )
    return frame


def check_columns(frame: Any, columns: Mapping[str, Kind], subject: object) -> None:
    """Raise an InputError unless the columns exist, with the right kinds, and have rows.

    Args:
        frame: a pandas DataFrame or a Spark one.
        columns: the kind of each wanted column, by name.
        subject: the file or table that the error names.
    """
    found = {name: str(kind) for name, kind in _dtypes(frame)}
    for name in columns:
        if name not in found:
            raise InputError(
                f"no column {name!r}", f"add it; found: {', '.join(found)}", subject
            )
    # The column types of an empty pandas table say nothing.
    if _is_empty(frame):
        raise InputError("the table is empty", "add at least one row", subject)
    for name, kind in columns.items():
        if not _is_of_kind(frame, name, found[name], kind):
            raise InputError(
                f"column {name!r} is of type {found[name]}", _REMEDIES[kind], subject
            )


def check_values(frame: Any, column: str, valid: Collection[Any], subject: Any) -> None:
    """Raise an InputError if a pandas column has other values than the valid ones."""
    for value in frame[column].unique().tolist():
        if value not in valid:
            raise InputError(
                f"column {column!r} contains {value!r}",
                f"valid: {', '.join(map(str, valid))}",
                subject,
            )


def _is_spark(frame: Any) -> bool:
    return isinstance(frame.dtypes, list)


def _dtypes(frame: Any) -> Any:
    """Return pairs of a column's name and type."""
    return frame.dtypes if _is_spark(frame) else frame.dtypes.items()


def _is_of_kind(frame: Any, column: str, type_name: str, kind: Kind) -> bool:
    if _is_spark(frame):
        return type_name.split("(")[0] in _SPARK_KINDS[kind]
    return _PANDAS_KINDS[kind](frame[column])


def _is_empty(frame: Any) -> bool:
    return bool(frame.isEmpty()) if _is_spark(frame) else len(frame) == 0


def _gaps(frame: Any, columns: Mapping[str, Kind]) -> dict[str, int]:
    """Return the number of missing or infinite values in each of the columns."""
    if not _is_spark(frame):
        return {
            name: int((frame[name].isna() | frame[name].isin(_INFINITE)).sum())
            for name in columns
        }
    # SQL instead of pyspark, which most domains do not have.
    infinite = "OR isnan(`{0}`) OR abs(`{0}`) = double('infinity')"
    conditions = [
        f"count_if(`{name}` IS NULL "
        f"{infinite.format(name) if kind == 'number' else ''}) AS `{name}`"
        for name, kind in columns.items()
    ]
    return dict(frame.selectExpr(*conditions).first().asDict())
