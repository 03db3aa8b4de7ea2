"""Tests of the rule about the tables that objectives exchange."""

import json
from pathlib import Path

import pytest

from maxaitools.conventions.check import Domain, check

# The tables that each objective reads and writes.
Tables = dict[str, tuple[list[str], list[str]]]
GOOD: Tables = {
    "shop/churn/daily": (["shop/sales.csv", "lake/raw/x.csv"], ["shop/churn/a.csv"]),
    "shop/churn/weekly": (["shop/churn/a.csv", "shop/churn/input.csv"], []),
    "bank/risk/score": (["shop/churn/a.csv", "bank/risk/sources/b.csv"], []),
}


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
def test_a_table_is_of_one_task_or_a_source(
    changes: Tables, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = "\n".join(findings({**GOOD, **changes}))
    assert expected in found if expected else found == ""
