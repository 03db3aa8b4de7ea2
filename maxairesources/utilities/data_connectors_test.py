from pathlib import Path

import pandas as pd
import pytest

from maxairesources.errors import InputError
from maxairesources.testing.handlers import port
from maxairesources.utilities.data_connectors import DataFrame

TABLE = pd.DataFrame({"n": [1, 2], "t": ["a", "b"]})


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_what_is_written_is_read(suffix: str, tmp_path: Path) -> None:
    ports = [port(1, tmp_path / f"new/folder/x.{suffix}")]
    for table in (TABLE, TABLE[:1]):
        DataFrame().write(table, ports)
        pd.testing.assert_frame_equal(DataFrame().get(ports), table)
    assert [path.name for path in (tmp_path / "new/folder").iterdir()] == [
        f"x.{suffix}"
    ]


def test_failed_write_leaves_the_old_file_alone(tmp_path: Path) -> None:
    ports = [port(1, tmp_path / "x.parquet")]
    DataFrame().write(TABLE, ports)
    mixed = pd.DataFrame({"n": [1, "a"]})
    with pytest.raises(Exception, match="Could not convert|Expected"):
        DataFrame().write(mixed, ports)
    pd.testing.assert_frame_equal(DataFrame().get(ports), TABLE)
    assert [path.name for path in tmp_path.iterdir()] == ["x.parquet"]


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv: no such file; "):
        DataFrame().get([port(1, tmp_path / "none.csv")])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.parquet", b"n,t\n1,a\n"),
        ("x.parquet", b""),
        ("x.csv", b""),
        ("x.csv", b"\xff\xfe\x00\xd8"),
        ("x.csv", b'a,b\n1,"2\n'),
    ],
)
def test_broken_file(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: cannot be read as {name[2:]}"):
        DataFrame().get([port(1, tmp_path / name)])


def test_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"x\.csv: cannot be written \("):
        DataFrame().write(TABLE, [port(1, tmp_path / "file/x.csv")])


def test_folder_in_the_way_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(InputError, match=r"x\.csv: cannot be written \("):
        DataFrame().write(TABLE, [port(1, tmp_path / "x.csv")])


def test_pandas_table_to_a_spark_port(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has type 'spark', but the task writes"):
        DataFrame().write(TABLE, [port(1, tmp_path / "x.parquet", "spark")])
