from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from pants.backend.docker.util_rules.docker_binary import DockerBinary
from pants.backend.docker.util_rules.docker_build_args import DockerBuildArgs
from pants.engine.fs import EMPTY_DIGEST

SCRIPT = Path(__file__).with_name("docker")
TAG = f"maxai/lab:{'0' * 64}"
# This stub has each image, and an engine unless the file `stopped` exists.
DOCKER = """\
#!/bin/sh
cd {folder}
case "$1" in
  version) [ ! -e stopped ] || {{ echo Cannot connect >&2; exit 1; }} ;;
  image) [ ! -e stopped ] && echo sha256:abc ;;
  *) echo "$@" ;;
esac
"""


def build(folder: Path, *tags: str) -> subprocess.CompletedProcess[str]:
    """Build an image as Pants does, with the script and a stub of docker."""
    (folder / "docker").write_text(DOCKER.format(folder=folder))
    (folder / "docker").chmod(0o755)
    process = DockerBinary(str(SCRIPT)).build_image(
        tags, EMPTY_DIGEST, "Dockerfile", DockerBuildArgs(["A=1"]), ".", {}
    )
    env = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(process.argv, capture_output=True, text=True, env=env)


# Another tag may belong to an older image.
@pytest.mark.parametrize("tags", [[TAG], [TAG, "maxai/lab:latest"], ["maxai/lab:new"]])
def test_an_image_is_not_built_again_if_the_engine_has_its_only_tag(
    tmp_path: Path, tags: list[str]
) -> None:
    options = "".join(f"--tag {tag} " for tag in tags)
    command = f"build {options}--build-arg A=1 --file Dockerfile .\n"
    # Pants reads the id from this output.
    skipped = "Successfully built sha256:abc\n"
    assert build(tmp_path, *tags).stdout == (skipped if tags == [TAG] else command)


def test_a_missing_engine_is_reported_with_a_fix(tmp_path: Path) -> None:
    (tmp_path / "stopped").touch()
    done = build(tmp_path, TAG)
    assert done.returncode == 1
    assert "run build-support/setup, which" in done.stderr
    assert "Cannot connect" in done.stderr
