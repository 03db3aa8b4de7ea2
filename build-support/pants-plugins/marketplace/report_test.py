from __future__ import annotations

import re
from typing import Mapping

import pytest

from marketplace.report import (
    Difference,
    as_markdown,
    as_text,
    compare_configs,
    compare_locks,
)

CONFIG = "maxaiconfigs/stores/churn/spark_config.json"
EMPTY = {
    "since": "origin/main",
    "base": "0123456789abcdef",
    "everything": (),
    **{key: {} for key in ("deployments", "images", "dags", "tests", "readers")},
    **{key: [] for key in ("configs", "packages")},
}
FULL = {
    **EMPTY,
    "deployments": {
        "dev": (f"maxai/stores:{'f' * 64}", "stores.churn.weekly"),
        "prod": ("marketplace.toml",),
    },
    "images": {f"maxai/stores:{'f' * 64}": ("a|`b.py", "r:s", "r:i")},
    "tests": {"a_test.py": ("a_test.py",)},
    "readers": {
        "bank.risk.score": ("stores/churn/a.csv", "stores.churn.weekly", "@a/b")
    },
    "configs": [Difference(CONFIG, "$.conf.a", "1", None, ("dev", "prod"))],
}
TEXT = """\
The following is affected
  since origin/main (merge base 0123456789ab)

deployments
  dev: maxai/stores:ffffffffffff, stores.churn.weekly
  prod: marketplace.toml

images
  maxai/stores:ffffffffffff
      because of a|`b.py
          -> r:s

config values
  maxaiconfigs/stores/churn/spark_config.json (dev, prod)
      $.conf.a: 1 -> not set

DAGs that read what these write
  bank.risk.score @a/b: stores/churn/a.csv, of stores.churn.weekly

tests
  a_test.py"""
PICTURE = """\
```mermaid
flowchart LR
    n0["a#124;#96;b.py"]
    n1["r:s"]
    n2["maxai/stores:ffffffffffff"]
    n3["stores.churn.weekly"]
    n4["stores/churn/a.csv"]
    n5["bank.risk.score"]
    n0 --> n1
    n1 --> n2
    n3 --> n4
    n4 --> n5
```

    The following"""


def test_a_report_answers_what_is_deployed_where_and_why() -> None:
    assert as_text(FULL) == TEXT
    assert PICTURE in as_markdown(FULL)
    assert "mermaid" not in as_markdown(EMPTY)
    nothing = as_text(EMPTY)
    assert nothing.startswith("Nothing that is built, tested or deployed is affected\n")
    assert nothing.count("\n") == 1


HOSTILE = [
    "`" * 5000,
    "```\n@org/team",
    "</details><script>&amp;",
    "\ud800\u202egpj.exe",
]
HOSTILE += ["\U0001f600" * 5000, "\n# t\n- [a](b)"]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_text_of_a_pull_request_stays_in_a_code_block_that_fits(text: str) -> None:
    many = tuple(f"{number}{text}" for number in range(90))
    values = tuple(Difference(each, each, each, each, many[:9]) for each in many)
    paths = dict.fromkeys(many, many[:5])
    names = dict.fromkeys(("deployments", "images", "dags", "tests"), paths)
    names["readers"] = dict.fromkeys(many, many[:2])
    differences = dict.fromkeys(("configs", "packages"), values)
    many_lines = {"since": text, "base": "b", "everything": many}
    comment = as_markdown({**many_lines, **names, **differences})
    assert len(comment) < 65_536
    title, picture, lines = re.split("\n\n```mermaid\n|\n```\n\n", comment)
    assert title == "### What this change deploys"
    first, *nodes = picture.split("\n")
    node = r'    (n\d+\["[\w ./:@+#;-]+"\]|n\d+ --> n\d+|more\["and \d+ more"\])'
    assert first == "flowchart LR" and all(re.fullmatch(node, each) for each in nodes)
    assert len([each for each in nodes if "[" in each]) == 31
    lines = lines.split("\n")
    assert all(line.startswith("    ") and line.isprintable() for line in lines)
    assert lines[-1].endswith("more lines: run ./pants affected")


def test_a_long_value_is_shown_from_the_difference() -> None:
    before, after = (f'"{"x" * 500}{end}"' for end in ("old", "new"))
    value = Difference(CONFIG, "$.a", before, after, ("dev",))
    text = as_markdown({**FULL, "configs": [value]})
    shown = "x" * 25
    assert f' $.a: ...{shown}old" -> ...{shown}new"\n' in text


SPARK = "maxaiconfigs/bank/risk/spark_config.json"
PROD = SPARK.replace(".json", ".prod.json")
CONF, TASKS = (
    '"conf": {"a.b": 1, "c": [1, 2]}',
    '{"name": "fit"}, {"name": "rank", "d": 1}',
)
WHOLE = f'{{"$schema": "x", {CONF}, "tasks": [{TASKS}]}}'


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            {SPARK: WHOLE},
            {SPARK: WHOLE.replace('1, "c": [1, 2]', 'true, "c": [2, 1], "n": null')},
            [
                "$.conf['a.b']: 1 -> true (dev prod)",
                "$.conf.c: [1, 2] -> [2, 1] (dev prod)",
                "$.conf.n: None -> null (dev prod)",
            ],
        ),
        # An overlay changes only its deployment, and may hide a change there.
        (
            {SPARK: WHOLE},
            {SPARK: WHOLE, PROD: '{"conf": {"a.b": null}}'},
            ["$.conf['a.b']: 1 -> None (prod)"],
        ),
        (
            {SPARK: WHOLE},
            {SPARK: WHOLE, PROD: '{"tasks": [{"name": "rank", "d": "\u00e9"}]}'},
            ['$.tasks.rank.d: 1 -> "\u00e9" (prod)'],
        ),
        (
            {SPARK: WHOLE, PROD: '{"conf": {"a.b": 9}}'},
            {SPARK: WHOLE.replace("1,", "2,", 1), PROD: '{"conf": {"a.b": 9}}'},
            ["$.conf['a.b']: 1 -> 2 (dev)"],
        ),
        # Tasks without unique names are compared as a list.
        (
            {SPARK: '{"tasks": []}'},
            {SPARK: '{"tasks": [{"name": "a"}, {"name": "a"}]}'},
            ['$.tasks: [] -> [{"name": "a"}, {"name": "a"}] (dev prod)'],
        ),
        ({SPARK: WHOLE}, {}, ["$: a config -> None (dev prod)"]),
        ({SPARK: "{}"}, {SPARK: "{"}, ["$: {} -> not valid JSON (dev prod)"]),
        ({}, {PROD: "[1]"}, []),
        ({SPARK: "{}"}, {SPARK: "{}", PROD: "[1]"}, ["$: {} -> [1] (prod)"]),
    ],
)
def test_a_config_is_compared_as_each_deployment_sees_it(
    before: Mapping[str, str], after: Mapping[str, str], expected: list[str]
) -> None:
    changed = [*{**before, **after}]
    found = compare_configs(before.get, after.get, changed, ["dev", "prod"])
    assert expected == [
        f"{each.place}: {each.before} -> {each.after} ({' '.join(each.deployments)})"
        for each in found
    ]


def test_a_lock_is_compared_by_package() -> None:
    path = "maxaiusecases/bank/requirements.lock"
    hashes = [f" \\\n    --hash=sha256:{number}\n" for number in range(5)]
    old = f"a==1.0{hashes[1]}    # via b\nb==2\nc==3{hashes[2]}"
    new = f"# A comment.\na==1.1{hashes[3]}c==3{hashes[4]}d==4 ; x == 'y'\n"
    found = compare_locks({path: old}.get, {path: new}.get, [path])
    assert [(each.place, each.before, each.after) for each in found] == [
        ("a", "1.0", "1.1"),
        ("b", "2", None),
        ("c", "3", "3 with other hashes"),
        ("d", None, "4"),
    ]
