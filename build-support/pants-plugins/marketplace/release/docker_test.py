from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from pants.backend.docker.goals.package_image import (
    parse_image_id_from_docker_build_output,
)
from pants.backend.docker.util_rules.docker_binary import DockerBinary
from pants.backend.docker.util_rules.docker_build_args import DockerBuildArgs
from pants.engine.fs import EMPTY_DIGEST

SCRIPT = Path(__file__).with_name("docker")
TAG = f"maxai/lab:{'0' * 64}"
# This stub has an image if the file `built` exists, and an engine unless `stopped` exists.
DOCKER = """\
#!/bin/sh
cd {folder}
case "$1" in
  version) [ ! -e stopped ] || {{ echo Cannot connect >&2; exit 1; }} ;;
  image) [ -e built ] && echo sha256:abc ;;
  *) echo "$@" >> log ;;
esac
"""


def build(folder: Path, *tags: str) -> subprocess.CompletedProcess[bytes]:
    """Build an image as Pants does, with the script and a stub of docker."""
    (folder / "docker").write_text(DOCKER.format(folder=folder))
    (folder / "docker").chmod(0o755)
    process = DockerBinary(str(SCRIPT)).build_image(
        tags, EMPTY_DIGEST, "Dockerfile", DockerBuildArgs(["A=1"]), ".", {}
    )
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(process.argv, capture_output=True, env={"PATH": path})


@pytest.mark.parametrize(
    ("tags", "skipped"),
    [
        ([TAG], True),
        # Another tag may belong to an older image.
        ([TAG, "maxai/lab:latest"], False),
        (["maxai/lab:latest", TAG], False),
        (["maxai/lab:latest"], False),
    ],
)
def test_an_image_is_not_built_again_if_the_engine_has_its_only_tag(
    tmp_path: Path, tags: list[str], skipped: bool
) -> None:
    build(tmp_path, *tags)
    (tmp_path / "built").touch()
    done = build(tmp_path, *tags)
    options = "".join(f"--tag {tag} " for tag in tags)
    command = f"build {options}--build-arg A=1 --file Dockerfile ."
    calls = (tmp_path / "log").read_text().splitlines()
    assert calls == [command] * (1 if skipped else 2)
    if skipped:
        assert parse_image_id_from_docker_build_output(done.stdout) == "sha256:abc"


def test_a_missing_engine_is_reported_with_a_fix(tmp_path: Path) -> None:
    (tmp_path / "stopped").touch()
    done = build(tmp_path, TAG)
    assert done.returncode == 1
    assert b"run build-support/setup, which" in done.stderr
    assert b"Cannot connect" in done.stderr
