"""Tests of the rule about the tables that objectives exchange, and of deprecated usecases."""

import json
from pathlib import Path
from typing import Any

import pytest

from maxaitools.conventions.check import Domain, check, main
from maxaitools.conventions.deprecated import main as print_past

# The tables that each objective reads and writes.
Tables = dict[str, tuple[list[str], list[str]]]
GOOD: Tables = {
    "shop/churn/daily": (["shop/sales.csv", "lake/raw/x.csv"], ["shop/churn/a.csv"]),
    "shop/churn/weekly": (["shop/churn/a.csv", "shop/churn/input.csv"], []),
    "bank/risk/score": (["shop/churn/a.csv", "bank/risk/sources/b.csv"], []),
}


@pytest.fixture(autouse=True)
def in_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("marketplace.toml").write_text('prefix = "ai"')


def findings(tables: Tables) -> list[str]:
    for objective, sides in tables.items():
        ports = (
            [{"sourceDetails": {"source": "file", "filePath": path}} for path in side]
            for side in sides
        )
        path = Path("maxaiconfigs", objective, "py_config.json")
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"fit": dict(zip(("input", "output"), ports))}))
    return check(Domain("*"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        (
            {"bank/risk/score": (["shop/churn/b.csv"], [])},
            "maxaiconfigs/bank/risk/score/py_config.json: table: task 'fit' reads "
            "shop/churn/b.csv, which no task writes; did you mean shop/churn/a.csv?",
        ),
        (
            # Its usecase was deleted.
            {"bank/risk/score": (["shop/baskets/daily/all.csv"], [])},
            "task 'fit' reads shop/baskets/daily/all.csv, which no task writes; correct "
            "the path, or put a table from elsewhere into shop/baskets/sources/",
        ),
        (
            {"bank/risk/score": ([], ["shop/churn/a.csv"])},
            "maxaiconfigs/bank/risk/score/py_config.json: table: task 'fit' writes "
            "shop/churn/a.csv, and so does 'fit' of shop/churn/daily; write different tables",
        ),
        (
            {
                "bank/risk/score": (["shop/churn/a.csv"], ["bank/risk/b.csv"]),
                "shop/churn/daily": (["bank/risk/b.csv"], ["shop/churn/a.csv"]),
            },
            "objectives read each other's tables: bank/risk/score -> shop/churn/daily -> "
            "bank/risk/score; remove one input",
        ),
        # It reads what it wrote in an earlier run.
        ({"shop/churn/daily": (["shop/churn/a.csv"], ["shop/churn/a.csv"])}, ""),
    ],
)
def test_a_table_is_of_one_task_or_a_source(changes: Tables, expected: str) -> None:
    found = "\n".join(findings({**GOOD, **changes}))
    assert expected in found if expected else found == ""


def write_deprecated(given: Any) -> None:
    """Write a tree whose usecase shop/churn another domain reads, and a domain.json."""
    findings(GOOD)
    text = given if isinstance(given, str) else json.dumps({"deprecated": given})
    Path("maxaiconfigs/shop/domain.json").write_text(text)
    Path("marketplace.toml").write_text('prefix = "ai"\n[deployments.dev]\n')


READER = "maxaiconfigs/bank/risk/score/py_config.json"
WARNING = f"{READER}: deprecated: task 'fit' reads shop/churn/a.csv of shop/churn, which ends on "


def test_lint_warns_the_readers_and_does_not_fail(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_deprecated({"churn": "2027-03-01: use churn2", "chrun": "2027-03-01: no"})
    assert main(["--domain=*"]) == 0
    assert capsys.readouterr().out == f"{WARNING}2027-03-01; use churn2\n"
    main(["--domain=shop"])
    problem = "orphan: $.deprecated has an unknown usecase 'chrun'; did you mean churn?"
    assert problem in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "is_past"),
    [
        ({"churn": "2020-03-01: use churn2"}, True),
        ({"churn": "9999-03-01: use churn2"}, False),
        ({"churn": "2020-13-01: use churn2", "b": 1}, False),
        *(([], False), ("[" * 100_000, False)),
    ],
)
def test_the_command_prints_what_is_past_its_day(
    given: Any, is_past: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    write_deprecated(given)
    bad = Path("maxaiconfigs/bank/risk/bad/py_config.json")
    bad.parent.mkdir()
    bad.write_text('{"a": [], "b": {"input": 1}}')
    print_past()
    start = (
        "- maxaiconfigs/shop/churn: deprecated since 2020-03-01; delete it (use churn2)"
    )
    lines = [start, f"  - {WARNING}2020-03-01; use churn2"] if is_past else []
    assert capsys.readouterr().out.splitlines() == lines
