"""Tests of DAGs on a deployment branch, which has a deployment.json."""

from typing import Any

import pytest

from maxairesources.dags.conftest import BOTH, CONFIGS, IMAGE, Objective
from maxairesources.deployed import image

DEPLOYMENT: dict[str, Any] = {
    "name": "prod",
    "paused": True,
    "data_root": "s3://lake/prod",
    "registry": "127.0.0.1:5000/ai",
    "images": {"qsr": {"name": "maxai/qsr", "digest": "sha256:abc"}},
}
REFERENCE = "127.0.0.1:5000/ai/maxai/qsr@sha256:abc"
INIT = [{"name": "first", "image": "maxai/qsr"}]


def test_a_dag_has_the_overlays_images_and_data_root_of_its_deployment(
    tree: Objective, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.configs({"score": {"init_containers": INIT}})
    patch = {"conf": {"spark.executor.instances": 9}}
    tree.write(f"{CONFIGS}/spark_config.prod.json", patch)
    laptop = tree.dag(BOTH)
    assert laptop.get_task("score").image == "maxai/qsr"
    assert laptop.get_task("features").conf[IMAGE] == "maxai/qsr"
    tree.write("deployment.json", DEPLOYMENT)
    # deployment.json names the deployment, and not the environment.
    tree.deployment = "dev"
    dag = tree.dag(BOTH)
    assert dag.is_paused_upon_creation is True
    score = dag.get_task("score")
    assert score.image == score.init_containers[0].image == REFERENCE
    assert score.env_vars == {"MAXAI_DATA_ROOT": "s3://lake/prod"}
    conf = dag.get_task("features").conf
    assert {key: conf[key] for key in conf if ".label." not in key} == {
        IMAGE: REFERENCE,
        "spark.executor.instances": 9,
        "spark.executorEnv.MAXAI_DATA_ROOT": "s3://lake/prod",
        "spark.kubernetes.driverEnv.MAXAI_DATA_ROOT": "s3://lake/prod",
    }
    assert not tree.dag(BOTH, "is_paused_upon_creation=False").is_paused_upon_creation
    library = str(tree.root / "maxairesources/deployed.py")
    monkeypatch.setattr("maxairesources.deployed.__file__", library)
    assert image("qsr") == REFERENCE
    tree.write("deployment.json", {**DEPLOYMENT, "images": {}})
    expected = "deployment.json: $.images: has no image of the domain 'qsr'"
    assert expected in tree.error(BOTH)
    (tree.root / f"{CONFIGS}/spark_config.prod.json").unlink()
    tree.configs({}, {})
    tree.dag("f.add('a', 'EmptyOperator', ['root'])")
    (tree.root / "deployment.json").unlink()
    assert image("qsr") == "maxai/qsr"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("{'A': 'b'}", {"A": "b", "MAXAI_DATA_ROOT": "s3://lake/prod"}),
        ("{'MAXAI_DATA_ROOT': 'c'}", {"MAXAI_DATA_ROOT": "c"}),
        (
            "[{'name': 'A', 'value': 'b'}]",
            [
                {"name": "A", "value": "b"},
                {"name": "MAXAI_DATA_ROOT", "value": "s3://lake/prod"},
            ],
        ),
    ],
)
def test_a_task_keeps_its_own_variables(
    given: str, expected: Any, tree: Objective
) -> None:
    tree.write("deployment.json", DEPLOYMENT)
    add = "f.add('score', 'KubernetesPodOperator', ['root'], {})"
    one = tree.dag(add.format(f"env_vars={given}")).get_task("score")
    assert one.env_vars == expected
    mapped = tree.dag(add.format(f"expand={{'env_vars': [{given}]}}"))
    assert mapped.get_task("score").expand_input.value == {"env_vars": [expected]}
