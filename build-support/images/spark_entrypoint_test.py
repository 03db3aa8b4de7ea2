"""Runs spark-entrypoint with a stub of Java that prints its arguments."""

import subprocess
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent / "spark-entrypoint"
OPTIONS = {f"SPARK_JAVA_OPT_{n}": f"-Dn={n} x" for n in (0, 1, 2, 10)}
SETTINGS = (
    *("APPLICATION_ID", "DRIVER_URL", "EXECUTOR_CORES", "EXECUTOR_ID"),
    *("EXECUTOR_MEMORY", "EXECUTOR_POD_IP", "EXECUTOR_POD_NAME", "RESOURCE_PROFILE_ID"),
)


# The image test of a domain with Spark starts a real executor, and a local run a driver.
def test_an_executor(tmp_path: Path) -> None:
    java = tmp_path / "bin/java"
    java.parent.mkdir()
    java.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    java.chmod(0o755)
    given = {f"SPARK_{name}": f"the-{name}" for name in SETTINGS}
    env = {"PATH": "/usr/bin:/bin", "SPARK_HOME": "/spark", "JAVA_HOME": str(tmp_path)}
    command, env = ["bash", str(SCRIPT), "executor"], env | given | OPTIONS
    found = subprocess.check_output(command, env=env, text=True).splitlines()
    # The order of the options matters.
    assert found[:4] == [*OPTIONS.values()]
    assert "/spark/conf:/spark/jars/*" in found
    assert all(value in " ".join(found) for value in given.values())
