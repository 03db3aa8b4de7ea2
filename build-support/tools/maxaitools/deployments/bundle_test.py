"""Test that Airflow's GitDagBundle and DagBag read the branch of a deployment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from maxairesources.testing.dags import DagBag  # isort: skip
from airflow.providers.git.bundles.git import GitDagBundle

from maxaitools.deployments.conftest import DAG_FILE, PY_CONFIG, Marketplace, Run
from maxaitools.deployments.record import references_of

DAG = '''\
"""Airflow DAG of a test."""

from maxairesources.dagfactory import DAGFactory

factory = DAGFactory("lab.probe.first", "lab", "probe", "first")
factory.add(task_id="measure", operator="KubernetesPodOperator", parent=["root"])
dag = factory.create_dag()
'''
KUBEPOD = "maxaiconfigs/lab/probe/kubepod_config"


def test_airflow_runs_the_images_and_the_overlays_of_a_deployment(
    place: Marketplace, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH"
    monkeypatch.setenv(storage, str(tmp_path / "bundles"))
    conf = {"image": "maxai/lab", "arguments": ["handler"], "labels": {"n": "1"}}
    tasks = {"tasks": [{"id": 1, "name": "measure", "conf": conf}]}
    place.write(f"{KUBEPOD}.json", tasks)
    patch = {"tasks": [{"name": "measure", "conf": {"labels": {"n": "2"}}}]}
    place.write(f"{KUBEPOD}.prod.json", patch)
    part = {"input": [], "output": [], "function": {"args": {}}}
    place.write(PY_CONFIG, {"measure": part})
    place.write(DAG_FILE, DAG)
    place.configure("dev", data_root="s3://lake/dev")
    place.package()
    run("deploy", "dev")
    run("promote", "dev", "prod")
    for name, label, paused, variables in (
        ("dev", "1", True, {"MAXAI_DATA_ROOT": "s3://lake/dev"}),
        ("prod", "2", False, []),
    ):
        branch = f"deploy/{name}"
        bundle = GitDagBundle(name=name, repo_url=place.url, tracking_ref=branch)
        bundle.initialize()
        version: Any = bundle.get_current_version()
        assert version.version == place.history(name)[0].commit
        bag = DagBag(bundle.path)
        assert not bag.import_errors
        dag = bag.dags["lab.probe.first"]
        task: Any = dag.get_task("measure")
        assert task.image == references_of(place.live(name))["lab"]
        assert (task.labels["n"], task.env_vars) == (label, variables)
        assert dag.is_paused_upon_creation is paused
