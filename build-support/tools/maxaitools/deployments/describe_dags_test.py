import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# This module must be the first to import Airflow.
from maxairesources.testing.small_objective import (
    CONFIGS,
    DAG_FILE,
    FEATURES,
    Tree,
    pod_task,
    spark_task,
)
from maxaitools.deployments.describe_dags import describe

SCORE = "f.add('score', 'KubernetesPodOperator', ['features'])\n"
END = "dag = f.create_dag()\n"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path)
    tree.configs(spark=[spark_task(1, "features")], pods=[pod_task(1, "score")])
    return tree


def described(tree: Tree, lines: str, arguments: str = "") -> Any:
    tree.bag(lines + END, arguments)
    return describe(tree.root / DAG_FILE, None)


def test_a_task_has_its_operator_and_its_parents(tree: Tree) -> None:
    assert described(tree, FEATURES + SCORE)["tasks"] == {
        "features": {"operator": "SparkSubmitOperator", "parents": []},
        "score": {"operator": "KubernetesPodOperator", "parents": ["features"]},
    }


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("None", '"kind": "NullTimetable"'),
        ("'@daily'", '"expression": "0 0 * * *", "timezone": "UTC"'),
        ("__import__('datetime').timedelta(hours=2)", '"delta": 7200.0'),
        ("[__import__('airflow').sdk.Asset('s3://a/b')]", '"uri": "s3://a/b"'),
    ],
)
def test_a_schedule_is_shown_by_value(tree: Tree, schedule: str, expected: str) -> None:
    found = described(tree, FEATURES + SCORE, f"schedule={schedule}")["schedule"]
    assert expected in json.dumps(found)


def test_a_file_without_a_valid_dag_says_so(tree: Tree) -> None:
    found = described(tree, "1 / 0\n")
    assert found == "Airflow cannot load it: ZeroDivisionError: division by zero"
    assert describe(tree.write(DAG_FILE, "# Airflow dag\n"), None) == "it has no DAG"


def test_the_last_line_has_the_structures_by_file_and_deployment(tree: Tree) -> None:
    tree.write(f"{CONFIGS}/spark_config.prod.json", {})
    edge = "['features'] if os.environ['MAXAI_DEPLOYMENT'] else ['root']"
    score = f"f.add('score', 'KubernetesPodOperator', {edge})\n"
    tree.bag(f"import os\nprint('noise')\n{FEATURES}{score}{END}")
    module = "maxaitools.deployments.describe_dags"
    command = [sys.executable, "-m", module, "dev", "prod", "--", DAG_FILE, "gone.py"]
    done = subprocess.run(
        command,
        cwd=tree.root,
        env={"PYTHONPATH": ":".join(sys.path), "HOME": str(tree.root)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    # Only prod has an overlay.
    parents = {
        (file, name): dag["tasks"]["score"]["parents"]
        for file, dags in found.items()
        for name, dag in dags.items()
    }
    assert parents == {(DAG_FILE, "dev"): [], (DAG_FILE, "prod"): ["features"]}
