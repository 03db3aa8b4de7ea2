"""Fixtures for the tests of deployments."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from maxaitools.deployments import main as deployments
from maxaitools.deployments import registry
from maxaitools.deployments.testing import Marketplace, Registry, running_registry
from maxaitools.deployments.trial import make_place

Run = Callable[..., str]
# The tests change the current folder, so relative import paths would break.
sys.path[:] = map(os.path.abspath, sys.path)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that all tests of a file share."""
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(autouse=True)
def no_github(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the variables of a workflow, which change the author and the trailers."""
    for name in ("GITHUB_ACTOR", "GITHUB_RUN_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def clone(
    images: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Marketplace:
    """A marketplace as the current folder; nobody has built its image."""
    made = Marketplace(tmp_path / "clone", images.address)
    monkeypatch.chdir(made.root)
    return made


@pytest.fixture
def place(clone: Marketplace, monkeypatch: pytest.MonkeyPatch) -> Marketplace:
    """A marketplace as the current folder, with a tiny image that lists no packages."""
    clone.build_image("first")
    monkeypatch.setattr(
        registry,
        "make_sbom",
        lambda image: registry.write_sbom([[], []], image.name, 0),
    )
    return clone


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Marketplace:
    """A marketplace as the current folder, whose domain has no image."""
    made = make_place(tmp_path / "clone")
    monkeypatch.chdir(made.root)
    return made


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """A function that runs the tool, and returns its output.

    `code` is the expected exit code. If that is not 0 and the tool prints an error, the
    error must be one line, and the function returns it.
    """

    def call(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        result = deployments.main(arguments)
        out, err = capsys.readouterr()
        assert result == code, f"{out}\n{err}"
        if code and err:
            (line,) = err.splitlines()
            return line
        return out + err

    return call


def deploy(place: Marketplace, run: Run, n: int, *arguments: str, code: int = 0) -> str:
    """Deploy a changed config to dev without the check of its DAGs.

    Returns:
        The release, or the output if `code` is not 0.
    """
    place.set_n(n)
    release = place.package()
    key = place.key(release)
    printed = run("deploy", "dev", "--checked", key, *arguments, code=code)
    return printed if code else release.id


def promote(place: Marketplace, run: Run, *arguments: str, code: int = 0) -> str:
    """Promote dev to prod without the check of its DAGs."""
    key = place.key(place.package(), "prod")
    return run("promote", "dev", "prod", "--checked", key, *arguments, code=code)
