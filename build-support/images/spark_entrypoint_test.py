"""Runs spark-entrypoint with stubs of Java, Spark and Python that print their arguments."""

from __future__ import annotations

import subprocess
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent / "spark-entrypoint"
OPTIONS = {f"SPARK_JAVA_OPT_{n}": f"-Dn={n} x" for n in (0, 1, 2, 10)}
# What Spark sets for an executor, with the arguments that the entry point makes of it.
SETTINGS = {
    "SPARK_EXECUTOR_MEMORY": "-Xms* -Xmx*",
    "SPARK_DRIVER_URL": "--driver-url *",
    "SPARK_EXECUTOR_ID": "--executor-id *",
    "SPARK_EXECUTOR_CORES": "--cores *",
    "SPARK_APPLICATION_ID": "--app-id *",
    "SPARK_EXECUTOR_POD_IP": "--hostname *",
    "SPARK_RESOURCE_PROFILE_ID": "--resourceProfileId *",
    "SPARK_EXECUTOR_POD_NAME": "--podName *",
}
SETTING = {name: f"the-{name}" for name in SETTINGS}


def run(
    folder: Path, *arguments: str, **env: str
) -> "subprocess.CompletedProcess[str]":
    for name in ("spark/bin/spark-submit", "java/bin/java", "bin/python"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('#!/bin/sh\nprintf "%s\\n" "${0##*/}" "$@"\n')
        path.chmod(0o755)
    homes = {"SPARK_HOME": f"{folder}/spark", "JAVA_HOME": f"{folder}/java"}
    env |= {"PATH": f"{folder}/bin:/usr/bin:/bin", "HOME": str(folder), **homes}
    command = ["bash", str(SCRIPT), *arguments]
    return subprocess.run(command, env=env, text=True, capture_output=True)


def test_a_module(tmp_path: Path) -> None:
    done = run(tmp_path, "shop.main", "--day", "a b")
    assert done.stdout.splitlines() == ["python", "-m", "shop.main", "--day", "a b"]


def test_a_driver(tmp_path: Path) -> None:
    done = run(tmp_path, "driver", "--class", "a b", SPARK_DRIVER_BIND_ADDRESS="ip")
    assert done.stdout.startswith("spark-submit\n--conf\nspark.driver.bindAddress=ip\n")
    assert done.stdout.endswith("\n--deploy-mode\nclient\n--class\na b\n")


def test_an_executor(tmp_path: Path) -> None:
    found = run(tmp_path, "executor", **SETTING, **OPTIONS).stdout.splitlines()
    # The order of the options matters.
    assert found[:5] == ["java", *OPTIONS.values()]
    assert f"{tmp_path}/spark/conf:{tmp_path}/spark/jars/*" in found
    made = " ".join(found)
    assert all(SETTINGS[n].replace("*", SETTING[n]) in made for n in SETTINGS)
    for name in SETTINGS:
        env = {key: value for key, value in SETTING.items() if key != name}
        assert f"{name}: unbound variable" in run(tmp_path, "executor", **env).stderr
