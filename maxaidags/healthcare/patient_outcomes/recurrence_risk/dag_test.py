"""Test of the DAG healthcare.patient_outcomes.recurrence_risk."""

from maxairesources.testing.dags import check_dag


def test_dag_is_valid_in_every_deployment() -> None:
    check_dag(__file__)
