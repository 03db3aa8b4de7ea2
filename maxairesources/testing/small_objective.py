"""A small marketplace with one objective, for the tests of DAGFactory."""

import json
import sys
import textwrap
from pathlib import Path
from typing import Any

# isort: off
# This module must be the first to import Airflow.
from maxairesources.testing.dags import load_dags

# isort: on
from airflow.dag_processing.dagbag import DagBag

# Python takes old bytecode for a file that is rewritten within a second.
sys.dont_write_bytecode = True

IMAGE = "spark.kubernetes.container.image"
DETAILS = {"source": "file", "fileFormat": "csv", "filePath": "a.csv"}
PORT = {"port": 1, "type": "pandas", "sourceDetails": DETAILS}
TASK: dict[str, Any] = {
    "input": [PORT],
    "output": [],
    "function": {"args": {"as_of": "{{ ds }}"}},
}
DAG_FILE = "maxaidags/qsr/customer360/obj0/dag.py"
CONFIGS = "maxaiconfigs/qsr/customer360"


def spark_task(number: int, name: str, **arguments: Any) -> dict[str, Any]:
    arguments = {"application": f"local:///{name}.py", **arguments}
    return {"id": number, "name": name, "spark_submit_conf": arguments}


def pod_task(number: int, name: str, **arguments: Any) -> dict[str, Any]:
    arguments = {"image": "maxai/qsr", "arguments": [f"qsr.{name}"], **arguments}
    return {"id": number, "name": name, "conf": {"name": f"qsr-{name}", **arguments}}


class Tree:
    """A marketplace with one objective."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.deployment: str | None = None

    def write(self, name: str, content: Any) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def configs(
        self,
        *tasks: str,
        spark: list[dict[str, Any]] | None = None,
        pods: list[dict[str, Any]] | None = None,
        conf: dict[str, Any] | None = None,
    ) -> None:
        """Write the configs of an objective with these tasks."""
        names = [task["name"] for task in [*(spark or []), *(pods or [])]]
        py_config = {name: TASK for name in [*names, *tasks]}
        self.write(f"{CONFIGS}/obj0/py_config.json", py_config)
        if spark:
            common = {"conf": {IMAGE: "maxai/qsr", **(conf or {})}, "tasks": spark}
            self.write(f"{CONFIGS}/spark_config.json", common)
        if pods:
            self.write(f"{CONFIGS}/kubepod_config.json", {"tasks": pods})

    def bag(self, lines: str, arguments: str = "", dag_file: str = DAG_FILE) -> DagBag:
        """Return what Airflow loads from a dag.py with these lines."""
        text = (
            '"""Airflow DAG."""\n'
            "from maxairesources.dagfactory import DAGFactory\n"
            "f = DAGFactory('x', 'qsr', 'customer360', 'obj0'"
            f"{arguments and ', '}{arguments})\n"
        )
        path = self.write(dag_file, text + textwrap.dedent(lines))
        return load_dags(path, self.deployment)

    def dag(self, lines: str, arguments: str = "") -> Any:
        bag = self.bag(f"{textwrap.dedent(lines)}\ndag = f.create_dag()", arguments)
        assert not bag.import_errors, "\n".join(bag.import_errors.values())
        return bag.dags["x"]

    def error(self, lines: str, arguments: str = "", dag_file: str = DAG_FILE) -> str:
        bag = self.bag(f"{textwrap.dedent(lines)}\nf.create_dag()", arguments, dag_file)
        (error,) = bag.import_errors.values()
        return error.strip().splitlines()[-1]


FEATURES = "f.add('features', 'SparkSubmitOperator', ['root'])\n"
SCORE = "f.add('score', 'KubernetesPodOperator', ['root'])\n"
BOTH = FEATURES + SCORE


def edges(dag: Any) -> dict[str, set[str]]:
    """Return the ids of the tasks that each task follows."""
    return {task.task_id: set(task.upstream_task_ids) for task in dag.tasks}
