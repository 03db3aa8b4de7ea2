"""Tests of the facts of a local run, as the table and the page show them."""

import gzip
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from maxairesources.deployed import ObjectiveConfigs
from maxairesources.launches import KUBEPOD, SPARK, Launch
from maxaitools.local.dag_run import warning
from maxaitools.local.run_page import page
from maxaitools.local.task_facts import Facts, Memory, outputs, table

MIB = 2**20


def test_table() -> None:
    memory = Memory(311 * MIB - 5, 1024 * MIB)
    written = ("data/a.csv (2 rows, 9 bytes)", "data/b.csv (missing)")
    assert table(
        [
            Facts("first", "success", 0.0, 61.04, memory, written),
            Facts("second[0]", "failed", 61.1, 0.0, Memory(None, 5 * MIB)),
            Facts("third", "upstream_failed"),
        ]
    ) == (
        "task       state            seconds           memory  output\n"
        "---------  ---------------  -------  ---------------  ------\n"
        "first      success             61.0  311 of 1024 MiB  data/a.csv (2 rows, 9 bytes)\n"
        "                                                      data/b.csv (missing)\n"
        "second[0]  failed               0.0       - of 5 MiB\n"
        "third      upstream_failed        -                -"
    )


@pytest.mark.parametrize("key", ["arguments", "application_args"])
def test_outputs(tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths = {"file": ["/data/b.csv", "none.csv"], "s3": ["bucket/c.csv"]}
    details = [
        {"source": source, "fileFormat": "csv", "filePath": path}
        for source, found in paths.items()
        for path in found
    ]
    config = {"task": {"output": [{"sourceDetails": each} for each in details]}}
    (tmp_path / "b.csv").write_text("a\n" * 1234)
    words = ["module", "--config", json.dumps(config), "--task", "task"]
    assert list(outputs(SimpleNamespace(**{key: words}), tmp_path)) == [
        "b.csv (1,233 rows, 2,468 bytes)",
        "none.csv (missing)",
        "s3://bucket/c.csv (- rows, - bytes)",
    ]
    assert not list(outputs(SimpleNamespace(), tmp_path))


@pytest.mark.parametrize(
    ("name", "content", "options", "rows"),
    [
        ("a.csv", b'a,b\n1,"2\n3"\n"""\n",4\n', {}, "2"),
        ("a.csv", b"a;b\n1,5;2\n", {"sep": ";"}, "1"),
        ("a.csv.gz", gzip.compress(b"a\n1\n2\n"), {}, "2"),
        ("a.json", b'{"a": 1}\n{"a": 2, "b": "x"}\n', {}, "2"),
        # Not counted rather than counted in another way than the handler's.
        ("a.csv", b"a\n1\n", {"header": None}, "-"),
        ("a.csv", b"", {}, "-"),
        ("a.json", b'[{"a": 1}, {"a": 2}]', {}, "-"),
        ("a.parquet", b"PAR1 no table PAR1", {}, "-"),
        ("a.delta", b"x", {}, "-"),
    ],
)
def test_rows(
    name: str, content: bytes, options: dict[str, Any], rows: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    assert f"({rows} rows, {len(content)} bytes)" in written(tmp_path, name, options)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_rows_of_all_parts_that_spark_wrote(kind: str, tmp_path: Path) -> None:
    for part in ("country=de/part-0", "country=fr/part-0", "country=fr/part-1"):
        file = tmp_path / f"a.{kind}" / f"{part}.{kind}"
        file.parent.mkdir(parents=True, exist_ok=True)
        frame = pd.DataFrame({"x": [1, 2]})
        frame.to_csv(file, index=False) if kind == "csv" else frame.to_parquet(file)
        file.with_name(f".{file.name}.crc").write_bytes(b"a sum")
    (tmp_path / f"a.{kind}/_SUCCESS").touch()
    assert "(6 rows, " in written(tmp_path, f"a.{kind}", {})


def written(folder: Path, name: str, options: dict[str, Any]) -> str:
    """Return the line of a task's only output."""
    kind = name.split(".")[1]
    details = {"source": "file", "fileFormat": kind, "filePath": name}
    port = {"sourceDetails": details, "options": options}
    words = ["--config", json.dumps({"t": {"output": [port]}}), "--task", "t"]
    (line,) = outputs(SimpleNamespace(arguments=words), folder)
    return line


def test_a_limit_close_to_what_a_task_used() -> None:
    pod, spark = (Launch(f"{each}.json", (), "", each, {}) for each in (KUBEPOD, SPARK))
    configs = ObjectiveConfigs({}, "", {"pod": pod, "spark": spark})

    def warn(name: str, used: int | None) -> str | None:
        memory = Memory(used and used * MIB, 1024 * MIB)
        return warning(Facts(name, "success", memory=memory), configs, Path("dag.py"))

    assert warn("group.pod[1]", 1000) == (
        "warning: KubernetesPodOperator.json: task 'group.pod[1]' used 1000 of 1024 MiB; "
        "raise the memory limit to 1300Mi or more"
    )
    assert "; raise spark.driver.memory to 1040m or more" in str(warn("spark", 800))
    assert "warning: dag.py: " in str(warn("own", 800))
    assert not warn("pod", 787) and not warn("pod", None)


def test_a_page_shows_names_as_text_and_a_bar_for_each_task() -> None:
    script = "<script>alert('x')</script>"
    tasks = [
        Facts(script, "success", 10.0, 30.0, Memory(MIB, None), (f"a/{script}",)),
        Facts("after", "failed", 40.0, 10.0),
        Facts("none", "upstream_failed"),
    ]
    html = page("a/b/c", script, [script], tasks)
    assert "<script" not in html and html.count("&lt;script&gt;") == 4
    assert re.findall(r'bar (\w+)"\s+style="\S+ (.*?)%;\s+width: (.*?)%"', html) == [
        ("success", "20.0", "60.0"),
        ("failed", "80.0", "20.0"),
        ("upstream_failed", "0.0", "0.0"),
    ]
    assert "<p>30.0 seconds, memory 1 of - MiB</p>" in html
    assert "src=" not in html and "href=" not in html
