import builtins
import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from maxairesources.configs.py_config import Port
from maxairesources.errors import InputError
from maxairesources.testing.handlers import port
from maxairesources.utilities.data_connectors import DataFrame

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
        (pd.Series([1, None], dtype="Int64"), [1.0, None], [1.0, None]),
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
