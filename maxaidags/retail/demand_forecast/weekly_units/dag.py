"""Airflow DAG: count the weekly units of each department, and forecast them."""

import pendulum

from maxairesources.dagfactory import DAGFactory

factory = DAGFactory(
    # A week ends on Sunday at midnight in the time zone of the shops.
    schedule_interval="0 6 * * MON",
    start_date=pendulum.datetime(2018, 1, 1, tz="America/New_York"),
    catchup=False,
)
factory.add(task_id="weekly_units", operator="KubernetesPodOperator", parent=["root"])
factory.add(
    task_id="forecast_units",
    operator="KubernetesPodOperator",
    parent=["weekly_units"],
)
dag = factory.create_dag()
