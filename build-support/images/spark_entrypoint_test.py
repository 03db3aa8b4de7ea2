"""Runs spark-entrypoint with stubs of Java, Spark and Python that print their arguments."""

from __future__ import annotations

import subprocess
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent / "spark-entrypoint"
OPTIONS = {f"SPARK_JAVA_OPT_{n}": f"-Dn={n} x" for n in (0, 1, 2, 10)}
# The arguments that the entry point makes of what Spark sets for an executor.
SETTINGS = {
    "SPARK_EXECUTOR_MEMORY": "-Xms{0} -Xmx{0}",
    "SPARK_DRIVER_URL": "--driver-url {0}",
    "SPARK_EXECUTOR_ID": "--executor-id {0}",
    "SPARK_EXECUTOR_CORES": "--cores {0}",
    "SPARK_APPLICATION_ID": "--app-id {0}",
    "SPARK_EXECUTOR_POD_IP": "--hostname {0}",
    "SPARK_RESOURCE_PROFILE_ID": "--resourceProfileId {0}",
    "SPARK_EXECUTOR_POD_NAME": "--podName {0}",
}


def run(folder: Path, *arguments: str, **env: str) -> list[str]:
    """Return the name and the arguments of the command that the entry point runs."""
    for name in ("spark/bin/spark-submit", "java/bin/java", "bin/python"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('#!/bin/sh\nprintf "%s\\n" "${0##*/}" "$@"\n')
        path.chmod(0o755)
    homes = {"SPARK_HOME": f"{folder}/spark", "JAVA_HOME": f"{folder}/java"}
    env |= {"PATH": f"{folder}/bin:/usr/bin:/bin", "HOME": str(folder), **homes}
    command = ["bash", str(SCRIPT), *arguments]
    return subprocess.check_output(command, env=env, text=True).splitlines()


def test_a_module(tmp_path: Path) -> None:
    found = run(tmp_path, "shop.main", "--day", "a b")
    assert found == ["python", "-m", "shop.main", "--day", "a b"]


def test_a_driver(tmp_path: Path) -> None:
    found = run(tmp_path, "driver", "--class", "a b", SPARK_DRIVER_BIND_ADDRESS="ip")
    assert found[:3] == ["spark-submit", "--conf", "spark.driver.bindAddress=ip"]
    assert found[-4:] == ["--deploy-mode", "client", "--class", "a b"]


def test_an_executor(tmp_path: Path) -> None:
    given = {name: f"the-{name}" for name in SETTINGS}
    found = run(tmp_path, "executor", **given, **OPTIONS)
    # The order of the options matters.
    assert found[:5] == ["java", *OPTIONS.values()]
    assert f"{tmp_path}/spark/conf:{tmp_path}/spark/jars/*" in found
    for name, arguments in SETTINGS.items():
        assert arguments.format(given[name]) in " ".join(found)
