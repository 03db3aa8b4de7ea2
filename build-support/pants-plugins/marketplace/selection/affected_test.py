"""Tests of the report, from the edges of a small graph to its formats."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from pants.engine.addresses import Address

from marketplace.selection import affected
from marketplace.selection.affected import make_report
from marketplace.selection.changes import Changes
from marketplace.selection.differences import Difference, Differences
from marketplace.selection.known_targets import KnownTargets
from marketplace.selection.report import (
    AffectedDeployment,
    Item,
    Report,
    as_json,
    as_markdown,
    as_table,
)
from marketplace.selection.selection import Selection


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


def test_a_table_has_a_path_to_each_item() -> None:
    assert as_table(FULL) == """\
Affected since origin/main (merge base 0123456789ab):

images (1)
  maxai/stores:ffffffffffff
    because of a|`b.py -> r:i

tests (1)
  a_test.py

DAGs (1)
  stores.churn.weekly
    because of x -> h:i

deployments: dev, prod"""


def test_a_change_without_effect_gives_one_line() -> None:
    line = "Nothing that is built, tested or deployed is affected since origin/main"
    empty = as_table(Report("origin/main", "0123456789abcdef"))
    assert empty.split("\n")[0] == f"{line} (merge base 0123456789ab)."


def test_json_has_everything() -> None:
    found = json.loads(as_json(FULL))
    assert found["images"] == [{"name": IMAGE.name, "why": ["a|`b.py", "r:i"]}]
    assert found["differences"]["packages"][0]["after"] == "2.1"


def test_a_comment_answers_what_is_deployed_where_and_why() -> None:
    assert as_markdown(FULL).split("\n\n") == [
        "### What this change deploys",
        "Affected since `origin/main` (merge base `0123456789ab`):",
        "| deployment | images | DAGs | config values |\n| --- | --- | --- | --- |\n"
        "| `dev` | `maxai/stores:ffffffffffff` | `stores.churn.weekly` | 1 |\n"
        "| `prod` |  |  | 1 |",
        "**New objectives**: `stores.churn.daily`",
        "| image | because of |\n| --- | --- |\n"
        "| `maxai/stores:ffffffffffff` | ``a\\|`b.py`` → `r:i` |",
        "| lock | package | before | after |\n| --- | --- | --- | --- |\n"
        "| `x.lock` | `pandas` | `2.0` | `2.1` |",
        "| config | value | before | after | deployments |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| `stores/churn/spark_config.json` | `$.conf.a` | `1` | not set | `dev`, `prod` |",
        "<details><summary>Tests (1)</summary>",
        "- `a_test.py`: `a_test.py`",
        "</details>",
    ]


HOSTILE = ("a`b``c", "`", " x ", "| y |", "\\| z", "</details><script>&amp;")
HOSTILE += ("@org/team", "# t\n- [a](b)", "\u202egpj.exe", "\ud800", "`" * 5000)
HOSTILE += ("`" * 85 + "@org/team", "|" * 5000, "\U0001f600" * 5000, "\u202e" * 5000)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_text_of_a_pull_request_stays_inside_its_code_span(text: str) -> None:
    value = Difference(FILE, text, text, text, ("dev",))
    hostile = replace(
        FULL,
        since=text,
        images=(Item("maxai/stores", (text,)),),
        differences=replace(FULL.differences, configs=(value,)),
    )
    lines = as_markdown(hostile).split("\n")
    rows = [line for line in lines if line.startswith(("| `stores/", "| `maxai/"))]
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [3, 6]
    for line in lines:
        # A code span ends at the next run of as many backticks, at most 80 on GitHub.
        assert "`" * 80 not in line
        rest = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", line)
        rest = re.sub("</?(details|summary)>", "", rest)
        assert not re.search("[`@<&]|script", rest), line
    assert all(each.isprintable() for line in lines for each in line)


def test_a_long_value_is_shown_from_the_difference() -> None:
    before, after = (f'"{"x" * 500}{end}"' for end in ("old", "new"))
    value = Difference(FILE, "$.a", before, after, ("dev",))
    text = as_markdown(replace(FULL, differences=Differences(configs=(value,))))
    shown = "x" * 25
    assert f'| `…{shown}old"` | `…{shown}new"` |' in text


def test_the_longest_comment_fits_and_reports_that_more_is_left_out() -> None:
    many = tuple(f"{number}\U0001f600" * 100 for number in range(1000))
    values = tuple(Difference(each, each, each, each, many) for each in many)
    differences = Differences(many, many, values, values)
    items = tuple(Item(each, many[:5]) for each in many)
    deployments = tuple(AffectedDeployment(each, many, many) for each in many[:3])
    long = Report("a", "b", many, items, items, items, deployments, differences)
    assert len(as_markdown(long).encode()) < 65_000
    assert as_markdown(long).endswith("The rest is left out: run `./pants affected`.")
