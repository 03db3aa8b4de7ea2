"""What the tests of deployments have in common."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.testing import Marketplace, Registry, object_store, registry


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry for all tests of a file."""
    with registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket for all tests of a file."""
    with object_store() as address:
        yield address


@pytest.fixture(params=["folder", "bucket"])
def destinations(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the destinations of all deployments are."""
    if request.param == "folder":
        return str(tmp_path / "destinations")
    return f"{request.getfixturevalue('bucket')}/{tmp_path.name}"


@pytest.fixture
def place(images: Registry, destinations: str, tmp_path: Path) -> Marketplace:
    """A marketplace with its image, to be deployed to each kind of destination."""
    made = Marketplace(tmp_path / "clone", images.address, destinations)
    made.build_image("the first")
    return made


@pytest.fixture
def local(images: Registry, tmp_path: Path) -> Marketplace:
    """A marketplace with its image, to be deployed to a folder."""
    made = Marketplace(tmp_path / "clone", images.address, str(tmp_path / "to"))
    made.build_image("the first")
    return made
