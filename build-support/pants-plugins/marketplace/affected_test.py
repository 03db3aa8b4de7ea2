"""Tests of the report, from the edges of a small graph to its formats."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from pants.engine.addresses import Address

from marketplace import affected
from marketplace.affected import make_report
from marketplace.changes import Changes
from marketplace.report import (
    AffectedDeployment,
    Difference,
    Differences,
    Item,
    Report,
    as_json,
    as_markdown,
    as_text,
)
from marketplace.selection import KnownTargets, Selection


def at(name: str) -> Address:
    return Address("a", target_name=name)


# There is a path of two steps, and one of three, from the handler to the image.
EDGES = {
    at("handler"): [at("zip"), at("generator")],
    at("generator"): [at("zip")],
    at("zip"): [at("image")],
    at("image"): [at("test")],
    at("config"): [at("dag"), at("config")],
    at("overlay"): [at("dag")],
}
LAUNCHERS = {at("image"): [at("config")], at("handler"): [at("config")]}
PROD = "maxaiconfigs/a/b/spark_config.prod.json"
DEV = PROD.replace("prod", "dev")
DAG = "maxaidags/a/b/c/dag.py"
OWNERS = {
    "h.py": at("handler"),
    "z.txt": at("zip"),
    "Dockerfile": at("image"),
    PROD: at("overlay"),
    DEV: at("overlay"),
    "BUILD": Address("", target_name="prod"),
    "unused.py": at("unused"),
}
DEPLOYMENTS = ("dev", "prod")


def report(
    files: str, monkeypatch: pytest.MonkeyPatch, **fields: tuple[str, ...]
) -> Report:
    monkeypatch.setattr(affected, "find_differences", lambda *_: Differences())
    known = KnownTargets({}, frozenset(), frozenset({at("image")}), frozenset())
    by_file = {path: [OWNERS[path]] for path in files.split()}
    selection = Selection(by_file, known, EDGES, LAUNCHERS)
    names = {address: address.target_name for address in selection.addresses}
    images, tests, dags = (
        {address: name for address, name in names.items() if name == kind}
        for kind in ("image", "test", "dag")
    )
    changes = Changes("main", "0123456789abcdef", (*by_file,), **fields)
    return make_report(changes, selection, images, tests, dags, DEPLOYMENTS)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            "h.py",
            {
                "image": "h.py a:handler a:zip a:image",
                "test": "h.py a:handler a:zip a:image a:test",
                "dag": "h.py a:handler a:config a:dag",
            },
        ),
        # An image that changes with its packages affects no DAG, and another one all of them.
        (
            "z.txt",
            {"image": "z.txt a:zip a:image", "test": "z.txt a:zip a:image a:test"},
        ),
        (
            "Dockerfile",
            {
                "image": "Dockerfile a:image",
                "test": "Dockerfile a:image a:test",
                "dag": "Dockerfile a:image a:config a:dag",
            },
        ),
        (PROD, {"dag": f"{PROD} a:overlay a:dag"}),
        ("unused.py", {}),
    ],
)
def test_each_item_has_a_shortest_path_from_a_file(
    files: str, expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = report(files, monkeypatch)
    items = (*found.images, *found.tests, *found.dags)
    assert {each.name: " ".join(each.why) for each in items} == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ("unused.py", ""),
        (DEV, "dev"),
        (f"{PROD} unused.py", "prod"),
        (f"{PROD} {DEV}", "dev prod"),
        (f"{PROD} h.py", "dev prod"),
        ("z.txt", "dev prod"),
        ("BUILD", "prod"),
    ],
)
def test_an_overlay_affects_only_its_deployment(
    files: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = report(files, monkeypatch).deployments
    assert " ".join(each.name for each in found) == expected


def test_a_deleted_dag_affects_all_deployments(monkeypatch: pytest.MonkeyPatch) -> None:
    found = report("", monkeypatch, deleted=(DAG,)).deployments
    assert found == (AffectedDeployment("dev"), AffectedDeployment("prod"))


IMAGE = Item("maxai/stores:" + "f" * 64, ("a|`b.py", "r:i"))
FILE = "maxaiconfigs/stores/churn/spark_config.json"
FULL = Report(
    since="origin/main",
    base="0123456789abcdef",
    images=(IMAGE,),
    tests=(Item("a_test.py", ("a_test.py",)),),
    dags=(Item("stores.churn.weekly", ("x", "h:i")),),
    deployments=(
        AffectedDeployment("dev", (IMAGE.name,), ("stores.churn.weekly",)),
        AffectedDeployment("prod"),
    ),
    differences=Differences(
        new=("stores.churn.daily",),
        configs=(Difference(FILE, "$.conf.a", "1", None, ("dev", "prod")),),
        packages=(Difference("x.lock", "pandas", "2.0", "2.1"),),
    ),
)


TEXT = """\
The following is affected
  since origin/main (merge base 0123456789ab)

deployments
  dev: images: 1, DAGs: 1, config values: 1
  prod: images: 0, DAGs: 0, config values: 1

new objectives
  stores.churn.daily

images
  maxai/stores:ffffffffffff
      because of a|`b.py -> r:i

config values
  maxaiconfigs/stores/churn/spark_config.json $.conf.a: 1 -> not set (dev, prod)

packages
  x.lock pandas: 2.0 -> 2.1

DAGs
  stores.churn.weekly
      because of x -> h:i

tests
  a_test.py"""


def test_a_report_answers_what_is_deployed_where_and_why() -> None:
    assert as_text(FULL) == TEXT
    found = json.loads(as_json(FULL))
    assert found["images"] == [{"name": IMAGE.name, "why": ["a|`b.py", "r:i"]}]
    assert found["differences"]["packages"][0]["after"] == "2.1"
    assert "\npackages\n```\nx.lock pandas: 2.0 -> 2.1\n```\n" in as_markdown(FULL)


def test_a_change_without_effect_gives_one_line() -> None:
    text = as_text(Report("origin/main", "0123456789abcdef"))
    assert text.startswith("Nothing that is built, tested or deployed is affected\n")
    assert text.count("\n") == 1


HOSTILE = [
    "`" * 5000,
    "```\n@org/team",
    "</details><script>&amp;",
    "\ud800\u202egpj.exe",
]
HOSTILE += ["\U0001f600" * 5000, "\n# t\n- [a](b)"]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_text_of_a_pull_request_stays_in_code_blocks_that_fit(text: str) -> None:
    many = tuple(f"{number}{text}" for number in range(60))
    values = tuple(Difference(each, each, each, each, many[:9]) for each in many)
    differences = Differences(many, many, values, values)
    items = tuple(Item(each, many[:5]) for each in many)
    deployments = tuple(AffectedDeployment(each, many, many) for each in many[:9])
    long = Report(text, "b", many, items, items, items, deployments, differences)
    comment = as_markdown(long)
    assert len(comment) < 65_536
    outside = re.sub(r"(?ms)^(```+)\n.*?^\1$", "", comment)
    assert re.fullmatch(r"[#A-Za-z\s]*", outside)
    assert "more lines: run ./pants affected" in comment
    assert all(each.isprintable() for line in comment.split("\n") for each in line)


def test_a_long_value_is_shown_from_the_difference() -> None:
    before, after = (f'"{"x" * 500}{end}"' for end in ("old", "new"))
    value = Difference(FILE, "$.a", before, after, ("dev",))
    text = as_markdown(replace(FULL, differences=Differences(configs=(value,))))
    shown = "x" * 25
    assert f'$.a: ...{shown}old" -> ...{shown}new" (dev)' in text
