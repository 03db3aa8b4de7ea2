"""Tests of the lineage of data."""

import json
from pathlib import Path
from typing import Any

import pytest

from maxairesources.lineage import Use, find_edges, find_readers, find_uses, read_uses


def port(path: str, source: str = "file") -> dict[str, object]:
    return {"port": 1, "sourceDetails": {"source": source, "filePath": path}}


def test_uses_are_the_ports_of_all_objectives(tmp_path: Path) -> None:
    folder = tmp_path / "maxaiconfigs/bank/risk"
    config = {"score": {"input": [port("a//b.csv")], "output": [port("x", "s3")]}}
    for name, text in {"a": json.dumps(config), "b": "{", "c": "[]"}.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "py_config.json").write_text(text)
    assert read_uses(tmp_path) == [
        Use("bank/risk/a", "score", "a/b.csv", False),
        Use("bank/risk/a", "score", "s3://x", True),
    ]


def test_what_is_not_valid_is_skipped() -> None:
    wrong: list[Any] = [
        None,
        1,
        [],
        {},
        {"sourceDetails": 1},
        {"sourceDetails": {}},
        port(""),
    ]
    tasks = {"$schema": "x", "a": {"input": wrong}, "b": {"input": 1, "output": None}}
    assert [*find_uses("o", tasks)] == []


@pytest.mark.parametrize(
    "written, read, expected",
    [
        ("a/b/c.csv", "a/b/c.csv", True),
        ("a/b/c.csv", "a/b/d.csv", False),
        ("a/b/{{ ds }}.csv", "a/b/{{ macros.ds_add(ds, -1) }}.csv", True),
        ("a/b/{{ ds }}.csv", "a/b/2026-01-01.csv", True),
        ("a/b/{{ ds }}.csv", "a/b/{{ ds }}.parquet", False),
        ("a/b/days/{{ ds }}.csv", "a/b/days", True),
        ("a/b/c.parquet", "a/b/c.parquet/day=1", True),
        ("a/b/c", "a/b/cd", False),
        ("a/b/[1]*.csv", "a/b/1x.csv", False),
    ],
)
def test_a_read_table_is_one_that_a_task_writes(
    written: str, read: str, expected: bool
) -> None:
    uses = Use("o", "one", written, True), Use("p", "two", read, False)
    assert find_edges(uses) == [uses] * expected


def test_readers_are_found_over_other_objectives() -> None:
    names = ("a/a/a", "b/b/b", "c/c/c")
    tables = [Use(name, "t", f"{name}.csv", True) for name in names]
    reads = [
        Use("b/b/b", "t", "a/a/a.csv", False),
        Use("c/c/c", "t", "b/b/b.csv", False),
        Use("a/a/a", "t", "c/c/c.csv", False),
    ]
    edges = find_edges([*tables, *reads])
    readers = find_readers(edges, ["a/a/a"])
    # Also those that are given, if they read what another one writes.
    assert readers == {
        "b/b/b": (tables[0], reads[0]),
        "c/c/c": (tables[1], reads[1]),
        "a/a/a": (tables[2], reads[2]),
    }
    assert find_readers(edges[:1], ["a/a/a", "b/b/b"]).keys() == {"b/b/b"}
    assert find_readers(edges, []) == {}
