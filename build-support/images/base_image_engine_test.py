"""Looks into the base images that the Docker engine of this machine has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BASE_IMAGE = Path(__file__).resolve().parent / "base-image"
UNWANTED = "gcc cc g++ ld make pip pip3 perldoc javac"


def reference(name: str) -> str:
    command = [sys.executable, str(BASE_IMAGE), "tag", name]
    return subprocess.run(
        command, check=True, text=True, stdout=subprocess.PIPE
    ).stdout.strip()


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], text=True, capture_output=True)
    assert done.returncode == 0, f"{done.stderr}\nrun build-support/setup first"
    return done.stdout.strip()


def shell(name: str, script: str, *options: str) -> list[str]:
    """Returns the lines that a shell script prints in base image `name`."""
    entry = ("--entrypoint", "/bin/sh", *options)
    return docker("run", "--rm", *entry, reference(name), "-c", script).splitlines()


@pytest.mark.parametrize("name", ["python", "spark"])
def test_the_image_is_what_handlers_expect(name: str) -> None:
    lines = shell(
        name,
        "id -un; id -u; id -g; pwd; touch probe && echo writes; echo $HOME; env;"
        " command -v python; python --version",
    )
    assert lines[:6] == ["maxai", "10001", "10001", "/data", "writes", "/home/maxai"]
    assert "PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin" in lines
    assert "MAXAI_DATA_ROOT=/data" in lines
    assert "PYTHONPATH=/opt/maxai" in lines
    assert lines[-2] == "/usr/local/bin/python"
    assert lines[-1].startswith("Python 3.11.")


@pytest.mark.parametrize("name", ["python", "spark"])
def test_the_image_holds_nothing_else(name: str) -> None:
    folders = "/var/lib/apt/lists /var/cache/apt /etc/apt/sources.list.d"
    script = f"for c in {UNWANTED}; do command -v $c; done;"
    script += f" find {folders} /usr/share/man /usr/share/locale -type f ! -name lock"
    assert shell(name, script, "--user", "0") == []
    modules = "import importlib.util as u; print([u.find_spec(m) for m in ('pip',)])"
    assert shell(name, f'python -c "{modules}"') == ["[None]"]


@pytest.mark.parametrize("name", ["python", "spark"])
def test_any_uid_has_a_home(name: str) -> None:
    script = "touch $HOME/probe /tmp/probe && id -u"
    assert shell(name, script, "--user", "1234:1234") == ["1234"]


def test_the_entry_point_of_python_takes_a_module() -> None:
    output = docker("run", "--rm", reference("python"), "platform")
    assert output.startswith("Linux")


def test_the_entry_point_of_spark_gives_any_uid_a_name() -> None:
    user = ("--user", "1234:1234")
    assert "usage" in docker("run", "--rm", *user, reference("spark"), "tarfile", "-h")
    source = "import pwd, os; print(pwd.getpwuid(os.getuid()))"
    # timeit runs the statement that it is given, and it is in the standard library.
    output = docker("run", "--rm", *user, reference("spark"), "timeit", "-n1", source)
    assert "pw_uid=1234, pw_gid=1234" in output
    assert "pw_dir='/home/maxai'" in output


def test_spark_has_java() -> None:
    assert "17." in shell("spark", '"$JAVA_HOME/bin/java" -version 2>&1')[0]


@pytest.mark.parametrize("name", ["python", "spark"])
def test_a_drifted_image_has_a_label(name: str) -> None:
    label = '{{index .Config.Labels "maxai.base.drifted"}}'
    drifted = docker("image", "inspect", "--format", label, reference(name))
    assert drifted in ("false", "true")
    command = [sys.executable, str(BASE_IMAGE), "check", reference(name)]
    done = subprocess.run(command, text=True, capture_output=True)
    if drifted == "true":
        assert (done.returncode, "has drifted" in done.stderr) == (1, True)
    else:
        assert f"{reference(name)} has drifted" not in done.stderr


def test_an_image_is_known_by_its_recorded_id() -> None:
    for name, code in (("python", 0), ("spark", 1)):
        command = [sys.executable, str(BASE_IMAGE), "verify", "python", reference(name)]
        done = subprocess.run(command, text=True, capture_output=True)
        assert done.returncode == code, done.stderr
    (line,) = done.stderr.splitlines()
    assert "which python.id records; do not use it" in line
