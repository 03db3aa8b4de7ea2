"""Checks of what a task reads, the same for pandas and Spark."""

import math
from collections.abc import Collection, Mapping
from typing import Any, Literal

from maxairesources.errors import InputError
from maxairesources.utilities.data_connectors import DataFrame
from maxairesources.utilities.ports import find_port

Kind = Literal["number", "text", "date"]

# How the names of pandas' and of Spark's types begin, for each kind.
_TYPES: dict[Kind, tuple[str, ...]] = {
    "number": (
        "int",
        "uint",
        "float",
        "double",
        "bigint",
        "smallint",
        "tinyint",
        "decimal",
        "Int",
        "UInt",
        "Float",
    ),
    "text": ("object", "string", "str", "category"),
    "date": ("datetime64", "timestamp", "date"),
}

_INFINITE = (math.inf, -math.inf)


def read_table(
    ports: Any,
    columns: Mapping[str, Kind],
    port_number: int = 1,
    may_be_missing: Collection[str] = (),
) -> Any:
    """Read the wanted columns of a port's table and check them.

    Args:
        ports: the task's `input`, see `find_port`.
        columns: the kind of each wanted column, by name.
        port_number: the number of the port.
        may_be_missing: the columns that may hold missing values.

    Returns:
        A pandas DataFrame or a Spark one, as the port's type says, with these columns.

    Raises:
        InputError: the table is missing, unreadable or empty, or a wanted column is
            missing, of another kind, or holds missing or infinite values.
    """
    frame = DataFrame().get(ports, port_number)
    path = find_port(ports, port_number).path
    check_columns(frame, columns, path)
    frame = frame[list(columns)]
    full = {name: columns[name] for name in columns if name not in may_be_missing}
    for name, count in _gaps(frame, full).items():
        if count:
            raise InputError(
                f"column {name!r} holds {count} missing or infinite values",
                "fill or drop those rows",
                path,
            )
    return frame


def check_columns(frame: Any, columns: Mapping[str, Kind], subject: object) -> None:
    """Raise an InputError unless the columns are there, of their kind, with rows.

    Args:
        frame: a pandas DataFrame or a Spark one.
        columns: the kind of each wanted column, by name.
        subject: the file or table that the error names.
    """
    found = {name: str(kind) for name, kind in _dtypes(frame)}
    for name, kind in columns.items():
        if name not in found:
            raise InputError(
                f"no column {name!r}", f"add it; found: {', '.join(found)}", subject
            )
    # An empty table of pandas has no types worth checking.
    if _is_empty(frame):
        raise InputError("the table is empty", "give at least one row", subject)
    for name, kind in columns.items():
        if not found[name].startswith(_TYPES[kind]):
            raise InputError(
                f"column {name!r} is of type {found[name]}", f"give a {kind}", subject
            )


def check_values(frame: Any, column: str, valid: Collection[Any], subject: Any) -> None:
    """Raise an InputError when a pandas column holds anything but the valid values."""
    for value in frame[column].unique().tolist():
        if value not in valid:
            raise InputError(
                f"column {column!r} holds {value!r}",
                f"valid: {', '.join(map(str, valid))}",
                subject,
            )


def _is_spark(frame: Any) -> bool:
    return isinstance(frame.dtypes, list)


def _dtypes(frame: Any) -> Any:
    """Return pairs of a column's name and type."""
    return frame.dtypes if _is_spark(frame) else frame.dtypes.items()


def _is_empty(frame: Any) -> bool:
    return bool(frame.isEmpty()) if _is_spark(frame) else len(frame) == 0


def _gaps(frame: Any, columns: Mapping[str, Kind]) -> dict[str, int]:
    """Return how many missing or infinite values each of the columns holds."""
    if not _is_spark(frame):
        return {
            name: int((frame[name].isna() | frame[name].isin(_INFINITE)).sum())
            for name in columns
        }
    # SQL texts spare this module an import of pyspark, which most domains lack.
    infinite = "OR isnan(`{0}`) OR abs(`{0}`) = double('infinity')"
    conditions = [
        f"count_if(`{name}` IS NULL "
        f"{infinite.format(name) if kind == 'number' else ''}) AS `{name}`"
        for name, kind in columns.items()
    ]
    return dict(frame.selectExpr(*conditions).first().asDict())
