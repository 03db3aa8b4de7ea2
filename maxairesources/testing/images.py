"""Runs the handlers of a domain in its image and outside, for tests."""

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pandas as pd

from maxairesources.testing.handlers import command_line

# Prints the packages of the image, and those that its lock lists.
_PACKAGES = r"""
import importlib.metadata, json, re, sys
def normalize(name):
    return re.sub(r"[-_.]+", "-", name).lower()
found = importlib.metadata.distributions(path=[p for p in sys.path if "/opt/venv" in p])
installed = [f"{normalize(each.metadata['Name'])}=={each.version}" for each in found]
lock = open("/opt/maxai/requirements.lock").read()
print(json.dumps([sorted(installed), sorted(re.findall(r"^[\w.-]+==[^ ;]+", lock, re.M))]))
"""


def image_name(domain: str) -> str:
    """Return the name and tag of the image that Pants has built for the test.

    Raises:
        AssertionError: Pants built no image for the test.
    """
    info = Path(f"maxaiusecases.{domain}/image.docker-info.json")
    assert info.exists(), f"{info} is missing: the test does not depend on the image"
    # Not the id of the image, which depends on how the engine stores images.
    return str(json.loads(info.read_text())["registries"][0]["tags"][0]["name"])


def docker(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a docker command and return its result.

    Raises:
        AssertionError: no engine answers.
    """
    result = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    assert (
        "Cannot connect to the Docker daemon" not in result.stderr
    ), "this test needs a Docker engine; run build-support/setup"
    return result


def run_in_image(image: str, user: int, folder: Path, *arguments: str) -> Any:
    """Run the image as the user with that number, with a folder as /data."""
    return docker(
        *("run", "--rm", "--user", f"{user}:{user}", "--volume", f"{folder}:/data"),
        *("--env", "SPARK_SUBMIT_OPTS", image, *arguments),
    )


def check_image(
    domain: str,
    runs: Sequence[tuple[ModuleType, dict[str, Any]]],
    write_inputs: Callable[[Path], None],
    folder: Path,
) -> None:
    """Assert that every handler in a domain's image has the same results outside of it.

    Args:
        domain: the domain's name.
        runs: the handlers to run, in order, each with a py_config of one task.
        write_inputs: a function that writes the input of the handlers below a folder.
        folder: an empty folder to work in.
    """
    image = image_name(domain)
    inside, outside = folder / "inside", folder / "outside"
    for place in (inside, outside):
        place.mkdir()
        write_inputs(place)
    # The image has no user with the caller's uid, and root should not write there.
    user = os.getuid() or 1234
    os.chown(inside, user, -1)
    written: list[str] = []
    for handler, config in runs:
        ((task, part),) = config.items()
        written += [port["sourceDetails"]["filePath"] for port in part["output"]]
        command_line(config, task, inside)
        arguments = ("--config", "/data/py_config.json", "--task", task)
        there = run_in_image(image, user, inside, handler.__name__, *arguments)
        assert there.returncode == 0, there.stderr
        _run_outside(handler, command_line(config, task, outside), outside)
    missing = {handler.__name__ for handler, _ in runs} - _handlers_in(image)
    assert not missing, f"{missing} are not in the image"
    for name in written:
        pd.testing.assert_frame_equal(_read(inside / name), _read(outside / name))
        assert (inside / name).stat().st_uid == user


def check_handlers_start(domain: str) -> None:
    """Assert that every handler in a domain's image can import its modules."""
    image = image_name(domain)
    for handler in sorted(_handlers_in(image)):
        result = docker("run", "--rm", image, handler, "--help")
        assert result.returncode == 0, result.stderr
        assert handler.rpartition(".")[2] in result.stdout


def check_content(domain: str) -> None:
    """Assert that an image runs as a non-root user and contains only code and packages.

    The packages must be those of its content tag.
    """
    image = image_name(domain)
    config = json.loads(docker("image", "inspect", image).stdout)[0]["Config"]
    assert config["User"] == "10001"
    labels = {
        name.rpartition(".")[2] for name in config["Labels"] if "opencontainers" in name
    }
    # A base may have other labels. These two would change with each build.
    assert labels >= {"title", "source", "licenses"}
    assert not labels & {"created", "revision"}
    unwanted = [
        *("-path", "*/maxai*/*_test.py", "-o", "-path", "*/maxairesources/testing/*"),
        *("-o", "-path", "/data/*", "-o", "-name", "py_config*.json"),
        *("-o", "-path", "*/maxaiconfigs/*"),
        *("-o", "-path", "*/bin/gcc*", "-o", "-path", "*/bin/cc"),
        *("-o", "-path", "/opt/venv/bin/pip*"),
        *("-o", "-path", "/var/lib/apt/lists/*Packages*"),
        *("-o", "-name", ".git", "-o", "-name", ".env", "-o", "-name", ".netrc"),
    ]
    found = _run_as_root(image, "find", "/", "-xdev", "-type", "f", "(", *unwanted, ")")
    assert found == "", f"the image contains {found.split()}"
    python = ("--entrypoint", "/opt/venv/bin/python", image)
    printed = docker("run", "--rm", *python, "-c", _PACKAGES)
    assert printed.returncode == 0, printed.stderr
    installed, locked = json.loads(printed.stdout)
    assert installed == locked


def _run_outside(handler: ModuleType, arguments: list[str], folder: Path) -> None:
    """Run a handler's command in this process, whose Spark session stays for the next."""
    argv = patch.object(sys, "argv", [handler.__name__, *arguments])
    with patch.dict(os.environ, MAXAI_DATA_ROOT=str(folder)), argv:
        try:
            runpy.run_path(str(handler.__file__), run_name="__main__")
        except SystemExit as end:
            assert not end.code, f"{handler.__name__} ended with exit code {end.code}"


def _handlers_in(image: str) -> set[str]:
    """Return the modules below /opt/maxai that can be run as a handler."""
    # A domain may have no handler yet, which is a failure for grep.
    search = "grep -rl '^@config.main' --include='*.py' /opt/maxai || true"
    found = _run_as_root(image, "sh", "-c", search)
    return {
        path.removeprefix("/opt/maxai/").removesuffix(".py").replace("/", ".")
        for path in found.split()
    }


def _run_as_root(image: str, command: str, *arguments: str) -> str:
    """Return the output of a command that runs as root in the image."""
    result = docker(
        *("run", "--rm", "--user", "0", "--entrypoint", command), image, *arguments
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def _read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
