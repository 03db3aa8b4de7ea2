"""Runs spark-entrypoint with stubs of Java, Spark and Python that print their arguments."""

from __future__ import annotations

import subprocess
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent / "spark-entrypoint"
OPTIONS = {f"SPARK_JAVA_OPT_{n}": f"-Dn={n} x" for n in (0, 1, 2, 10)}
SETTINGS = (
    *("APPLICATION_ID", "DRIVER_URL", "EXECUTOR_CORES", "EXECUTOR_ID"),
    *("EXECUTOR_MEMORY", "EXECUTOR_POD_IP", "EXECUTOR_POD_NAME", "RESOURCE_PROFILE_ID"),
)


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


# The image test of a domain with Spark starts a real executor.
def test_an_executor(tmp_path: Path) -> None:
    given = {f"SPARK_{name}": f"the-{name}" for name in SETTINGS}
    found = run(tmp_path, "executor", **given, **OPTIONS)
    # The order of the options matters.
    assert found[:5] == ["java", *OPTIONS.values()]
    assert f"{tmp_path}/spark/conf:{tmp_path}/spark/jars/*" in found
    assert all(value in " ".join(found) for value in given.values())
