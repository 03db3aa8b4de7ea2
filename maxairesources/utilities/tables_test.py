import datetime
import decimal
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from maxairesources.errors import InputError
from maxairesources.testing.handlers import port
from maxairesources.utilities.data_connectors import DataFrame
from maxairesources.utilities.tables import Kind, check_values, read_table

TABLE = pd.DataFrame(
    {
        "n": [1.0, 2.0],
        "t": ["a", "b"],
        "d": pd.to_datetime(["2018-01-01", "2018-01-02"]),
        "extra": [0, 0],
    }
)
COLUMNS: dict[str, Kind] = {"n": "number", "t": "text", "d": "date"}


def read(
    table: pd.DataFrame, folder: Path, engine: Any = "pandas", **given: Any
) -> Any:
    path = folder / "x.parquet"
    DataFrame().write(table, [port(1, path)])
    return read_table([port(1, path, engine)], COLUMNS, port_type=engine, **given)


@pytest.mark.parametrize("engine", ["pandas", "spark"])
def test_wanted_columns_are_returned(engine: str, tmp_path: Path) -> None:
    assert [*read(TABLE, tmp_path, engine).columns] == ["n", "t", "d"]
    gaps = TABLE.assign(t=["a", None])
    assert [*read(gaps, tmp_path, engine, may_be_missing=["t"]).columns] == [*COLUMNS]


@pytest.mark.parametrize("engine", ["pandas", "spark"])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"t": None}, "no column 't'; add it; found: n, d, extra"),
        ({"n": "x"}, "column 'n' is of type string; use a number"),
        ({"n": True}, "column 'n' is of type bool(ean)?; use a number"),
        ({"t": 1}, "column 't' is of type (int64|bigint); use a string"),
        ({"t": [[1], [2]]}, "column 't' is of type (list|array)<.*>; use a string"),
        ({"t": [{"a": 1}] * 2}, "column 't' is of type struct<.*>; use a string"),
        ({"d": "2018"}, "column 'd' is of type string; use a date, or UTC times"),
        ({"n": [1, None]}, "column 'n' contains 1 missing or infinite values; fill"),
        ({"n": [-math.inf, math.inf]}, "column 'n' contains 2 missing or infinite"),
        ({"t": ["a", None]}, "column 't' contains 1 missing or infinite"),
    ],
)
def test_wrong_table(
    change: dict[str, Any], expected: str, engine: str, tmp_path: Path
) -> None:
    table = TABLE.drop(columns="t") if change == {"t": None} else TABLE.assign(**change)
    with pytest.raises(InputError, match=rf"x\.parquet: {expected}"):
        read(table, tmp_path, engine)


@pytest.mark.parametrize("engine", ["pandas", "spark"])
def test_empty_table(engine: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the table is empty; add at least one row"):
        read(TABLE[:0], tmp_path, engine)


def test_times_with_a_time_zone_are_no_dates_in_pandas(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"type timestamp\[us, tz=UTC\]; use a date"):
        read(TABLE.assign(d=TABLE["d"].dt.tz_localize("UTC")), tmp_path)


@pytest.mark.parametrize("engine", ["pandas", "spark"])
@pytest.mark.parametrize(
    ("n", "t", "d"),
    [
        (pd.array([1, 2], "Int64"), pd.array(["a", "b"], "string"), TABLE["d"]),
        (pd.array([1, 2], "uint8"), pd.Categorical(["a", "b"]), TABLE["d"]),
        (pd.array([1, 2], "float32"), TABLE["t"], [datetime.date(2018, 1, 2)] * 2),
        ([decimal.Decimal("1.50")] * 2, TABLE["t"], TABLE["d"]),
    ],
)
def test_types_of_a_kind(n: Any, t: Any, d: Any, engine: str, tmp_path: Path) -> None:
    assert read(TABLE.assign(n=n, t=t, d=d), tmp_path, engine).columns[0] == "n"


@pytest.mark.parametrize(
    ("given", "wanted"), [("pandas", "spark"), ("spark", "pandas")]
)
def test_wrong_port_type_is_reported_before_anything_is_read(
    given: str, wanted: Any
) -> None:
    expected = f"port 1 has type '{given}', but the task needs '{wanted}'"
    with pytest.raises(InputError, match=expected):
        read_table([port(1, "none.parquet", given)], COLUMNS, port_type=wanted)


def test_values_out_of_range() -> None:
    check_values(TABLE, "t", ("a", "b"), "f")
    with pytest.raises(InputError, match="f: column 't' contains 'b'; valid: a, c"):
        check_values(TABLE, "t", ("a", "c"), "f")
