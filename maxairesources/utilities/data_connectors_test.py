import datetime
import gzip
import random
import shutil
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
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
    "C:\\temp\\",
    'ends with a backslash\\", and goes on',
    "  spaces around  ",
    "NA",
    "NaN",
    None,
]
RANDOM = random.Random(7)
CHARACTERS = "a1é😀 \t\n\r\u2028\x85\\\"'`,;|#{}:"
TEXTS += ["".join(RANDOM.choices(CHARACTERS, k=1 + n % 6)) for n in range(54)]
MOMENT = pd.Timestamp("2018-01-02 03:04:05.123456")
FIRST, LAST = datetime.datetime.min, datetime.datetime.max
# One row for each text. The other columns have missing values too.
VALUES: dict[str, Any] = {
    "text": TEXTS,
    "whole": pd.array([2**63 - 1, -(2**63), None, 0] * 16, dtype="Int64"),
    "number": [0.1 + 0.2, 5e-324, None, 1.7976931348623157e308] * 16,
    "infinite": [float("inf"), 1.5, None, float("-inf")] * 16,
    "flag": pd.array([True, None, False, True] * 16, dtype="boolean"),
    "time": pd.Series(pa.array([FIRST, LAST, None, MOMENT] * 16).to_pandas()),
    "zoned": pd.Series([MOMENT, None] * 32).dt.tz_localize("Asia/Tokyo"),
    "day": [FIRST.date(), LAST.date(), None, datetime.date(1582, 10, 10)] * 16,
    "category": pd.Series(["a", "b"] * 32, dtype="category"),
}
# The smallest and largest value of each type that both engines read from parquet.
EDGES = {
    f"{sign}int{bits}": pa.array([low, 2**bits // high - 1, None], f"{sign}int{bits}")
    for bits in (8, 16, 32, 64)
    for sign, low, high in (("", -(2**bits) // 2, 2), ("u", 0, 1))
}
EDGES |= {
    "float": pa.array([3.4028234663852886e38, 1.401298464324817e-45, None], "float32"),
    "digits": pa.array([Decimal("9" * 38), Decimal(-1), None], pa.decimal128(38, 0)),
    "bytes": pa.array([b"", b"\x00\xff", None]),
    "fixed": pa.array([b"ab", b"\x00\xff", None], pa.binary(2)),
    "text": pa.array(["", "a\0\ud7ff", None], pa.large_string()),
    "second": pa.array([0, -1, None], pa.timestamp("s")),
    "milli": pa.array([0, -1, None], pa.timestamp("ms", "Asia/Tokyo")),
    "nano": pa.array([1000, -1000, None], pa.timestamp("ns")),
    "day": pa.array([0, 86_400_000 * 10**6, None], pa.date64()),
    "list": pa.array([[2**60 + 1, None], [], None]),
    "struct": pa.array([{"a": 2**60 + 1, "b": "x"}, {"a": None, "b": ""}, None]),
    "map": pa.array([[("a", 2**60 + 1)], [], None], pa.map_("string", "int64")),
    "category": pa.array(["a", "b", None]).dictionary_encode(),
    "missing": pa.nulls(3, "string"),
}
# Values that not both engines read from a format as they are.
ALIEN: dict[str, list[Any]] = {
    "csv": [[[1]], [{"a": 1}], [b"x"], [LAST - FIRST], [1j]],
    "json": [[b"x"], [Decimal("1.5")], [float("inf")], [LAST - FIRST], [{1: 1}]],
    "parquet": [[LAST - FIRST], [FIRST.time()], [LAST.date(), LAST], [Decimal(10**40)]],
}
ALIEN["parquet"] += [[np.array(["2018"], "datetime64[ns]")], [pd.Period("2018")]]
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


def test_the_edges_of_the_types_of_parquet(tmp_path: Path) -> None:
    table, path = pa.table(EDGES), tmp_path / "x.parquet"
    DataFrame().write(table.to_pandas(types_mapper=pd.ArrowDtype), place(path))
    frame = DataFrame().get(place(path, "spark"))
    DataFrame().write(frame.coalesce(1), place(tmp_path / "y.parquet", "spark"))
    for name in ("x.parquet", "y.parquet"):
        found = DataFrame().get(place(tmp_path / name))
        schema = table.schema
        assert pa.Table.from_pandas(found, schema, preserve_index=False).equals(table)
        found = DataFrame().get(place(tmp_path / name, "spark")).toArrow()
        assert found.cast(schema).equals(table)
    empty = table[:0].to_pandas()
    assert again(empty, path).columns.tolist() == table.column_names
    assert DataFrame().get(place(path, "spark")).count() == 0
    types = TABLE.astype({"n": "int32"}).assign(u=pd.array([2**64 - 1, None], "UInt64"))
    pd.testing.assert_frame_equal(again(types, path), types)


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
        (TABLE.rename(columns={"n": ""}), "do not read column '' of type int64"),
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


@pytest.mark.parametrize("suffix", FORMATS)
def test_values_that_not_both_engines_read(suffix: str, tmp_path: Path) -> None:
    for values in ALIEN[suffix]:
        with pytest.raises(InputError, match=r"cannot be written .*column '?c"):
            again(pd.DataFrame({"c": values}), tmp_path / f"x.{suffix}")


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
    assert [*tmp_path.iterdir()] == [tmp_path / "x.csv"]
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
    assert again(TABLE.assign(t=["001", ""]), path)["t"].tolist() == ["001", ""]
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
