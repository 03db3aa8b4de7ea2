"""A small marketplace with one objective, for the tests of DAGFactory."""

import json
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# isort: off
# This module must be the first to import Airflow.
from maxairesources.testing.dags import check_dag, load_dags

# isort: on
import pytest
from airflow.dag_processing.dagbag import DagBag

# Python takes old bytecode for a file that is rewritten within a second.
sys.dont_write_bytecode = True

IMAGE = "spark.kubernetes.container.image"
DETAILS = {"source": "file", "fileFormat": "csv", "filePath": "a.csv"}
PORT = {"port": 1, "type": "pandas", "sourceDetails": DETAILS}
DAG_FILE = "maxaidags/qsr/customer360/obj0/dag.py"
CONFIGS = "maxaiconfigs/qsr/customer360"
FEATURES = "f.add('features', 'SparkSubmitOperator', ['root'])\n"
SCORE = "f.add('score', 'KubernetesPodOperator', ['root'])\n"
BOTH = FEATURES + SCORE


def edges(dag: Any) -> dict[str, set[str]]:
    """Return the ids of the tasks that each task follows."""
    return {task.task_id: set(task.upstream_task_ids) for task in dag.tasks}


class Objective:
    """A marketplace with one objective: a Spark task `features` and a pod `score`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.deployment: str | None = None
        self.write("marketplace.toml", 'prefix = "maxai"\nimages = ["ghcr.io/sync"]')
        self.configs()

    def write(self, name: str, content: Any) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def configs(
        self,
        pods: Mapping[str, Mapping[str, Any]] = {"score": {}},
        spark: Mapping[str, Mapping[str, Any]] = {"features": {}},
        conf: Mapping[str, Any] = {},
        args: Mapping[str, Any] = {"as_of": "{{ ds }}"},
    ) -> None:
        """Write the configs: further arguments of each task, and of all tasks."""
        task = {"input": [PORT], "output": [], "function": {"args": args}}
        py_config = dict.fromkeys([*spark, *pods], task)
        self.write(f"{CONFIGS}/obj0/py_config.json", py_config)
        submit = {
            n: {"application": f"local:///{n}.py", **own} for n, own in spark.items()
        }
        start = {
            n: {"image": "maxai/qsr", "name": n, "arguments": [f"qsr.{n}"], **own}
            for n, own in pods.items()
        }
        common = {IMAGE: "maxai/qsr", **conf}
        self._launch("spark_config", "spark_submit_conf", submit, common)
        self._launch("kubepod_config", "conf", start, {})

    def _launch(self, file: str, key: str, tasks: Any, common: Any) -> None:
        listed = [{"id": 1, "name": name, key: tasks[name]} for name in tasks]
        path = self.write(f"{CONFIGS}/{file}.json", {"conf": common, "tasks": listed})
        if not tasks:
            path.unlink()

    def bag(self, lines: str, arguments: str = "", dag_file: str = DAG_FILE) -> DagBag:
        """Return what Airflow loads from a dag.py with these lines."""
        text = (
            '"""Airflow DAG."""\n'
            "from maxairesources.dagfactory import DAGFactory\n"
            f"f = DAGFactory({arguments})\n{textwrap.dedent(lines)}\n"
            "dag = f.create_dag()\n"
        )
        return load_dags(self.write(dag_file, text), self.deployment)

    def dag(self, lines: str, arguments: str = "") -> Any:
        """Return the DAG, which must be valid."""
        bag = self.bag(lines, arguments)
        assert not bag.import_errors, "\n".join(bag.import_errors.values())
        return bag.dags["qsr.customer360.obj0"]

    def error(self, lines: str, arguments: str = "", dag_file: str = DAG_FILE) -> str:
        """Return the last line of the error with which Airflow loads the dag.py."""
        (error,) = self.bag(lines, arguments, dag_file).import_errors.values()
        return error.strip().splitlines()[-1]

    def mistakes(self, lines: str, arguments: str = "") -> str:
        """Return what the test of the DAG reports; an empty string if it passes."""
        self.bag(lines, arguments)
        try:
            check_dag(str(self.root / DAG_FILE.replace("dag.py", "dag_test.py")))
        except pytest.fail.Exception as error:
            return str(error)
        return ""


@pytest.fixture
def tree(tmp_path: Path) -> Objective:
    return Objective(tmp_path)
