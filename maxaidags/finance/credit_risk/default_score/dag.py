"""Airflow DAG: score the clients if the model ranks them better than the baseline."""

from typing import Any

from maxairesources.dagfactory import DAGFactory


def beats_late_again(ti: Any) -> bool:
    """Return whether the ROC AUC of the model is above that of the baseline."""
    ranking = ti.xcom_pull(task_ids="evaluate_model")["roc_auc"]
    return bool(ranking["model"] > ranking["baseline"])


factory = DAGFactory()
factory.add(task_id="evaluate_model", operator="KubernetesPodOperator", parent=["root"])
factory.add(
    task_id="beats_late_again",
    operator="ShortCircuitOperator",
    parent=["evaluate_model"],
    python_callable=beats_late_again,
)
factory.add(
    task_id="score_clients",
    operator="KubernetesPodOperator",
    parent=["beats_late_again"],
)
dag = factory.create_dag()
