"""Tests of the format excel, in a resolve that holds openpyxl."""

import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

from maxairesources.errors import InputError
from maxairesources.testing.handlers import port
from maxairesources.utilities.data_connectors import DataFrame

MOMENT = pd.Timestamp("2018-01-02 03:04:05.123456")
SAME = object()


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([1, 2**53], SAME),
        ([0.1 + 0.2, 1.2345678901234567e-17], [0.3, 1.234567890123457e-17]),
        ([1.0, 2.0], [1, 2]),
        ([None, 1.5], SAME),
        ([1.5, None], [1.5]),
        ([True, False], SAME),
        (["é", "b\nc"], SAME),
        (["001", "2"], SAME),
        (["NA", "2018-01-01"], SAME),
        (["", "x"], [None, "x"]),
        (pd.Series([None, MOMENT]), pd.Series([None, MOMENT.round("ms")])),
        ([datetime.date(2018, 1, 2)], pd.Series([pd.Timestamp("2018-01-02")])),
        (pd.Series([None, 2**53 - 1], dtype="Int64"), SAME),
        (["=1+1", "=x", "+1"], SAME),
        (pd.Series(["a"], dtype="category"), ["a"]),
        (pd.Series([], dtype="int64"), pd.Series([], dtype=object)),
    ],
)
def test_types(column: Any, expected: Any, tmp_path: Path) -> None:
    table, ports = pd.DataFrame({"c": column}), [port(1, tmp_path / "new/x.xlsx")]
    for _ in range(2):
        DataFrame().write(table, ports)
    wanted = table if expected is SAME else pd.DataFrame({"c": expected})
    found = DataFrame().get(ports)
    pd.testing.assert_frame_equal(found, wanted, check_exact=True)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x.xlsx"]


def test_first_sheet_is_read(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["n", "t"], [1, "a"]):
        book.worksheets[0].append(row)
    book.create_sheet("other").append(["x"])
    book.save(tmp_path / "x.xlsx")
    found = DataFrame().get([port(1, tmp_path / "x.xlsx")])
    pd.testing.assert_frame_equal(found, pd.DataFrame({"n": [1], "t": ["a"]}))


def test_a_sheet_by_its_name(tmp_path: Path) -> None:
    ports = [{**port(1, tmp_path / "x.xlsx"), "options": {"sheet": "rates"}}]
    table = pd.DataFrame({"n": [1], "t": ["=a"]})
    DataFrame().write(table, ports)
    assert openpyxl.load_workbook(tmp_path / "x.xlsx").sheetnames == ["rates"]
    pd.testing.assert_frame_equal(DataFrame().get(ports), table)
    ports[0]["options"] = {"sheet": "rate"}
    with pytest.raises(
        InputError, match="cannot be read as excel .*named 'rate' not f"
    ):
        DataFrame().get(ports)


def test_times_with_a_zone_are_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    ports = [port(1, tmp_path / "x.xlsx")]
    DataFrame().write(pd.DataFrame({"c": [1]}), ports)
    with pytest.raises(ValueError, match="Excel does not support datetimes with time"):
        DataFrame().write(pd.DataFrame({"c": [MOMENT.tz_localize("UTC")]}), ports)
    assert DataFrame().get(ports)["c"].tolist() == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["x.xlsx"]


@pytest.mark.parametrize(
    "content", [b"", b"n,t\n1,a\n", b"PK\x05\x06" + bytes(18), b"\xd0\xcf\x11\xe0 xls"]
)
def test_broken_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.xlsx").write_bytes(content)
    expected = r"x\.xlsx: cannot be read as excel \(.+\); use a file of that format"
    with pytest.raises(InputError, match=expected):
        DataFrame().get([port(1, tmp_path / "x.xlsx")])
