from __future__ import annotations

import json
from typing import Any

import pytest

from marketplace.graph.deployments import Deployment
from marketplace.selection.differences import Difference, Read, compare

DEPLOYMENTS = (Deployment("dev"), Deployment("prod"))
USECASE = "maxaiconfigs/bank/risk"
SPARK, PROD = f"{USECASE}/spark_config.json", f"{USECASE}/spark_config.prod.json"
PY = f"{USECASE}/weekly/py_config.json"
DAG = "maxaidags/bank/risk/weekly/dag.py"
LOCK = "maxaiusecases/bank/requirements.lock"
CONFIG: dict[str, Any] = {
    "$schema": "x",
    "conf": {"spark.a": 1, "b": [1, 2]},
    "tasks": [{"id": 1, "name": "fit"}, {"id": 2, "name": "rank", "conf": {"c": "d"}}],
}

Files = dict[str, Any]


def reader(files: Files) -> Read:
    return lambda path: files.get(path)


def values(before: Files, after: Files) -> list[tuple[Any, ...]]:
    """Return the differences between the configs in these files, without their names."""
    old, new = (
        {
            path: each if isinstance(each, str) else json.dumps(each)
            for path, each in files.items()
        }
        for files in (before, after)
    )
    changed = sorted(
        {path for path in {**old, **new} if old.get(path) != new.get(path)}
    )
    found = compare(reader(old), reader(new), changed, DEPLOYMENTS)
    return [
        (each.place, each.before, each.after, " ".join(each.deployments))
        for each in found.configs
    ]


def edited(**changes: Any) -> Files:
    return {SPARK: {**CONFIG, **changes}}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ({SPARK: CONFIG}, []),
        (
            edited(conf={"spark.a": 2, "b": [1, 2]}),
            [("$.conf['spark.a']", "1", "2", "dev prod")],
        ),
        (
            edited(conf={"spark.a": True, "b": [2, 1], "n": None}),
            [
                ("$.conf['spark.a']", "1", "true", "dev prod"),
                ("$.conf.b", "[1, 2]", "[2, 1]", "dev prod"),
                ("$.conf.n", None, "null", "dev prod"),
            ],
        ),
        # An overlay changes only its deployment.
        (
            {**edited(), PROD: {"conf": {"spark.a": None}}},
            [("$.conf['spark.a']", "1", None, "prod")],
        ),
        (
            {**edited(), PROD: {"tasks": [{"name": "rank", "conf": {"c": "é"}}]}},
            [("$.tasks.rank.conf.c", '"d"', '"é"', "prod")],
        ),
        # The order of the tasks and `$schema` have no effect.
        (edited(tasks=CONFIG["tasks"][::-1], **{"$schema": "y"}), []),
        (
            edited(tasks=CONFIG["tasks"][1:]),
            [("$.tasks.fit", '{"id": 1, "name": "fit"}', None, "dev prod")],
        ),
    ],
)
def test_a_config_is_compared_as_each_deployment_sees_it(
    after: Files, expected: list[tuple[Any, ...]]
) -> None:
    assert values({SPARK: CONFIG}, after) == expected


def test_a_value_that_an_overlay_hides_does_not_change_there() -> None:
    overlay = {PROD: {"conf": {"spark.a": 9}}}
    after = {**edited(conf={"spark.a": 2, "b": [1, 2]}), **overlay}
    assert values({SPARK: CONFIG, **overlay}, after) == [
        ("$.conf['spark.a']", "1", "2", "dev")
    ]


@pytest.mark.parametrize(
    "text", ["{", "[1]", "3", "[" * 100_000, '{"a":' * 400 + "1" + "}" * 400 + "x"]
)
def test_a_config_that_is_not_valid_is_reported(text: str) -> None:
    (found,) = values({SPARK: {"a": 1}}, {SPARK: text})
    assert found == ("$", '{"a": 1}', '"not a valid config"', "dev prod")


@pytest.mark.parametrize("tasks", [[{"name": "a"}, {"name": "a"}], [1], [{"name": []}]])
def test_tasks_without_unique_names_are_compared_as_a_list(tasks: Any) -> None:
    (found,) = values({SPARK: {"tasks": []}}, {SPARK: {"tasks": tasks}})
    assert found == ("$.tasks", "[]", json.dumps(tasks), "dev prod")


def test_a_new_or_deleted_objective_is_one_line() -> None:
    files = {DAG: "", PY: "{}", SPARK: '{"a": 1}'}
    new = compare(reader({}), reader(files), [*files], DEPLOYMENTS)
    assert (new.new, new.deleted) == (("bank.risk.weekly",), ())
    # The launch config serves other objectives too.
    expected = Difference(SPARK, "$", None, '{"a": 1}', ("dev", "prod"))
    assert new.configs == (expected,)
    deleted = compare(reader(files), reader({}), [DAG, PY], DEPLOYMENTS)
    assert (deleted.new, deleted.deleted) == ((), ("bank.risk.weekly",))
    assert deleted.configs == ()


def test_a_lock_is_compared_by_package() -> None:
    old, new = (
        f"# A comment.\n{lines}"
        for lines in (
            "a==1.0 \\\n    --hash=sha256:1\n    # via b\nb==2\nc==3 \\\n    --hash=sha256:2\n",
            "a==1.1 \\\n    --hash=sha256:3\nc==3 \\\n    --hash=sha256:4\nd==4 ; x == 'y'\n",
        )
    )
    found = compare(reader({LOCK: old}), reader({LOCK: new}), [LOCK], DEPLOYMENTS)
    assert [(each.place, each.before, each.after) for each in found.packages] == [
        ("a", "1.0", "1.1"),
        ("b", "2", None),
        ("c", "3", "3 with other hashes"),
        ("d", None, "4"),
    ]
