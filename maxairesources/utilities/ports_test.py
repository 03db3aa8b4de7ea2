from typing import Any

import pytest

from maxairesources.configs.py_config import Port
from maxairesources.errors import InputError
from maxairesources.testing.handlers import port
from maxairesources.utilities.ports import find_port

ONE = port(1, "a/b.parquet")


def test_port_is_found_among_objects_or_models() -> None:
    ports = [ONE, port(2, "/x/y.csv", "spark")]
    for given in (ports, [Port(**each) for each in ports]):
        found = find_port(given, 2)
        assert (found.type, found.format, found.address) == ("spark", "csv", "/x/y.csv")


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
    found = find_port([port(1, "bucket/b.parquet", source="gs")])
    assert found.address == "gs://bucket/b.parquet"


def test_secret_in_the_data_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAXAI_DATA_ROOT", "s3://me:hunter2@bucket")
    with pytest.raises(InputError, match="^MAXAI_DATA_ROOT: contains a secret; use"):
        find_port([ONE])


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ([], "port 1 is missing; add it"),
        (["x"], r"\$\[0\] is 'x'; it should be an object"),
        ([{**ONE, "port": 2}], "port 1 is missing; add it"),
        ([ONE, {**ONE, "sourceDetails": {}}], r"\$\[1\]\.sourceDetails\.source is mis"),
    ],
)
def test_malformed_ports(ports: Any, expected: str) -> None:
    with pytest.raises(InputError, match=rf"^config: .*{expected}"):
        find_port(ports)
