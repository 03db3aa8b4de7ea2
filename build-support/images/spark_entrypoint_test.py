"""Runs spark-entrypoint with stubs of Java, Spark and Python that print what they got."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent / "spark-entrypoint"


def run(folder: Path, *arguments: str, **env: str) -> list[str]:
    """Returns the name of the stub that was reached and each argument that it got."""
    for name in ("spark/bin/spark-submit", "java/bin/java", "bin/python"):
        path = folder / name
        path.parent.mkdir(parents=True)
        path.write_text('#!/bin/sh\nprintf "%s\\n" "${0##*/}" "$@"\n')
        path.chmod(0o755)
    env |= {
        "PATH": f"{folder}/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "SPARK_HOME": str(folder / "spark"),
        "JAVA_HOME": str(folder / "java"),
    }
    command = ["bash", str(SCRIPT), *arguments]
    done = subprocess.run(command, env=env, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_module(tmp_path: Path) -> None:
    assert run(tmp_path, "shop.main", "--day", "a b") == (
        ["python", "-m", "shop.main", "--day", "a b"]
    )


def test_a_driver(tmp_path: Path) -> None:
    address = "10.0.0.7"
    found = run(
        tmp_path, "driver", "--class", "X", "a b", SPARK_DRIVER_BIND_ADDRESS=address
    )
    assert found == [
        "spark-submit",
        "--conf",
        f"spark.driver.bindAddress={address}",
        "--conf",
        f"spark.executorEnv.SPARK_DRIVER_POD_IP={address}",
        "--deploy-mode",
        "client",
        "--class",
        "X",
        "a b",
    ]


EXECUTOR = {
    "SPARK_EXECUTOR_MEMORY": "512m",
    "SPARK_DRIVER_URL": "spark://driver:7078",
    "SPARK_EXECUTOR_ID": "3",
    "SPARK_EXECUTOR_CORES": "2",
    "SPARK_APPLICATION_ID": "app-1",
    "SPARK_EXECUTOR_POD_IP": "10.0.0.8",
    "SPARK_RESOURCE_PROFILE_ID": "0",
    "SPARK_EXECUTOR_POD_NAME": "pod-3",
}


def test_an_executor(tmp_path: Path) -> None:
    options = {f"SPARK_JAVA_OPT_{n}": f"-Dn={n} x" for n in (0, 1, 2, 10)}
    found = run(tmp_path, "executor", **EXECUTOR, **options)
    spark = tmp_path / "spark"
    assert found == [
        "java",
        "-Dn=0 x",
        "-Dn=1 x",
        "-Dn=2 x",
        "-Dn=10 x",
        "-Xms512m",
        "-Xmx512m",
        "-cp",
        f"{spark}/conf:{spark}/jars/*",
        "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend",
        "--driver-url",
        "spark://driver:7078",
        "--executor-id",
        "3",
        "--cores",
        "2",
        "--app-id",
        "app-1",
        "--hostname",
        "10.0.0.8",
        "--resourceProfileId",
        "0",
        "--podName",
        "pod-3",
    ]


@pytest.mark.parametrize("name", sorted(EXECUTOR))
def test_an_executor_without_its_settings(tmp_path: Path, name: str) -> None:
    env = {key: value for key, value in EXECUTOR.items() if key != name}
    env |= {"PATH": os.defpath, "HOME": str(tmp_path), "JAVA_HOME": str(tmp_path)}
    done = subprocess.run(
        ["bash", str(SCRIPT), "executor"], env=env, text=True, capture_output=True
    )
    assert done.returncode != 0
    assert f"{name}: unbound variable" in done.stderr
