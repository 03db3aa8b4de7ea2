from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from pants.backend.docker.util_rules.docker_binary import DockerBinary
from pants.backend.docker.util_rules.docker_build_args import DockerBuildArgs
from pants.engine.fs import EMPTY_DIGEST

from marketplace.local_runs import LOOK_AND_PULL

SCRIPT = Path(__file__).with_name("docker")
TAG = f"maxai/lab:{'0' * 64}"
# The engine has the image if the file `engine` exists, the registry if `registry` does. No
# engine answers if `stopped` exists.
DOCKER = """\
#!/bin/sh
cd {folder}
echo "$*" >> log
case "$1" in
  version) [ ! -e stopped ] || {{ echo Cannot connect >&2; exit 1; }} ;;
  image) [ -e engine ] && echo sha256:abc ;;
  pull) [ -e registry ] ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a stub of docker, which logs its calls."""
    (tmp_path / "docker").write_text(DOCKER.format(folder=tmp_path))
    (tmp_path / "docker").chmod(0o755)
    return tmp_path


def build(folder: Path, *tags: str) -> subprocess.CompletedProcess[str]:
    """Build an image as Pants does, with the script and the stub."""
    process = DockerBinary(str(SCRIPT)).build_image(
        tags, EMPTY_DIGEST, "Dockerfile", DockerBuildArgs(["A=1"]), ".", {}
    )
    env = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(process.argv, capture_output=True, text=True, env=env)


# Another tag may belong to an older image.
@pytest.mark.parametrize("tags", [[TAG], [TAG, "maxai/lab:latest"], ["maxai/lab:new"]])
def test_an_image_is_not_built_again_if_the_engine_has_its_only_tag(
    folder: Path, tags: list[str]
) -> None:
    (folder / "engine").touch()
    # Pants reads the id from this output.
    skipped = "Successfully built sha256:abc\n"
    assert build(folder, *tags).stdout == (skipped if tags == [TAG] else "")
    options = "".join(f"--tag {tag} " for tag in tags)
    command = f"build {options}--build-arg A=1 --file Dockerfile ."
    calls = (folder / "log").read_text().splitlines()
    assert (command in calls) == (tags != [TAG])


def test_a_missing_engine_is_reported_with_a_fix(folder: Path) -> None:
    (folder / "stopped").touch()
    done = build(folder, TAG)
    assert done.returncode == 1
    assert "run build-support/setup, which" in done.stderr
    assert "Cannot connect" in done.stderr


INSPECT = f"image inspect {TAG}"
PULL, NAME = f"pull --quiet r.test/x/{TAG}", f"tag r.test/x/{TAG} {TAG}"


@pytest.mark.parametrize(
    ("registry", "present", "expected", "is_missing"),
    [
        ("r.test/x", "engine", [INSPECT], False),
        ("r.test/x", "registry", [INSPECT, PULL, NAME], False),
        ("r.test/x", "", [INSPECT, PULL], True),
        ("", "registry", [INSPECT], True),
    ],
)
def test_an_image_to_run_is_that_of_the_engine_or_of_the_registry(
    folder: Path, registry: str, present: str, expected: list[str], is_missing: bool
) -> None:
    if present:
        (folder / present).touch()
    command = ("/bin/sh", "-c", LOOK_AND_PULL, str(folder / "docker"), TAG)
    done = subprocess.run(command, env={"MAXAI_REGISTRY": registry})
    assert (folder / "log").read_text().splitlines() == expected
    assert bool(done.returncode) == is_missing
