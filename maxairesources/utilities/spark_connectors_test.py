import gzip
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from pyspark.errors import PythonException
from pyspark.sql import DataFrame as Table
from pyspark.sql.functions import udf

from maxairesources.errors import InputError
from maxairesources.testing.handlers import port
from maxairesources.utilities import spark_connectors
from maxairesources.utilities.data_connectors import DataFrame, reading
from maxairesources.utilities.ports import find_port

NANOSECONDS = pd.DataFrame({"n": [1], "t": [pd.Timestamp(0)]})


def table() -> Table:
    return spark_connectors.session().createDataFrame(
        [(1, "a"), (2, "b")], "n int, t string"
    )


def test_a_port_of_spark_in_an_image_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "maxairesources.utilities.spark_connectors"
    monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("maxairesources.utilities.spark_connectors")
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(
        InputError, match="requirements.txt: the image has no Spark; add"
    ):
        DataFrame().get(spark_port(tmp_path / "x.csv"))
    # A port of pandas needs none of it.
    DataFrame().write(NANOSECONDS[["n"]], [port(1, tmp_path / "y.csv")])
    assert name not in sys.modules


def spark_port(path: Path, **options: Any) -> list[dict[str, Any]]:
    return [{**port(1, path, "spark"), "options": options}]


def test_session_is_local_and_in_utc() -> None:
    session = spark_connectors.session()
    assert session.sparkContext.master == "local[*]"
    assert session.conf.get("spark.sql.session.timeZone") == "UTC"


def test_options_and_formats_are_those_of_spark(tmp_path: Path) -> None:
    ports = spark_port(tmp_path / "x.csv", sep=";", nullValue="b", compression="gzip")
    DataFrame().write(table(), ports)
    assert [*(tmp_path / "x.csv").glob("part-*.csv.gz")]
    assert sorted(DataFrame().get(ports).collect()) == [(1, "a"), (2, None)]
    DataFrame().write(table(), spark_port(tmp_path / "x.orc"))
    assert DataFrame().get(spark_port(tmp_path / "x.orc")).count() == 2
    (tmp_path / "x.json").write_text('[{"n": 1}, {"n": 2}]')
    assert DataFrame().get(spark_port(tmp_path / "x.json")).count() == 2


@pytest.mark.parametrize(
    ("suffix", "value", "expected"),
    [
        ("csv", "x'00'", "'c' of type binary"),
        ("csv", "'é'", "us-ascii"),
        ("json", "map('a', 1)", "'c' of type map"),
        ("json", "array(double('nan'))", "'c' has infinity or NaN"),
        ("parquet", "interval '1' day", "'c' of type interval day"),
    ],
)
def test_a_value_that_not_both_engines_read(
    suffix: str, value: str, expected: str, tmp_path: Path
) -> None:
    options = {"encoding": "us-ascii"} if suffix == "csv" else {}
    ports = spark_port(tmp_path / f"x.{suffix}", **options)
    with pytest.raises(InputError, match=rf"x\.{suffix}: cannot be wri.*{expected}"):
        DataFrame().write(table().selectExpr(f"{value} AS c"), ports)
    assert [*tmp_path.iterdir()] == []


def test_the_error_of_a_function_is_not_converted(tmp_path: Path) -> None:
    broken = table().select(udf(lambda n: 1 // 0)("n"))
    with pytest.raises(PythonException):
        DataFrame().write(broken, spark_port(tmp_path / "x.csv"))


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
def test_the_name_of_a_file_is_not_a_pattern(suffix: str, tmp_path: Path) -> None:
    # Spark finds no csv file with one of the other characters.
    more = "" if suffix == "csv" else "[1]{b,c}?*\\"
    path = tmp_path / f"a é%20+#{more}.{suffix}"
    DataFrame().write(table(), spark_port(path))
    assert sorted(DataFrame().get(spark_port(path)).collect()) == [(1, "a"), (2, "b")]


@pytest.mark.parametrize("old", ["file", "folder"])
def test_a_write_replaces_everything_or_nothing(old: str, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    if old == "file":
        path.write_text("")
    else:
        DataFrame().write(table().limit(1), spark_port(path))
    with pytest.raises(Exception, match="USER_RAISED_EXCEPTION"):
        DataFrame().write(table().selectExpr("raise_error('x') AS n"), spark_port(path))
    assert path.is_file() == (old == "file")
    DataFrame().write(table(), spark_port(path))
    assert DataFrame().get(spark_port(path)).count() == 2
    assert [*tmp_path.iterdir()] == [path]


def test_executors_that_write_elsewhere_leave_the_old_folder_alone(
    tmp_path: Path,
) -> None:
    """A stub stands for a cluster whose pods do not share the folder."""
    path = tmp_path / "x.parquet"
    DataFrame().write(table(), spark_port(path))
    writer = SimpleNamespace(save=lambda *_, **__: None)
    writer.options = lambda **_: writer
    elsewhere: Any = SimpleNamespace(write=writer, dtypes=[])
    with pytest.raises(
        InputError, match="the executors wrote nothing where the driver"
    ):
        spark_connectors.write(elsewhere, find_port(spark_port(path)))
    assert DataFrame().get(spark_port(path)).count() == 2
    assert [*tmp_path.iterdir()] == [path]


def test_wrong_places(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"x\.json: cannot be written \(Not a dir"):
        DataFrame().write(table(), spark_port(tmp_path / "file/x.json"))
    with pytest.raises(InputError, match=r"none\.parquet: no such file"):
        DataFrame().get(spark_port(tmp_path / "none.parquet"))
    with pytest.raises(InputError, match="has type 'pandas', but the task needs 'sp"):
        DataFrame().write(table(), [port(1, tmp_path / "x.parquet")])
    with pytest.raises(InputError, match="file: cannot be read as delta .*data source"):
        ports = spark_port(tmp_path / "file")
        ports[0]["sourceDetails"]["fileFormat"] = "delta"
        DataFrame().get(ports)
    store = [port(1, "b/x.csv", "spark", "s3")]
    with pytest.raises(
        InputError, match=r"s3://b/x\.csv: cannot be wri.*S3AFileSystem"
    ):
        DataFrame().write(table(), store)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("x.parquet", b"", ""),
        ("x.parquet", b"n,t\n1,a\n", "not a parquet file"),
        ("x.parquet", NANOSECONDS.to_parquet(), r"'t' of type timestamp\[ns\]"),
        ("x.json", b'{"n": 1}\n{"n": 2\n', ""),
        ("x.json", b'{"n": "\xe9"}\n', ""),
        ("x.json", b'{"n": 1} {"n": 2}\n', "a line has more than one value"),
        ("x.json", b'{"n": [1]}\n{"n": ["a"]}\n', "n: ARRAY<VARIANT"),
        ("x.json", b'{"n": 1, "o": {}}\n', "o: OBJECT<>"),
        ("x.csv", b"", "it has no columns"),
        ("x.csv", b"n\n\xe9\n", "'n' has another encoding"),
        ("x.csv", b"\xe9\na\n", "has another encoding"),
        ("x.csv", b"a,b\n1,2\n4,5,6\n", r"x\.csv.* Malformed CSV record: 4,5,6"),
        ("x.csv", b"a,b\n1,2\n4\n", "Malformed CSV record: 4"),
        ("x.csv", b"a,a\n1,2\n", "Header: a, a"),
        ("x.csv", b'a,b\n"1"0,2\n', "Unescaped quote"),
        ("x.csv", b'a,b\r\n"1\r\n2",3\r\n', r"a line break that is \\r\\n"),
        ("x.csv", b"a,b\r1,2\r", "end with a carriage return alone"),
        ("x.csv.gz", gzip.compress(b"a\n1\n")[:-1], "Unexpected end of input"),
    ],
)
def test_a_broken_file(
    name: str,
    content: bytes,
    expected: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / name).write_bytes(content)
    ports = spark_port(tmp_path / name)
    kind = ports[0]["sourceDetails"]["fileFormat"] = name.split(".")[1]
    with pytest.raises(InputError, match=rf"cannot be read as {kind} \(.*{expected}"):
        with reading(find_port(ports)):
            DataFrame().get(ports).collect()
    assert "\tat " not in capfd.readouterr().err


def test_a_broken_part_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").mkdir()
    part = tmp_path / "x.parquet/part-1.parquet"
    for path in (part.with_name("part-0.parquet"), part):
        pd.DataFrame({"n": [1]}).to_parquet(path)
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"cannot be read .*part-1\.parquet"):
        DataFrame().get(spark_port(tmp_path / "x.parquet")).collect()
