from __future__ import annotations

import re
from dataclasses import replace

import pytest

from marketplace.selection.comment import markdown
from marketplace.selection.differences import Difference, Differences
from marketplace.selection.report import AffectedDeployment, AffectedImage, Report

IMAGE = AffectedImage("maxai/stores", "0123456789abcdef", (), ("a.py", "b.py"))
REPORT = Report(
    since="origin/main",
    base="0123456789abcdef",
    everything=(),
    images=(IMAGE,),
    tests=("t/a_test.py:tests",),
    dags=("stores.churn.weekly",),
    deployments=(
        AffectedDeployment("dev", ("maxai/stores",), ("stores.churn.weekly",)),
        AffectedDeployment("prod"),
    ),
)
FILE = "maxaiconfigs/stores/churn/spark_config.json"
DIFFERENCES = Differences(
    new=("stores.churn.daily",),
    configs=(Difference(FILE, "$.conf.a", "1", None, ("dev", "prod")),),
    packages=(Difference("x.lock", "pandas", "2.0", "2.1"),),
)
HOSTILE = (
    "a`b``c",
    "`",
    " x ",
    "| y |",
    "\\| z",
    "</details><script>&amp;",
    "@org/team",
    "# t\n- [a](b)",
    "\u202egpj.exe",
    "\ud800",
    "`" * 5000,
    "`" * 85 + "@org/team",
    "|" * 5000,
    "\U0001f600" * 5000,
    "\u202e" * 5000,
)


def test_the_comment_answers_what_is_deployed_where_and_why() -> None:
    assert markdown(REPORT, DIFFERENCES).split("\n\n") == [
        "### What this change deploys",
        "Affected since `origin/main` (merge base `0123456789ab`):",
        "| deployment | images | DAGs | config values |\n| --- | --- | --- | --- |\n"
        "| `dev` | `maxai/stores` | `stores.churn.weekly` | 1 |\n| `prod` |  |  | 1 |",
        "**New objectives**: `stores.churn.daily`",
        "| image | tag | because of |\n| --- | --- | --- |\n"
        "| `maxai/stores` | `0123456789ab` | `a.py`, `b.py` |",
        "| lock | package | before | after |\n| --- | --- | --- | --- |\n"
        "| `x.lock` | `pandas` | `2.0` | `2.1` |",
        "| config | value | before | after | deployments |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| `stores/churn/spark_config.json` | `$.conf.a` | `1` | not set | `dev`, `prod` |",
        "<details><summary>Tests (1)</summary>",
        "- `t/a_test.py:tests`",
        "</details>",
    ]


def test_a_change_without_effect_gives_one_line() -> None:
    empty = Report("origin/main", "0123456789abcdef", (), (), (), (), ())
    assert markdown(empty, Differences()).split("\n\n")[1:] == [
        "Nothing that is built, tested or deployed is affected since `origin/main` "
        "(merge base `0123456789ab`)."
    ]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_text_of_a_pull_request_stays_inside_its_code_span(text: str) -> None:
    value = Difference(FILE, text, text, text, ("dev",))
    report = replace(REPORT, since=text, images=(replace(IMAGE, files=(text,)),))
    lines = markdown(report, replace(DIFFERENCES, configs=(value,))).split("\n")
    rows = [line for line in lines if line.startswith(("| `stores/", "| `maxai/"))]
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [4, 6]
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
    text = markdown(REPORT, replace(DIFFERENCES, configs=(value,)))
    shown = "x" * 25
    assert f'| `…{shown}old"` | `…{shown}new"` |' in text


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_the_longest_comment_fits_and_counts_what_is_left_out(text: str) -> None:
    many = tuple(f"{number}{text}" for number in range(1000))
    values = tuple(Difference(each, each, each, each, many) for each in many)
    report = Report(
        since=text,
        base=text,
        everything=many,
        images=tuple(AffectedImage(each, each, (), many) for each in many),
        tests=many,
        dags=many,
        deployments=tuple(AffectedDeployment(each, many, many) for each in many[:3]),
    )
    written = markdown(report, Differences(many, many, values, values))
    assert len(written.encode()) < 65_000
    assert written.endswith("more lines are left out: run `./pants affected`.")
