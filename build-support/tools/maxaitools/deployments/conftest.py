"""The fixtures of the tests of deployments."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from maxaitools.deployments import main as deployments
from maxaitools.deployments.testing import Marketplace, Registry, running_registry
from maxaitools.deployments.trial import make_place

Run = Callable[..., str]
# The tests change the current folder, and what is imported must be found from there.
sys.path[:] = map(os.path.abspath, sys.path)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry for all tests of a file."""
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def place(
    images: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Marketplace:
    """A marketplace with its image, as the current folder."""
    made = Marketplace(tmp_path / "clone", images.address)
    made.build_image("first")
    monkeypatch.chdir(made.root)
    monkeypatch.delenv("GITHUB_ACTOR", raising=False)
    monkeypatch.delenv("GITHUB_RUN_ID", raising=False)
    return made


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Marketplace:
    """A marketplace whose domain has no image, as the current folder."""
    made = make_place(tmp_path / "clone")
    monkeypatch.chdir(made.root)
    return made


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the tool, and return what it prints.

    With `code=1` it must fail. If it prints an error, that is one line, which is returned.
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
    """Deploy a changed config to dev without a check of its DAGs.

    Returns the release, or what is printed if `code` is not 0.
    """
    place.set_n(n)
    release = place.package()
    key = place.key(release)
    printed = run("deploy", "dev", "--checked", key, *arguments, code=code)
    return printed if code else release.id


def promote(place: Marketplace, run: Run, *arguments: str, code: int = 0) -> str:
    """Promote dev to prod without a check of its DAGs."""
    key = place.key(place.package(), "prod")
    return run("promote", "dev", "prod", "--checked", key, *arguments, code=code)
