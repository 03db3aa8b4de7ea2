"""Tests of DAGs on a deployment branch, which has a deployment.json."""

import json
from pathlib import Path
from typing import Any

# isort: off
# This module must be the first to import Airflow.
from maxairesources.testing.small_objective import (
    BOTH,
    CONFIGS,
    IMAGE,
    SCORE,
    Tree,
    pod_task,
    spark_task,
)

# isort: on
import pytest

from maxairesources.deployed import Deployed, image

DEPLOYMENT = {
    "name": "prod",
    "paused": True,
    "data_root": "s3://lake/prod",
    "registry": "127.0.0.1:5000/ai",
    "images": {"qsr": {"tag": "f00", "digest": "sha256:abc"}},
}
REFERENCE = "127.0.0.1:5000/ai/maxai/qsr@sha256:abc"
INIT = [{"name": "first", "image": "maxai/qsr"}]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path)
    pods = [pod_task(1, "score", init_containers=INIT, labels={"image": "x"})]
    tree.configs(spark=[spark_task(1, "features")], pods=pods)
    return tree


def test_a_dag_has_the_overlays_images_and_data_root_of_its_deployment(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch = {"conf": {"spark.executor.instances": 9}}
    tree.write(f"{CONFIGS}/spark_config.prod.json", patch)
    laptop = tree.dag(BOTH)
    assert laptop.get_task("score").image == "maxai/qsr"
    assert laptop.get_task("features").conf == {IMAGE: "maxai/qsr"}
    tree.write("deployment.json", DEPLOYMENT)
    # deployment.json names the deployment, and not the environment.
    tree.deployment = "dev"
    dag = tree.dag(BOTH)
    assert dag.is_paused_upon_creation is True
    score = dag.get_task("score")
    assert score.image == score.init_containers[0].image == REFERENCE
    assert score.labels == {"image": "x"}
    assert score.env_vars == {"MAXAI_DATA_ROOT": "s3://lake/prod"}
    assert dag.get_task("features").conf == {
        IMAGE: REFERENCE,
        "spark.executor.instances": 9,
        "spark.executorEnv.MAXAI_DATA_ROOT": "s3://lake/prod",
        "spark.kubernetes.driverEnv.MAXAI_DATA_ROOT": "s3://lake/prod",
    }
    assert not tree.dag(BOTH, "is_paused_upon_creation=False").is_paused_upon_creation
    library = str(tree.root / "maxairesources/deployed.py")
    monkeypatch.setattr("maxairesources.deployed.__file__", library)
    assert image("qsr") == REFERENCE
    (tree.root / "deployment.json").unlink()
    assert image("qsr") == "maxai/qsr"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("env_vars={'A': 'b'}", {"A": "b", "MAXAI_DATA_ROOT": "s3://lake/prod"}),
        ("env_vars={'MAXAI_DATA_ROOT': 'c'}", {"MAXAI_DATA_ROOT": "c"}),
        (
            "env_vars=[{'name': 'A', 'value': 'b'}]",
            [
                {"name": "A", "value": "b"},
                {"name": "MAXAI_DATA_ROOT", "value": "s3://lake/prod"},
            ],
        ),
    ],
)
def test_a_task_keeps_its_own_variables(given: str, expected: Any, tree: Tree) -> None:
    tree.write("deployment.json", DEPLOYMENT)
    lines = BOTH.replace(
        "KubernetesPodOperator', ['root']", f"KubernetesPodOperator', ['root'], {given}"
    )
    assert tree.dag(lines).get_task("score").env_vars == expected
    mapped = lines.replace(given, f"expand={{'env_vars': [{given[9:]}]}}")
    values = tree.dag(mapped).get_task("score").expand_input.value
    assert values == {"env_vars": [expected]}


@pytest.mark.parametrize(
    ("conf", "expected"),
    [
        ({"image": "maxai/shop"}, "image is 'maxai/shop'; use maxai/qsr, the image of"),
        ({"image": "maxai/qsr:1"}, "image is 'maxai/qsr:1'; use maxai/qsr, the image"),
        (
            {"init_containers": [{"name": "x", "image": "evil/x"}]},
            "init_containers[0].image is 'evil/x'; use maxai/qsr, the image of",
        ),
        ({"pod_template_file": "s3://x"}, "pod_template_file: a pod template could"),
    ],
)
def test_a_config_may_name_only_the_image_of_its_domain(
    conf: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    tree = Tree(tmp_path)
    tree.configs(pods=[pod_task(1, "score", **conf)])
    where = f"{CONFIGS}/kubepod_config.json: $.tasks[0].conf."
    assert where + expected in tree.error(SCORE)


def test_a_domain_without_an_image_is_reported(tree: Tree) -> None:
    tree.write("deployment.json", json.dumps({**DEPLOYMENT, "images": {}}))
    assert "deployment.json: $.images: has no image of the domain 'qsr'" in tree.error(
        BOTH
    )
    assert Deployed("dev").image("qsr") == "maxai/qsr"
