from typing import Any

import pytest

from maxairesources.configs.py_config import Port
from maxairesources.errors import InputError
from maxairesources.testing.handlers import port
from maxairesources.utilities.ports import Place, find_port

ONE = port(1, "a/b.parquet")


def test_port_is_found_among_objects_or_models() -> None:
    ports = [ONE, port(2, "/x/y.csv", "spark")]
    for given in (ports, [Port(**each) for each in ports]):
        assert find_port(given, 2) == Place("spark", "csv", "/x/y.csv")


@pytest.mark.parametrize(
    ("root", "path", "expected"),
    [
        (None, "a/b.parquet", "a/b.parquet"),
        ("/data", "a/b.parquet", "/data/a/b.parquet"),
        ("/data/", "/x/y.csv", "/x/y.csv"),
        ("file:///data", "a/b.parquet", "/data/a/b.parquet"),
        ("s3://bucket/prefix", "a/b.parquet", "s3://bucket/prefix/a/b.parquet"),
        ("abfs://box@account/", "b.parquet", "abfs://box@account/b.parquet"),
        ("s3://bucket", "/x/y.csv", "/x/y.csv"),
    ],
)
def test_relative_path_is_below_the_data_root(
    root: str | None, path: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAXAI_DATA_ROOT", raising=False)
    if root:
        monkeypatch.setenv("MAXAI_DATA_ROOT", root)
    assert find_port([port(1, path)]).address == expected
    assert find_port([port(1, path, "spark")]).address == expected


def test_secret_in_the_data_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAXAI_DATA_ROOT", "s3://me:hunter2@bucket")
    with pytest.raises(InputError, match="^MAXAI_DATA_ROOT: contains a secret; use"):
        find_port([ONE])


@pytest.mark.parametrize("source", ["s3", "abfs", "gs"])
def test_object_store(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAXAI_DATA_ROOT", "/data")
    place = find_port([port(1, "bucket/b.parquet", source=source)])
    assert place == Place("pandas", "parquet", f"{source}://bucket/b.parquet")


def details(**changes: Any) -> dict[str, Any]:
    return {**ONE, "sourceDetails": {**ONE["sourceDetails"], **changes}}


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ([], "port 1 is missing; define each port once"),
        ({}, "port 1 is missing; define each port once"),
        (["x"], r"\$\[0\] is 'x'; it should be an object"),
        ([{**ONE, "port": 2}], "port 1 is missing; define each port once"),
        ([{**ONE, "port": True}], r"\$\[0\]\.port is True; it should be a valid int"),
        ([{**ONE, "port": 0}], r"\$\[0\]\.port is 0; it should be greater than or eq"),
        ([ONE, ONE], "port 1 is defined 2 times; define each port once"),
        ([{**ONE, "type": "dask"}], r"\$\[0\]\.type is 'dask'; did you mean pandas"),
        ([{**ONE, "type": []}], r"\$\[0\]\.type is \[\]; it should be 'pandas' or"),
        ([{**ONE, "typ": "pandas"}], "has an unknown key 'typ'; did you mean type"),
        ([{**ONE, "sourceDetails": "x"}], r"\.sourceDetails is 'x'; it should be an"),
        ([ONE, {**ONE, "sourceDetails": {}}], r"\$\[1\]\.sourceDetails\.source is mis"),
        ([details(filePath="")], r"filePath is ''; .* should have at least 1"),
        ([details(filePath=1)], "filePath is 1; it should be a valid string"),
        ([details(source="s4")], "source is 's4'; use one of: abfs, file, gs, s3"),
        ([details(fileFormat="xls")], "fileFormat is 'xls'; use one of: csv, delta"),
        (
            [port(1, "a.delta")],
            r"\$\[0\]\.sourceDetails\.fileFormat: pandas cannot read or write delta; use",
        ),
        ([{**ONE, "options": {"seperator": ";"}}], "key 'seperator'; use one of: comp"),
        ([{**ONE, "options": {"sep": ""}}], r"\.options\.sep is ''; .* at least 1"),
        (
            [{**ONE, "options": {"decimal": ";"}}],
            r"decimal is ';'; .*',' or '\.'|use one",
        ),
        (
            [{**ONE, "options": {"decimal": ","}}],
            "a decimal comma needs another separat",
        ),
        (
            [{**ONE, "options": {"encoding": "latin-99"}}],
            r"\.options\.encoding: 'latin-99' is not an encoding; use one such as utf-8",
        ),
        ([{**ONE, "options": {"na_values": "-"}}], "na_values is '-'; .*a valid array"),
        (
            [{**ONE, "options": {"sheet": "a"}}],
            r"\$\[0\]\.options\.sheet: parquet has no",
        ),
        (
            [{**ONE, "options": {"lines": True}}],
            "parquet has no such option in a pandas po",
        ),
        (
            [{**ONE, "options": {"compression": "gz"}}],
            r"options\.compression: 'gz' is not a compression of parquet; did you mean gzip",
        ),
        (
            [{**port(1, "a.parquet"), "options": {"compression": "bz2"}}],
            "'bz2' is not a compression of parquet; use one of: brotli",
        ),
        (
            [{**port(1, "a.csv", "spark"), "options": {"na_values": ["-", "x"]}}],
            "Spark knows one such text; use a list of one",
        ),
        (
            [{**port(1, "a.csv", "spark"), "options": {"decimal": "."}}],
            "csv has no such option in a spark port",
        ),
        (
            [port(1, "a.xlsx", "spark")],
            "Spark cannot read or write excel; use the type pa",
        ),
    ],
)
def test_malformed_ports(ports: Any, expected: str) -> None:
    with pytest.raises(InputError, match=rf"(?i)^config: .*{expected}"):
        find_port(ports)
