"""Fixtures for the tests of deployments."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from maxaitools.deployments import __main__ as tool
from maxaitools.deployments.testing import Marketplace, Registry, running_registry

Run = Callable[..., str]
# The tests change the current folder, so relative import paths would break.
sys.path[:] = map(os.path.abspath, sys.path)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the variables that change the author, the trailers or the settings."""
    names = ("GITHUB_ACTOR", "GITHUB_RUN_ID", "MAXAI_DEPLOYMENTS", "MAXAI_REGISTRY")
    for name in names:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that all tests of a file share."""
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Marketplace:
    """A marketplace as the current folder, whose domain has no image."""
    made = Marketplace(tmp_path / "clone", "127.0.0.1:1")
    monkeypatch.chdir(made.root)
    return made


@pytest.fixture
def place(images: Registry, bare: Marketplace) -> Marketplace:
    """A marketplace as the current folder, with a registry and a tiny image."""
    for name in ("dev", "prod"):
        bare.configure(name, registry=images.address)
    bare.build_image("first")
    return bare


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """A function that runs the tool, and returns its output.

    `code` is the expected exit code. If that is not 0 and the tool prints an error, the
    error must be one line, and the function returns it. `deploy` and `images` get the
    folder of the packaged release.
    """

    def call(*arguments: str, code: int = 0) -> str:
        if arguments[0] in ("deploy", "images"):
            arguments += tuple(map(str, Path().glob("dist/release/*")))
        capsys.readouterr()
        result = tool.main(arguments)
        out, err = capsys.readouterr()
        assert result == code, f"{out}\n{err}"
        if code and err:
            (line,) = err.splitlines()
            return line
        return out + err

    return call


def deploy(place: Marketplace, run: Run, n: int, *arguments: str, code: int = 0) -> str:
    """Deploy a changed config to dev.

    Returns:
        The release, or the output if `code` is not 0.
    """
    place.set_n(n)
    release = place.package()
    printed = run("deploy", "dev", *arguments, code=code)
    return printed if code else release
