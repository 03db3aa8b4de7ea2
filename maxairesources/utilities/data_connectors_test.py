import builtins
import datetime
import decimal
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from maxairesources.configs.py_config import Port
from maxairesources.errors import InputError
from maxairesources.testing.handlers import port
from maxairesources.utilities.data_connectors import DataFrame
from maxairesources.utilities.tables import read_table

TABLE = pd.DataFrame({"n": [1, 2], "t": ["a", "b"]})
FORMATS = ["csv", "json", "parquet"]
MOMENT = pd.Timestamp("2018-01-02 03:04:05.123456")


def again(table: pd.DataFrame, suffix: str, folder: Path) -> pd.DataFrame:
    """Return what a table is after it was written and read."""
    ports = [port(1, folder / f"x.{suffix}")]
    DataFrame().write(table, ports)
    found = DataFrame().get(ports)
    assert isinstance(found, pd.DataFrame)
    return found


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_is_written_is_read(suffix: str, tmp_path: Path) -> None:
    folder = tmp_path / "new/folder"
    for table in (TABLE, TABLE[:1]):
        pd.testing.assert_frame_equal(again(table, suffix, folder), table)
    assert [path.name for path in folder.iterdir()] == [f"x.{suffix}"]


def test_ports_can_be_models(tmp_path: Path) -> None:
    ports = [Port(**port(1, str(tmp_path / "x.csv")))]
    DataFrame().write(TABLE, ports)
    pd.testing.assert_frame_equal(DataFrame().get(ports), TABLE)


SAME = object()


@pytest.mark.parametrize(
    ("column", "csv", "json"),
    [
        ([1, 2**53], SAME, SAME),
        ([0.1 + 0.2, 1.2345678901234567e-17], SAME, SAME),
        ([1.0, 2.0], SAME, SAME),
        ([1.5, None], SAME, SAME),
        ([1, None], SAME, SAME),
        ([True, False], SAME, SAME),
        (["é", "b\nc"], SAME, SAME),
        (["001", "2"], [1, 2], SAME),
        (["NA", "2018-01-01"], [None, "2018-01-01"], SAME),
        (["", "x"], [None, "x"], SAME),
        (
            pd.Series([MOMENT, None]),
            [str(MOMENT), None],
            [MOMENT.isoformat(), None],
        ),
        (
            pd.Series([MOMENT]).dt.tz_localize("America/New_York"),
            ["2018-01-02 03:04:05.123456-05:00"],
            ["2018-01-02T03:04:05.123456-05:00"],
        ),
        ([datetime.date(2018, 1, 2)], ["2018-01-02"], ["2018-01-02"]),
        (pd.Series([2**53 + 1, None], dtype="Int64"), SAME, SAME),
        (pd.Series([True, None], dtype="boolean"), SAME, SAME),
        (pd.Series([-1, None], dtype="Int64"), SAME, SAME),
        ([None, "a"], SAME, SAME),
        (["a", None], SAME, SAME),
        (pd.Series(["a"], dtype="category"), ["a"], ["a"]),
        (pd.Series([], dtype="int64"), pd.Series([], dtype=object), None),
    ],
)
def test_types(column: Any, csv: Any, json: Any, tmp_path: Path) -> None:
    table = pd.DataFrame({"c": column})
    for suffix, expected in zip(FORMATS, (csv, json, SAME), strict=True):
        found = again(table, suffix, tmp_path)
        if expected is None:
            assert found.columns.empty
            continue
        wanted = table if expected is SAME else pd.DataFrame({"c": expected})
        pd.testing.assert_frame_equal(found, wanted, check_exact=True)


def test_json_is_a_list_of_records(tmp_path: Path) -> None:
    DataFrame().write(TABLE, [port(1, tmp_path / "x.json")])
    text = (tmp_path / "x.json").read_text()
    assert text == '[{"n": 1, "t": "a"}, {"n": 2, "t": "b"}]'
    with pytest.raises(ValueError, match="Out of range float values"):
        again(pd.DataFrame({"c": [float("inf")]}), "json", tmp_path)


def with_options(path: Path, **options: Any) -> list[dict[str, Any]]:
    """Return a port with options; its format is that of the first suffix."""
    details = {
        "source": "file",
        "fileFormat": path.suffixes[0][1:],
        "filePath": str(path),
    }
    return [{"port": 1, "type": "pandas", "sourceDetails": details, "options": options}]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_named_index_is_written_as_columns(suffix: str, tmp_path: Path) -> None:
    found = again(TABLE.set_index(["t"]), suffix, tmp_path)
    pd.testing.assert_frame_equal(found, TABLE[["t", "n"]])
    counts = TABLE.groupby(["t", "n"])[["n"]].count().rename(columns={"n": "count"})
    expected = pd.DataFrame({"t": ["a", "b"], "n": [1, 2], "count": [1, 1]})
    pd.testing.assert_frame_equal(again(counts, suffix, tmp_path), expected)
    # It only counts the rows.
    pd.testing.assert_frame_equal(
        again(TABLE[1:], suffix, tmp_path), TABLE[1:].reset_index(drop=True)
    )


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (
            TABLE.set_axis(["x", "y"]),
            "an index of type object without a name, which wo",
        ),
        (
            TABLE.set_index(pd.DatetimeIndex(["2018-01-01", "2018-01-02"])),
            r"of type datetime64\[ns\] without a name, which would be lost; name it",
        ),
        (TABLE.rename_axis("n"), r"the index cannot become a column \(cannot insert n"),
        (
            TABLE.set_axis(["a", "a"], axis=1),
            "two columns have the name 'a'; rename it",
        ),
        (
            TABLE.rename(columns={"n": 1}),
            "the name of a column is 1, not a string; ren",
        ),
        (
            TABLE.set_index("n").rename_axis(5),
            "the name of a column is 5, not a string",
        ),
        (
            pd.DataFrame(
                [[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])
            ),
            r"the name of a column is \('a', 'b'\), not a string",
        ),
    ],
)
@pytest.mark.parametrize("suffix", FORMATS)
def test_a_table_that_a_file_cannot_hold(
    table: pd.DataFrame, expected: str, suffix: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=rf"x\.{suffix}: .*{expected}"):
        again(table, suffix, tmp_path)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n1,2,3\n4,5,6\n", "Length of header or names does not match"),
        ("a,b\n1,2\n4,5,6\n", "Expected 2 fields in line 3, saw 3"),
        ("a,a\n1,2\n", "two columns have the name 'a'; rename it"),
    ],
)
def test_a_csv_with_lost_values(text: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(InputError, match=rf"x\.csv: .*{expected}"):
        DataFrame().get([port(1, tmp_path / "x.csv")])


def test_options_of_csv(tmp_path: Path) -> None:
    table = pd.DataFrame({"n": [1.5, np.nan], "t": ["é", "b;c"]})
    options = {"sep": ";", "decimal": ",", "encoding": "latin-1", "na_values": ["-"]}
    ports = with_options(tmp_path / "x.csv", **options)
    DataFrame().write(table, ports)
    assert (tmp_path / "x.csv").read_bytes() == 'n;t\n1,5;é\n;"b;c"\n'.encode("latin-1")
    pd.testing.assert_frame_equal(DataFrame().get(ports), table)
    (tmp_path / "x.csv").write_text("n;t\n-;b\n")
    assert DataFrame().get(ports)["n"].isna().all()


@pytest.mark.parametrize("lines", [True, False])
def test_options_of_json(lines: bool, tmp_path: Path) -> None:
    ports = with_options(tmp_path / "x.json", lines=lines)
    DataFrame().write(TABLE, ports)
    text = (tmp_path / "x.json").read_text()
    assert text.count("\n") == (2 if lines else 0)
    pd.testing.assert_frame_equal(DataFrame().get(ports), TABLE)


@pytest.mark.parametrize("text", ["a\u2028b", "a\x85b", "a\x0bb", "a\r\nb"])
def test_a_string_in_lines_of_json_may_contain_any_character(
    text: str, tmp_path: Path
) -> None:
    ports = with_options(tmp_path / "x.json", lines=True)
    (tmp_path / "x.json").write_text(
        json.dumps({"t": text}, ensure_ascii=False) + "\n", newline=""
    )
    assert DataFrame().get(ports)["t"].tolist() == [text]


@pytest.mark.parametrize("name", ["x.csv.gz", "x.csv.bz2", "x.json.xz", "x.csv.zip"])
def test_compression_follows_the_name(name: str, tmp_path: Path) -> None:
    ports = with_options(tmp_path / name)
    DataFrame().write(TABLE, ports)
    assert b"a" not in (tmp_path / name).read_bytes()[:4]
    pd.testing.assert_frame_equal(DataFrame().get(ports), TABLE)


def test_compression_as_given(tmp_path: Path) -> None:
    ports = with_options(tmp_path / "x.csv", compression="gzip")
    DataFrame().write(TABLE, ports)
    assert gzip.decompress((tmp_path / "x.csv").read_bytes()) == b"n,t\n1,a\n2,b\n"
    pd.testing.assert_frame_equal(DataFrame().get(ports), TABLE)
    ports = with_options(tmp_path / "x.csv.gz", compression="none")
    DataFrame().write(TABLE, ports)
    assert (tmp_path / "x.csv.gz").read_bytes() == b"n,t\n1,a\n2,b\n"
    sizes = {}
    for compression in ("none", "gzip"):
        ports = with_options(tmp_path / "x.parquet", compression=compression)
        DataFrame().write(
            pd.DataFrame({"n": [0] * 9999, "t": ["a" * 99] * 9999}), ports
        )
        sizes[compression] = (tmp_path / "x.parquet").stat().st_size
        assert len(DataFrame().get(ports)) == 9999
    assert sizes["gzip"] < sizes["none"]


def test_scalars_of_numpy_in_json(tmp_path: Path) -> None:
    table = pd.DataFrame({"c": [np.int64(1), np.array([1.5, 2])]}, dtype=object)
    DataFrame().write(table, [port(1, tmp_path / "x.json")])
    text = (tmp_path / "x.json").read_text()
    assert json.loads(text) == [{"c": 1}, {"c": [1.5, 2]}]


def test_whole_numbers_of_parquet_stay_whole(tmp_path: Path) -> None:
    exact = pd.DataFrame(
        {
            "n": pd.Series([2**53 + 1, None], dtype="Int64"),
            "u": pd.Series([2**64 - 1, None], dtype="UInt64"),
            "b": pd.Series([True, None], dtype="boolean"),
            "f": [1.0, np.nan],
            "m": pd.Series([1, 2], dtype="int32"),
        }
    )
    # Without the types of pandas, as other programs write it.
    table = pa.Table.from_pandas(exact).replace_schema_metadata(None)
    pq.write_table(table, tmp_path / "x.parquet")
    pd.testing.assert_frame_equal(
        DataFrame().get([port(1, tmp_path / "x.parquet")]), exact
    )


def test_dates_and_decimals_of_parquet_pass_the_checks(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"d": [datetime.date(2018, 1, 2)], "n": [decimal.Decimal("1.50")]}
    )
    ports = [port(1, tmp_path / "x.parquet")]
    DataFrame().write(table, ports)
    pd.testing.assert_frame_equal(
        read_table(ports, {"d": "date", "n": "number"}), table
    )


def test_a_folder_of_partitions(tmp_path: Path) -> None:
    for code, year in (("01234", "2023"), ("98765", "2024")):
        folder = tmp_path / f"x.parquet/zip={code}/year={year}"
        folder.mkdir(parents=True)
        TABLE.to_parquet(folder / "part-0.parquet", index=False)
    found = DataFrame().get([port(1, tmp_path / "x.parquet")])
    assert sorted(set(found["zip"])) == ["01234", "98765"]
    assert sorted(set(found["year"])) == [2023, 2024]
    assert found["n"].tolist() == [1, 2, 1, 2]


def test_parts_with_different_columns(tmp_path: Path) -> None:
    folder = tmp_path / "x.parquet"
    folder.mkdir()
    TABLE.to_parquet(folder / "part-0.parquet", index=False)
    TABLE.assign(more=1.5).to_parquet(folder / "part-1.parquet", index=False)
    found = DataFrame().get([port(1, folder)])
    assert found.columns.tolist() == ["n", "t", "more"]
    assert found["more"].isna().sum() == 2
    TABLE.assign(n="x").to_parquet(folder / "part-2.parquet", index=False)
    with pytest.raises(
        InputError, match=r"cannot be read as parquet \(.*n.* has incomp"
    ):
        DataFrame().get([port(1, folder)])


@pytest.mark.parametrize("call", ["get", "write"])
def test_excel_without_its_package(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without_openpyxl(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("openpyxl"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_openpyxl)
    monkeypatch.setattr("importlib.import_module", without_openpyxl)
    ports = [port(1, tmp_path / "x.xlsx")]
    expected = r"x\.xlsx: excel needs the package openpyxl; add it to the domain's requ"
    with pytest.raises(InputError, match=expected):
        if call == "write":
            DataFrame().write(TABLE, ports)
        else:
            (tmp_path / "x.xlsx").write_bytes(b"")
            DataFrame().get(ports)


def test_failed_write_leaves_the_old_file_alone(tmp_path: Path) -> None:
    ports = [port(1, tmp_path / "x.parquet")]
    DataFrame().write(TABLE, ports)
    mixed = pd.DataFrame({"n": [1, "a"]})
    with pytest.raises(Exception, match="Could not convert|Expected"):
        DataFrame().write(mixed, ports)
    pd.testing.assert_frame_equal(DataFrame().get(ports), TABLE)
    assert [path.name for path in tmp_path.iterdir()] == ["x.parquet"]


def test_folder_of_parquet_files(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").mkdir()
    for part in range(2):
        TABLE[part : part + 1].to_parquet(tmp_path / f"x.parquet/{part}.parquet")
    found = DataFrame().get([port(1, tmp_path / "x.parquet")])
    assert found["n"].tolist() == [1, 2]


def test_compressed_file(tmp_path: Path) -> None:
    details = {"source": "file", "fileFormat": "csv", "filePath": f"{tmp_path}/x.gz"}
    TABLE.to_csv(tmp_path / "x.gz", index=False)
    found = DataFrame().get([{"port": 1, "type": "pandas", "sourceDetails": details}])
    pd.testing.assert_frame_equal(found, TABLE)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv: no such file; write it first"):
        DataFrame().get([port(1, tmp_path / "none.csv")])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.parquet", b"n,t\n1,a\n"),
        ("x.parquet", b""),
        ("x.csv", b""),
        ("x.csv", b"\xff\xfe\x00\xd8"),
        ("x.csv", b'a,b\n1,"2\n'),
        ("x.json", b""),
        ("x.json", b'[{"n": 1}'),
        ("x.json", b'{"n": 1}'),
        ("x.json", b'{"n": 1}\n{"n": 2}\n'),
        ("x.json", b'[{"n": "\xff"}]'),
    ],
)
def test_broken_file(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    expected = rf"{name}: cannot be read as {name[2:]} \(.*\); use a file of that form"
    with pytest.raises(InputError, match=expected):
        DataFrame().get([port(1, tmp_path / name)])


def test_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"x\.csv: cannot be written \("):
        DataFrame().write(TABLE, [port(1, tmp_path / "file/x.csv")])


@pytest.mark.parametrize("name", ["x.csv", "x.json"])
def test_folder_in_the_way_of_a_file(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=rf"{name}: cannot be written \("):
        DataFrame().write(TABLE, [port(1, tmp_path / name)])
    with pytest.raises(InputError, match=rf"{name}: cannot be read as .*Is a direct"):
        DataFrame().get([port(1, tmp_path / name)])


def test_pandas_table_to_a_spark_port(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has type 'spark', but the task writes"):
        DataFrame().write(TABLE, [port(1, tmp_path / "x.parquet", "spark")])
