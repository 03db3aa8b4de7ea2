import datetime
import decimal
import gzip
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from maxairesources.errors import InputError
from maxairesources.testing.handlers import port
from maxairesources.utilities import spark_connectors
from maxairesources.utilities.data_connectors import DataFrame
from maxairesources.utilities.tables import Kind, read_table

TABLE = pd.DataFrame({"n": [1, 2], "t": ["a", "b"]})
FORMATS = ["csv", "json", "parquet"]

TEXTS = [
    'a 19" rack, black',
    '"quoted"',
    "two\nlines",
    "two\r\nlines",
    "one\rreturn",
    "\u2028 and \x85",
    "C:\\temp\\",
    'ends with a backslash\\", and goes on',
    'comma, "quote"; semicolon',
    "  spaces around  ",
    "\t",
    "# é € 😀",
    "NA",
    "null",
    "NaN",
    None,
]
MOMENT = pd.Timestamp("2018-01-02 03:04:05.123456")
# One row for each text. The other columns have missing values too.
VALUES: dict[str, Any] = {
    "text": TEXTS,
    "whole": pd.array([2**53 + 1, -1, None, 0] * 4, dtype="Int64"),
    "number": [0.1 + 0.2, 1.2345678901234567e-17, None, 2.0] * 4,
    "infinite": [float("inf"), 1.5, None, float("-inf")] * 4,
    "flag": pd.array([True, None, False, True] * 4, dtype="boolean"),
    "time": pd.Series(
        [MOMENT, None, MOMENT.floor("s"), pd.Timestamp("1969-01-01")] * 4
    ),
    "zoned": pd.Series([MOMENT, None] * 8).dt.tz_localize("Asia/Tokyo"),
    "day": [datetime.date(2018, 1, 2), None] * 8,
    "category": pd.Series(["a", "b"] * 8, dtype="category"),
}
KINDS: dict[str, Kind] = {
    "text": "text",
    "whole": "number",
    "number": "number",
    "category": "text",
}


def place(path: Path, engine: str = "pandas", **options: Any) -> list[Any]:
    """Return a port whose format is in the name of a file, such as x.csv.gz."""
    found = {**port(1, path, engine), "options": options}
    (found["sourceDetails"]["fileFormat"],) = {*FORMATS} & {*path.name.split(".")}
    return [found]


def plain(name: str, values: Iterable[Any]) -> list[Any]:
    """Return values as Python has them; times, also as strings, in UTC without a zone."""
    found: list[Any] = []
    for value in values:
        if pd.isna(value):
            found.append(None)
        elif name in ("time", "zoned", "day"):
            time = pd.Timestamp(value)
            found.append(time.tz_convert("UTC").tz_localize(None) if time.tz else time)
        else:
            found.append(value.item() if hasattr(value, "item") else value)
    return found


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("reader", ["pandas", "spark"])
@pytest.mark.parametrize("writer", ["pandas", "spark"])
def test_what_one_engine_writes_both_read(
    writer: str, reader: Any, suffix: str, tmp_path: Path
) -> None:
    table, path = pd.DataFrame(VALUES), tmp_path / f"new/x.{suffix}"
    if suffix == "json":
        # JSON has no such number.
        table = table.drop(columns="infinite")
    if writer == "pandas":
        DataFrame().write(table, [port(1, path)])
    else:
        DataFrame().write(table, [port(1, tmp_path / "x.parquet")])
        frame = spark_connectors.session().read.parquet(str(tmp_path / "x.parquet"))
        DataFrame().write(frame.coalesce(1), [port(1, path, "spark")])
        if reader == "pandas":
            (path,) = path.glob("part-*")
    assert len([*(tmp_path / "new").iterdir()]) == 1
    ports = place(path, reader)
    read_table(ports, KINDS, may_be_missing=[*KINDS], port_type=reader)
    found = DataFrame().get(ports)
    found = found if reader == "pandas" else found.toArrow().to_pydict()
    assert {name: plain(name, found[name]) for name in found} == {
        name: plain(name, table[name]) for name in table
    }


def test_both_engines_find_the_same_types_in_csv(tmp_path: Path) -> None:
    values: dict[str, Any] = {"9223372036854775807": 2**63 - 1, " -1 ": -1, "+01": 1}
    values |= {"-9223372036854775808": -(2**63), "": None, "NaN": None, "TRUE": True}
    values |= {"1.": 1.0, ".5E1": 5.0, "-Infinity": -float("inf"), "inf": float("inf")}
    strings = "9223372036854775808 12345678901234567.5 1d 0x10 ١ 1_0 NA null t - + e5"
    values |= {text: text for text in f"{strings} 12:30 2018-01 2018-01-02".split()}
    head = ",".join(f"c{index}" for index in range(len(values)))
    text = "\n".join([head, ",".join(values), "," * (len(values) - 1), ""])
    row = read(tmp_path / "x.csv", text.encode()).iloc[0]
    ports = place(tmp_path / "x.csv", "spark")
    for found in (plain("", row), plain("", DataFrame().get(ports).first())):
        assert found == [*values.values()]
        assert [*map(type, found)] == [*map(type, values.values())]
    ports[0]["options"] = {"inferSchema": True}
    assert DataFrame().get(ports).first()[-1] == datetime.date(2018, 1, 2)


def again(table: pd.DataFrame, path: Path, **options: Any) -> pd.DataFrame:
    """Return what a table is after pandas wrote and read it."""
    DataFrame().write(table, place(path, **options))
    found = DataFrame().get(place(path, **options))
    assert isinstance(found, pd.DataFrame)
    return found


def read(path: Path, content: bytes, **options: Any) -> Any:
    """Return what pandas reads of a file with this content."""
    path.write_bytes(content)
    return DataFrame().get(place(path, **options))


@pytest.mark.parametrize(
    ("suffix", "values", "expected"),
    [
        ("csv", ["001", "2"], [1, 2]),
        ("csv", ["", "x"], [np.nan, "x"]),
        ("csv", ["12345678901234567890123", "1"], ["12345678901234567890123", "1"]),
        ("json", ["001", ""], ["001", ""]),
        ("parquet", ["001", ""], ["001", ""]),
        ("parquet", pd.array([2**64 - 1, None], "UInt64"), [2**64 - 1, None]),
        ("parquet", pd.array([1, 2], "int32"), [1, 2]),
    ],
)
def test_types(suffix: str, values: Any, expected: Any, tmp_path: Path) -> None:
    found = again(pd.DataFrame({"c": values}), tmp_path / f"x.{suffix}")["c"]
    wanted = pd.Series(expected, name="c", dtype=getattr(values, "dtype", None))
    pd.testing.assert_series_equal(found, wanted, check_exact=True)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_named_index_is_written_as_columns(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    counts = TABLE.groupby(["t", "n"])[["n"]].count().rename(columns={"n": "count"})
    expected = pd.DataFrame({"t": ["a", "b"], "n": [1, 2], "count": [1, 1]})
    pd.testing.assert_frame_equal(again(counts, path), expected)
    # This one only counts the rows.
    expected = TABLE[1:].reset_index(drop=True)
    pd.testing.assert_frame_equal(again(TABLE[1:], path), expected)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (TABLE.set_axis(["x", "y"]), "the index of type object has no name"),
        (TABLE.rename_axis("n"), "cannot insert n, already exists"),
        (TABLE.set_axis(["a", "a"], axis=1), "Duplicate column names found: .'a', 'a'"),
        (TABLE.rename(columns={"n": 1}), "the name of a column is 1, not a string"),
        (pd.DataFrame({"n": [1, "a"]}), "Could not convert|Expected"),
        (pd.DataFrame({"n": [MOMENT + pd.Timedelta(1)]}), "would lose data"),
    ],
)
@pytest.mark.parametrize("suffix", FORMATS)
def test_a_refused_table_leaves_the_old_file_alone(
    table: pd.DataFrame, expected: str, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"x.{suffix}"
    again(TABLE, path)
    with pytest.raises(InputError, match=rf"x\.{suffix}: cannot be wr.*({expected})"):
        again(table, path)
    pd.testing.assert_frame_equal(DataFrame().get([port(1, path)]), TABLE)
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("value", [float("inf"), decimal.Decimal("1.50"), b"x"])
def test_a_value_that_json_lacks(value: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written as json"):
        again(pd.DataFrame({"c": [value]}), tmp_path / "x.json")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("x.csv", b"a,b\n1,2,3\n4,5,6\n", "Length of header or names does not match"),
        ("x.csv", b"a,b\n1,2\n4,5,6\n", "Expected 2 fields in line 3, saw 3"),
        ("x.csv", b"a,a\n1,2\n", "two columns have the name 'a'"),
        ("x.csv", b"", "No columns"),
        ("x.csv", b"a\n\xe9\n", "utf-8"),
        ("x.csv", b'a,b\n1,"2\n', "EOF inside string"),
        ("x.csv", b"a\nb\0c\n", "a NUL character"),
        ("x.csv", b"a\n  \nb\n", "a line of spaces"),
        ("x.csv", b"a,b\r1,2\r", "end with a carriage return alone"),
        ("x.csv.gz", b"a,b\n1,2\n", "Not a gzipped file"),
        ("x.csv.gz", gzip.compress(b"a,b\n1,2\n")[:-1], "ended before"),
        ("x.json", b'{"n": 1}\n{"n"', "Expecting"),
        ("x.json", b"[1]", "'int' object has no"),
        ("x.json", b'[{"n": 1}, {"n": "a"}]', "Could not convert|Expected"),
        ("x.json", b'[{"n": "\xff"}]', "utf-8"),
        ("x.parquet", b"n,t\n1,a\n", "not a parquet|Parquet magic bytes"),
    ],
)
def test_a_broken_file(
    name: str, content: bytes, expected: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=rf"{name}: cannot be read as .*({expected})"):
        read(tmp_path / name, content)


def test_a_format_that_pandas_ports_lack(tmp_path: Path) -> None:
    ports = [port(1, tmp_path / "x.excel")]
    with pytest.raises(
        InputError, match=r"'excel'.*input\)\.address; frame = pandas\."
    ):
        DataFrame().get(ports)
    with pytest.raises(InputError, match=r"output\)\.address; frame\.to_excel\(path"):
        DataFrame().write(TABLE, ports)


def test_a_missing_file_and_things_in_the_way(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv: no such file; write it first"):
        DataFrame().get([port(1, tmp_path / "none.csv")])
    with pytest.raises(InputError, match="x.csv: cannot be read .*Is a directory"):
        (tmp_path / "x.csv").mkdir()
        DataFrame().get([port(1, tmp_path / "x.csv")])
    with pytest.raises(InputError, match="x.csv: cannot be written .*Is a directory"):
        again(TABLE, tmp_path / "x.csv")
    with pytest.raises(InputError, match="has type 'spark', but the task needs 'pa"):
        DataFrame().write(TABLE, [port(1, tmp_path / "x.parquet", "spark")])


def test_options_are_those_of_pandas(tmp_path: Path) -> None:
    path, table = tmp_path / "x.csv", pd.DataFrame({"n": [1.5, None], "t": ["é", "b;"]})
    given = {"sep": ";", "decimal": ",", "encoding": "cp1252"}
    pd.testing.assert_frame_equal(again(table, path, **given), table)
    assert path.read_text("cp1252") == '"n";"t"\n"1,5";"é"\n"";"b;"\n'
    found = read(path, b"n,m\n001,\n-,1\n", dtype={"n": "str"}, na_values=["-"])
    assert found.to_dict("list") == {"n": ["001", None], "m": [None, 1]}
    with pytest.raises(InputError, match="unexpected keyword argument 'separator'"):
        again(TABLE, path, separator=";")


@pytest.mark.parametrize("name", ["x.csv.gz", "x.json.xz", "x.csv.zip", "x.csv"])
def test_compression(name: str, tmp_path: Path) -> None:
    given = {"compression": "gzip"} if name == "x.csv" else {}
    pd.testing.assert_frame_equal(again(TABLE, tmp_path / name, **given), TABLE)
    assert b"a" not in (tmp_path / name).read_bytes()[:4]


@pytest.mark.parametrize("kind", ["zip", "gztar"])
def test_an_archive_of_several_files(kind: str, tmp_path: Path) -> None:
    (tmp_path / "in/a/b").mkdir(parents=True)
    path = Path(shutil.make_archive(f"{tmp_path}/x.csv", kind, tmp_path / "in"))
    with pytest.raises(InputError, match="several files: a/, a/b/|a NUL character"):
        DataFrame().get(place(path))


def test_json_has_an_object_on_each_line_or_is_a_list(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    again(TABLE, path)
    assert path.read_text() == '{"n": 1, "t": "a"}\n{"n": 2, "t": "b"}\n'
    content = b'[\n{"n": 1},\n{"n": 2, "t": "a\xe2\x80\xa8b"}]'
    assert read(path, content)["t"].tolist() == [None, "a\u2028b"]


def test_a_folder_of_parquet_files(tmp_path: Path) -> None:
    for code, table in {"01234": TABLE, "9": TABLE.assign(more=1.5)}.items():
        folder = tmp_path / f"x.parquet/zip={code}"
        folder.mkdir(parents=True)
        table.to_parquet(folder / "part-0.parquet", index=False)
    for engine in ("pandas", "spark"):
        found = DataFrame().get([port(1, tmp_path / "x.parquet", engine)])
        if engine == "spark":
            found = found.orderBy("zip", "n").toPandas()
        assert found["zip"].tolist() == ["01234", "01234", "9", "9"]
        assert found["n"].tolist() == [1, 2, 1, 2]
        assert found["more"].isna().tolist() == [True, True, False, False]
    TABLE.assign(n="x").to_parquet(folder / "part-1.parquet", index=False)
    with pytest.raises(InputError, match="cannot be read as parquet .*n.* has incomp"):
        DataFrame().get([port(1, tmp_path / "x.parquet")])
