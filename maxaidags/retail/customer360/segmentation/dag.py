"""Airflow DAG: group households with similar purchases into segments."""

from maxairesources.dagfactory import DAGFactory

factory = DAGFactory()
factory.add(task_id="rfm_features", operator="SparkSubmitOperator", parent=["root"])
factory.add(
    task_id="customer_segments", operator="SparkSubmitOperator", parent=["rfm_features"]
)
dag = factory.create_dag()
