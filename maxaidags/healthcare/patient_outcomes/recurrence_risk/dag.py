"""Airflow DAG: score the patients if the model ranks them better than the baseline."""

from typing import Any

from maxairesources.dagfactory import DAGFactory


def choose_scores(ti: Any) -> str:
    """Return the next task: score_patients only if the model beats the baseline."""
    ranking = ti.xcom_pull(task_ids="evaluate_model")["concordance"]
    better = ranking["model"] > ranking["baseline"]
    return "score_patients" if better else "keep_scores"


factory = DAGFactory()
factory.add(task_id="evaluate_model", operator="KubernetesPodOperator", parent=["root"])
factory.add(
    task_id="choose_scores",
    operator="BranchPythonOperator",
    parent=["evaluate_model"],
    python_callable=choose_scores,
)
factory.add(
    task_id="score_patients",
    operator="KubernetesPodOperator",
    parent=["choose_scores"],
)
factory.add(task_id="keep_scores", operator="DummyOperator", parent=["choose_scores"])
dag = factory.create_dag()
