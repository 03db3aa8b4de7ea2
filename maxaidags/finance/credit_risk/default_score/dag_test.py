"""Tests of the DAG finance.credit_risk.default_score."""

from types import SimpleNamespace

import pytest

from maxairesources.testing.dags import check_dag
from maxaidags.finance.credit_risk.default_score.dag import beats_late_again


def test_dag_is_valid_in_every_deployment() -> None:
    check_dag(__file__)


@pytest.mark.parametrize(("model", "expected"), [(0.7, True), (0.6, False)])
def test_clients_are_scored_if_the_model_beats_the_baseline(
    model: float, expected: bool
) -> None:
    ranking = {"roc_auc": {"model": model, "baseline": 0.6}}
    ti = SimpleNamespace(xcom_pull=lambda task_ids: ranking)
    assert beats_late_again(ti) is expected
