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
        "n": [1, 2],
        "t": ["a", "b"],
        "d": pd.to_datetime(["2018-01-01", "2018-01-02"]),
        "extra": [0, 0],
    }
)
COLUMNS: dict[str, Kind] = {"n": "number", "t": "text", "d": "date"}


def read(table: pd.DataFrame, folder: Path, **kwargs: Any) -> Any:
    ports = [port(1, folder / "x.parquet")]
    DataFrame().write(table, ports)
    return read_table(ports, COLUMNS, **kwargs)


def test_wanted_columns_are_returned(tmp_path: Path) -> None:
    assert read(TABLE, tmp_path).columns.tolist() == ["n", "t", "d"]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (TABLE.drop(columns="t"), "no column 't'; add it; found: n, d, extra"),
        (TABLE[:0], "the table is empty"),
        (TABLE.assign(n="x"), "column 'n' is of type object; use a number"),
        (TABLE.assign(n=True), "column 'n' is of type bool; use a number"),
        (TABLE.assign(t=1), "column 't' is of type int64; use a string"),
        (TABLE.assign(d="2018"), "column 'd' is of type object; use a date"),
        (
            TABLE.assign(n=pd.interval_range(0, 2)),
            r"column 'n' is of type interval\[int64, right\]; use a number",
        ),
        (TABLE.assign(t=[[1], [2]]), "column 't' is of type object; use a string"),
        (
            TABLE.assign(d=TABLE["d"].dt.tz_localize("UTC")),
            r"column 'd' is of type datetime64\[.s, UTC\]; use a date, or UTC times "
            "without a time zone",
        ),
        (TABLE.assign(n=[1, None]), "column 'n' contains 1 missing or infinite"),
        (TABLE.assign(n=[-math.inf, math.inf]), "column 'n' contains 2 missing or"),
        (TABLE.assign(t=["a", None]), "column 't' contains 1 missing or infinite"),
    ],
)
def test_wrong_table(table: pd.DataFrame, expected: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"x\.parquet: {expected}"):
        read(table, tmp_path)


@pytest.mark.parametrize(
    ("n", "t"),
    [("Int64", "string"), ("uint8", "category"), ("float32", "object")],
)
def test_types_of_a_kind(n: str, t: str, tmp_path: Path) -> None:
    table = TABLE.astype({"n": n, "t": t})
    assert read(table, tmp_path).dtypes.astype(str).tolist()[:2] == [n, t]


@pytest.mark.parametrize(
    ("given", "wanted"), [("pandas", "spark"), ("spark", "pandas")]
)
def test_wrong_port_type_is_reported_before_anything_is_read(
    given: str, wanted: Any
) -> None:
    expected = f"port 1 has type '{given}', but the task reads a {wanted} table there"
    with pytest.raises(InputError, match=expected):
        read_table([port(1, "none.parquet", given)], COLUMNS, port_type=wanted)


def test_missing_values_can_be_allowed(tmp_path: Path) -> None:
    gaps = TABLE.assign(t=["a", None])
    assert read(gaps, tmp_path, may_be_missing=["t"])["t"].isna().sum() == 1


def test_values_out_of_range() -> None:
    check_values(TABLE, "t", ("a", "b"), "f")
    with pytest.raises(InputError, match="f: column 't' contains 'b'; valid: a, c"):
        check_values(TABLE, "t", ("a", "c"), "f")
