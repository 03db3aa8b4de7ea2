import gzip
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from maxairesources.errors import InputError
from maxairesources.testing.handlers import port
from maxairesources.utilities import spark_connectors, storage
from maxairesources.utilities.data_connectors import DataFrame
from maxairesources.utilities.ports import find_port
from maxairesources.utilities.tables import Kind, read_table

TABLE = pd.DataFrame(
    {
        "n": [1.0, 2.0],
        "t": ["a", "b"],
        "d": pd.to_datetime(["2018-01-01", "2018-01-02"]).astype("datetime64[us]"),
    }
)
COLUMNS: dict[str, Kind] = {"n": "number", "t": "text", "d": "date"}


def test_session_is_local_and_in_utc() -> None:
    session = spark_connectors.session()
    assert session.sparkContext.master == "local[*]"
    assert session.conf.get("spark.sql.session.timeZone") == "UTC"


def again(table: pd.DataFrame, suffix: str, folder: Path) -> pd.DataFrame:
    """Return what a table is after Spark wrote and read it."""
    ports = [port(1, folder / f"x.{suffix}", "spark")]
    # One partition keeps the order of the rows.
    frame = spark_connectors.session().createDataFrame(table).coalesce(1)
    DataFrame().write(frame, ports)
    return pd.DataFrame(DataFrame().get(ports).toPandas())


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_what_is_written_is_read(suffix: str, tmp_path: Path) -> None:
    ports = [port(1, tmp_path / f"new/x.{suffix}", "spark")]
    for rows in (2, 1):
        table = spark_connectors.session().createDataFrame(TABLE[:rows])
        DataFrame().write(table, ports)
        found = read_table(ports, COLUMNS, port_type="spark").orderBy("n").toPandas()
        pd.testing.assert_frame_equal(found, TABLE[:rows], check_dtype=False)
    assert [path.name for path in (tmp_path / "new").iterdir()] == [f"x.{suffix}"]


MOMENT = pd.Timestamp("2018-01-02 03:04:05.123456")
SAME = object()


@pytest.mark.parametrize(
    ("column", "csv", "json"),
    [
        ([1, 2**53], SAME, SAME),
        ([0.1 + 0.2, 1.5e-17], SAME, SAME),
        ([1.0, 2.0], SAME, SAME),
        ([True, False], SAME, SAME),
        (["é", 'b"c,'], SAME, SAME),
        (["001", "2"], [1, 2], SAME),
        (["", "x"], [None, "x"], SAME),
        # The milliseconds are what Spark writes of a time as text.
        ([MOMENT], [MOMENT.floor("ms")], ["2018-01-02T03:04:05.123Z"]),
        ([MOMENT.date()], [MOMENT.date()], ["2018-01-02"]),
    ],
)
def test_types(column: Any, csv: Any, json: Any, tmp_path: Path) -> None:
    table = pd.DataFrame({"c": column})
    for suffix, expected in {"csv": csv, "json": json, "parquet": SAME}.items():
        wanted = table if expected is SAME else pd.DataFrame({"c": expected})
        found = again(table, suffix, tmp_path)
        pd.testing.assert_frame_equal(
            found, wanted, check_dtype=False, check_exact=True
        )


def test_options_of_csv(tmp_path: Path) -> None:
    ports = [port(1, tmp_path / "x.csv", "spark")]
    ports[0]["options"] = {"sep": ";", "na_values": ["-"], "compression": "gzip"}
    table = pd.DataFrame({"n": [1, 2], "t": ["a,b", None]})
    frame = spark_connectors.session().createDataFrame(table).coalesce(1)
    DataFrame().write(frame, ports)
    (part,) = (tmp_path / "x.csv").glob("part-*.csv.gz")
    assert gzip.decompress(part.read_bytes()) == b"n;t\n1;a,b\n2;-\n"
    found = DataFrame().get(ports).toPandas()
    pd.testing.assert_frame_equal(found, table, check_dtype=False)


def test_json_with_a_list_over_several_lines(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('[\n{"n": 1},\n{"n": 2}\n]')
    ports = [{**port(1, tmp_path / "x.json", "spark"), "options": {"lines": False}}]
    assert DataFrame().get(ports).count() == 2


@pytest.mark.parametrize("call", ["get", "write"])
@pytest.mark.parametrize(
    ("source", "path", "file_format", "expected"),
    [
        ("file", "x", "delta", "x: Spark needs the package delta-spark; add its jars"),
        ("file", "x", "iceberg", "x: Spark needs the package iceberg-spark-runtime"),
        (
            "s3",
            "b/x",
            "parquet",
            "s3://b/x: Spark needs the package hadoop-aws; add it",
        ),
        ("abfs", "b@a/x", "csv", "abfs://b@a/x: Spark needs the package hadoop-azure"),
        ("gs", "b/x", "json", "gs://b/x: Spark needs the package gcs-connector"),
    ],
)
def test_a_package_that_spark_lacks_is_named(
    source: str,
    path: str,
    file_format: str,
    expected: str,
    call: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MAXAI_DATA_ROOT", str(tmp_path))
    details = {"source": source, "fileFormat": file_format, "filePath": path}
    ports = [{"port": 1, "type": "spark", "sourceDetails": details}]
    (tmp_path / "x").mkdir()
    with pytest.raises(InputError, match=expected):
        if call == "get":
            DataFrame().get(ports)
        else:
            table = spark_connectors.session().createDataFrame(TABLE)
            DataFrame().write(table, ports)


def test_spark_writes_together_with_other_files(tmp_path: Path) -> None:
    ports = [port(1, tmp_path / "x.parquet", "spark")]
    table = spark_connectors.session().createDataFrame(TABLE)
    with pytest.raises(KeyError), storage.together():
        DataFrame().write(table, ports)
        raise KeyError
    assert [*tmp_path.iterdir()] == []
    with storage.together():
        DataFrame().write(table, ports)
        assert [path.name for path in tmp_path.iterdir()] != ["x.parquet"]
    assert [path.name for path in tmp_path.iterdir()] == ["x.parquet"]


def test_json_of_pandas_is_read_and_parquet_of_spark_by_pandas(tmp_path: Path) -> None:
    table = TABLE.drop(columns="d")
    DataFrame().write(table, [port(1, tmp_path / "x.json")])
    found = DataFrame().get([port(1, tmp_path / "x.json", "spark")])
    pd.testing.assert_frame_equal(found.select("n", "t").toPandas(), table)
    again(table, "parquet", tmp_path)
    found = DataFrame().get([port(1, tmp_path / "x.parquet")])
    pd.testing.assert_frame_equal(found.sort_values("n", ignore_index=True), table)


def test_folder_replaces_a_file(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_text("")
    ports = [port(1, tmp_path / "x.parquet", "spark")]
    DataFrame().write(spark_connectors.session().createDataFrame(TABLE), ports)
    assert DataFrame().get(ports).count() == 2


def test_failed_write_leaves_the_old_folder_alone(tmp_path: Path) -> None:
    ports = [port(1, tmp_path / "x.parquet", "spark")]
    table = spark_connectors.session().createDataFrame(TABLE)
    DataFrame().write(table, ports)
    with pytest.raises(Exception, match="USER_RAISED_EXCEPTION"):
        DataFrame().write(table.selectExpr("raise_error('x') AS n"), ports)
    assert DataFrame().get(ports).count() == 2
    assert [path.name for path in tmp_path.iterdir()] == ["x.parquet"]


def test_spark_table_to_a_pandas_port(tmp_path: Path) -> None:
    table = spark_connectors.session().createDataFrame(TABLE)
    with pytest.raises(InputError, match="has type 'pandas', but the task writes a py"):
        DataFrame().write(table, [port(1, tmp_path / "x.parquet")])


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.parquet: no such file"):
        DataFrame().get([port(1, tmp_path / "none.parquet", "spark")])


@pytest.mark.parametrize(
    ("suffix", "content"),
    [("parquet", b""), ("parquet", b"n,t\n1,a\n"), ("json", b'{"n": 1}\n{"n": 2\n')],
)
def test_broken_file(
    suffix: str, content: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / f"x.{suffix}").write_bytes(content)
    expected = rf"x\.{suffix}: cannot be read as {suffix} \("
    with pytest.raises(InputError, match=expected):
        DataFrame().get([port(1, tmp_path / f"x.{suffix}", "spark")])
    assert "\tat " not in capfd.readouterr().err


def test_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    table = spark_connectors.session().createDataFrame(TABLE)
    with pytest.raises(InputError, match=r"x\.json: cannot be written \(File exists"):
        DataFrame().write(table, [port(1, tmp_path / "file/x.json", "spark")])


@pytest.mark.parametrize("broken", [0, 1])
def test_broken_part_of_a_folder(broken: int, tmp_path: Path) -> None:
    (tmp_path / "x.parquet").mkdir()
    parts = [tmp_path / f"x.parquet/part-{i}.parquet" for i in range(2)]
    for part in parts:
        TABLE.to_parquet(part)
    parts[broken].write_bytes(parts[broken].read_bytes()[:-20])
    expected = rf"x\.parquet: cannot be read as parquet \(.*part-{broken}\.parquet"
    with pytest.raises(InputError, match=expected):
        read_table(
            [port(1, tmp_path / "x.parquet", "spark")], COLUMNS, port_type="spark"
        )


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (TABLE.drop(columns="t"), "no column 't'; add it; found: n, d"),
        (TABLE[:0], "the table is empty"),
        (TABLE.assign(n="x"), "column 'n' is of type string; use a number"),
        (TABLE.assign(t=1), "column 't' is of type bigint; use a string"),
        (TABLE.assign(d="2018"), "column 'd' is of type string; use a date"),
        (
            TABLE.assign(t=[{"a": 1}] * 2),
            "column 't' is of type struct<a:bigint>; use",
        ),
        (TABLE.assign(n=[1, None]), "column 'n' contains 1 missing or infinite"),
        (TABLE.assign(n=[-math.inf, 1]), "column 'n' contains 1 missing or infinite"),
        (TABLE.assign(t=["a", None]), "column 't' contains 1 missing or infinite"),
    ],
)
def test_wrong_table(table: pd.DataFrame, expected: str, tmp_path: Path) -> None:
    table.to_parquet(tmp_path / "x.parquet", index=False)
    with pytest.raises(InputError, match=rf"x\.parquet: {expected}"):
        read_table(
            [port(1, tmp_path / "x.parquet", "spark")], COLUMNS, port_type="spark"
        )


def test_executors_that_write_elsewhere_leave_the_old_folder_alone(
    tmp_path: Path,
) -> None:
    """A stub stands for a cluster whose pods do not share the folder."""
    ports = [port(1, tmp_path / "x.parquet", "spark")]
    DataFrame().write(spark_connectors.session().createDataFrame(TABLE), ports)
    writer = SimpleNamespace(save=lambda *_, **__: None)
    writer.options = lambda **_: writer
    elsewhere: Any = SimpleNamespace(write=writer)
    with pytest.raises(
        InputError, match="the executors wrote nothing where the driver"
    ):
        spark_connectors.write(elsewhere, find_port(ports))
    assert DataFrame().get(ports).count() == 2
    assert [path.name for path in tmp_path.iterdir()] == ["x.parquet"]
