from __future__ import annotations

import re
from dataclasses import replace
from typing import Mapping

import pytest

from marketplace.report import (
    Difference,
    Report,
    as_markdown,
    as_text,
    compare_configs,
    compare_dags,
    compare_locks,
)

CONFIG = "maxaiconfigs/stores/churn/spark_config.json"
FULL = Report(
    since="origin/main",
    base="0123456789abcdef",
    deployments={
        "dev": (f"maxai/stores:{'f' * 64}", "stores.churn.weekly"),
        "prod": (),
    },
    images={f"maxai/stores:{'f' * 64}": ("a|`b.py", "r:s", "r:i")},
    tests={"a_test.py": ("a_test.py",)},
    new=("stores.churn.daily",),
    configs=(Difference(CONFIG, "$.conf.a", "1", None, ("dev", "prod")),),
)
TEXT = """\
The following is affected
  since origin/main (merge base 0123456789ab)

deployments
  dev: maxai/stores:ffffffffffff, stores.churn.weekly
  prod: no image or DAG

new objectives
  stores.churn.daily

images
  maxai/stores:ffffffffffff
      because of a|`b.py
          -> r:s

config values
  maxaiconfigs/stores/churn/spark_config.json (dev, prod)
      $.conf.a: 1 -> not set

tests
  a_test.py"""


def test_a_report_answers_what_is_deployed_where_and_why() -> None:
    assert as_text(FULL) == TEXT
    nothing = as_text(Report("origin/main", "0123456789abcdef"))
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
def test_text_of_a_pull_request_stays_in_code_blocks_that_fit(text: str) -> None:
    many = tuple(f"{number}{text}" for number in range(90))
    values = tuple(Difference(each, each, each, each, many[:9]) for each in many)
    paths = dict.fromkeys(many, many[:5])
    long = Report(
        text, "b", many, paths, paths, paths, paths, many, many, values, values
    )
    comment = as_markdown(long)
    assert len(comment) < 65_536
    outside = re.sub(r"(?ms)^(```+)\n.*?^\1$", "", comment)
    assert re.fullmatch(r"[#A-Za-z\s]*", outside)
    assert "more lines: run ./pants affected" in comment
    assert all(each.isprintable() for line in comment.split("\n") for each in line)


def test_a_long_value_is_shown_from_the_difference() -> None:
    before, after = (f'"{"x" * 500}{end}"' for end in ("old", "new"))
    value = Difference(CONFIG, "$.a", before, after, ("dev",))
    text = as_markdown(replace(FULL, configs=(value,)))
    shown = "x" * 25
    assert f'\n    $.a: ...{shown}old" -> ...{shown}new"\n' in text


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
        # `$schema` has no effect. Tasks without unique names are compared as a list.
        ({SPARK: WHOLE}, {SPARK: WHOLE.replace('"x"', '"y"')}, []),
        (
            {SPARK: '{"tasks": []}'},
            {SPARK: '{"tasks": [{"name": "a"}, {"name": "a"}]}'},
            ['$.tasks: [] -> [{"name": "a"}, {"name": "a"}] (dev prod)'],
        ),
        ({}, {SPARK: "{}"}, ["$: None -> {} (dev prod)"]),
        ({SPARK: "{}"}, {SPARK: "{"}, ['$: {} -> "not valid JSON" (dev prod)']),
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


def test_the_config_of_a_new_or_deleted_objective_is_not_compared() -> None:
    config = "maxaiconfigs/bank/risk/weekly/py_config.json"
    files = {"maxaidags/bank/risk/weekly/dag.py": "", config: "{}"}
    for before, after, name in (({}, files, 0), (files, {}, 1)):
        found = compare_dags(before.get, after.get, files)
        assert found[name] == ("bank.risk.weekly",) and not found[1 - name]
        ignored = ("bank.risk.weekly",)
        for each, number in ((ignored, 0), ((), 1)):
            compared = compare_configs(before.get, after.get, files, ["dev"], each)
            assert len([*compared]) == number


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
