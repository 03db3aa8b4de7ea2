from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pants.backend.docker.goals.package_image import DockerPackageFieldSet
from pants.backend.docker.target_types import DockerImageTarget
from pants.backend.docker.util_rules.docker_binary import DockerBinary
from pants.core.goals.package import BuiltPackage, EnvironmentAwarePackageRequest
from pants.engine.addresses import Address
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.fs import EMPTY_DIGEST
from pants.engine.process import FallibleProcessResult, Process
from pants.testutil.rule_runner import MockGet, run_rule_with_mocks

from marketplace.local_runs import ProvidedImage, provide_image
from marketplace.tags import TaggedImage

NAME = f"maxai/shop:{'0' * 64}"
# The engine has the image if the file `engine` exists, and the registry if `registry` does.
DOCKER = """\
#!/bin/sh
cd {folder}
echo "$*" >> log
case "$1" in
  image) [ -e engine ] ;;
  pull) [ -e registry ] ;;
esac
"""
INSPECT = f"image inspect {NAME}"
PULL, TAG = f"pull --quiet r.test/x/{NAME}", f"tag r.test/x/{NAME} {NAME}"


@pytest.mark.parametrize(
    ("registry", "present", "expected"),
    [
        ("r.test/x", ("engine", "registry"), [INSPECT]),
        ("r.test/x", ("registry",), [INSPECT, PULL, TAG]),
        ("r.test/x", (), [INSPECT, PULL, "build"]),
        ("", ("registry",), [INSPECT, "build"]),
    ],
)
def test_an_image_is_built_only_if_neither_engine_nor_registry_has_it(
    tmp_path: Path, registry: str, present: tuple[str, ...], expected: list[str]
) -> None:
    docker, log = tmp_path / "docker", tmp_path / "log"
    docker.write_text(DOCKER.format(folder=tmp_path))
    docker.chmod(0o755)
    for name in present:
        (tmp_path / name).touch()

    def run(process: Process) -> Any:
        done = subprocess.run(process.argv, env={**process.env}, capture_output=True)
        return SimpleNamespace(exit_code=done.returncode)

    def build(_: EnvironmentAwarePackageRequest) -> BuiltPackage:
        log.write_text(f"{log.read_text()}build\n")
        return BuiltPackage(EMPTY_DIGEST, ())

    image = DockerImageTarget({}, Address("maxaiusecases/shop", target_name="image"))
    field_set = DockerPackageFieldSet.create(image)
    tagged = TaggedImage(field_set, *NAME.split(":"))
    environment = EnvironmentVars({"MAXAI_REGISTRY": registry})
    provided = run_rule_with_mocks(
        provide_image,
        rule_args=[field_set, DockerBinary(str(docker))],
        mock_gets=[
            MockGet(TaggedImage, (DockerPackageFieldSet,), lambda _: tagged),
            MockGet(EnvironmentVars, (EnvironmentVarsRequest,), lambda _: environment),
            MockGet(FallibleProcessResult, (Process,), run),
            MockGet(BuiltPackage, (EnvironmentAwarePackageRequest,), build),
        ],
    )
    assert provided == ProvidedImage(NAME)
    assert log.read_text().splitlines() == expected
