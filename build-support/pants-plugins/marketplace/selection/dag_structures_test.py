from __future__ import annotations

import pytest

from marketplace.selection.changes import Changes
from marketplace.selection.dag_structures import find_files

DAGS = ("bank.risk.weekly", "shop.churn.daily")
RISK, CHURN = "maxaidags/bank/risk/weekly/dag.py", "maxaidags/shop/churn/daily/dag.py"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("maxaidags/bank/common/steps.py", (RISK,)),
        ("maxaiconfigs/shop/churn/spark_config.prod.json", (CHURN,)),
        ("maxaiusecases/bank/risk/handlers/fit.py", ()),
        ("maxaidags/bank/risk/weekly/dag_test.py", ()),
        ("maxaidags/bank/risk/weekly/BUILD", ()),
        ("maxairesources/dagfactory.py", ()),
    ],
)
def test_affected_dags_are_compared_if_a_dag_or_config_of_their_domain_changed(
    path: str, expected: tuple[str, ...]
) -> None:
    assert find_files(Changes("base", (path,), (), (), (), (), ()), DAGS) == expected
