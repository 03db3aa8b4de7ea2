from pathlib import Path
from typing import Any

import pytest

from maxairesources.errors import InputError
from maxairesources.testing.handlers import port
from maxairesources.utilities.ports import Port, find_port

ONE = port(1, "a/b.parquet")


def test_relative_path_is_below_the_data_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAXAI_DATA_ROOT", raising=False)
    assert find_port([ONE]).path == Path("a/b.parquet")
    monkeypatch.setenv("MAXAI_DATA_ROOT", "/data")
    assert find_port([ONE]) == Port("pandas", "parquet", Path("/data/a/b.parquet"))
    assert find_port([ONE, port(2, "/x/y.csv", "spark")], 2) == Port(
        "spark", "csv", Path("/x/y.csv")
    )


def details(**changes: Any) -> dict[str, Any]:
    return {**ONE, "sourceDetails": {**ONE["sourceDetails"], **changes}}


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ([], "port 1 is missing"),
        ({}, "port 1 is missing"),
        (["x"], "port 1 is missing"),
        ([{**ONE, "port": 2}], "port 1 is missing"),
        ([ONE, ONE], "port 1 stands there 2 times"),
        ([{**ONE, "type": "dask"}], "type is 'dask'; supported: pandas, spark"),
        ([{**ONE, "type": []}], r"type is \[\]; supported"),
        ([{**ONE, "sourceDetails": "x"}], "port 1 has no sourceDetails"),
        ([details(filePath="")], "filePath is ''; give a path"),
        ([details(filePath=1)], "filePath is 1; give a path"),
        ([details(source="s3")], "source is 's3'; supported: file"),
        ([details(fileFormat="xls")], "fileFormat is 'xls'; supported: parquet, csv"),
    ],
)
def test_malformed_ports(ports: Any, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        find_port(ports)
