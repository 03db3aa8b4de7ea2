"""Airflow DAG: group households with similar purchases into segments."""

from maxairesources.dagfactory import DAGFactory

factory = DAGFactory(
    dag_id="retail.customer360.segmentation",
    domain_name="retail",
    usecase="customer360",
    obj="segmentation",
)
factory.add(task_id="rfm_features", operator="SparkSubmitOperator", parent=["root"])
factory.add(
    task_id="customer_segments", operator="SparkSubmitOperator", parent=["rfm_features"]
)
dag = factory.create_dag()
