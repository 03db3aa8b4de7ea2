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
from pants.util.frozendict import FrozenDict

from marketplace.release.image_tags import TaggedImage
from marketplace.release.provided_images import ProvidedImage, provide_image

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


def provide(folder: Path, **env: str) -> list[str]:
    """Return what the rule does: calls of docker, and "build"."""
    (folder / "docker").write_text(DOCKER.format(folder=folder))
    (folder / "docker").chmod(0o755)
    log = folder / "log"

    def run(process: Process) -> Any:
        done = subprocess.run(process.argv, capture_output=True)
        return SimpleNamespace(exit_code=done.returncode)

    def build(_: EnvironmentAwarePackageRequest) -> BuiltPackage:
        with log.open("a") as file:
            file.write("build\n")
        return BuiltPackage(EMPTY_DIGEST, ())

    image = DockerImageTarget({}, Address("maxaiusecases/shop", target_name="image"))
    field_set = DockerPackageFieldSet.create(image)
    provided = run_rule_with_mocks(
        provide_image,
        rule_args=[
            field_set,
            DockerBinary(str(folder / "docker"), extra_env=FrozenDict()),
        ],
        mock_gets=[
            MockGet(
                TaggedImage,
                (DockerPackageFieldSet,),
                lambda _: TaggedImage(field_set, *NAME.split(":")),
            ),
            MockGet(
                EnvironmentVars,
                (EnvironmentVarsRequest,),
                lambda _: EnvironmentVars(env),
            ),
            MockGet(FallibleProcessResult, (Process,), run),
            MockGet(BuiltPackage, (EnvironmentAwarePackageRequest,), build),
        ],
    )
    assert provided == ProvidedImage(NAME)
    return log.read_text().splitlines()


INSPECT = f"image inspect --format={{{{.Id}}}} {NAME}"
PULL, TAG = f"pull --quiet r.test/x/{NAME}", f"tag r.test/x/{NAME} {NAME}"


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        (("engine", "registry"), [INSPECT]),
        (("registry",), [INSPECT, PULL, TAG]),
        ((), [INSPECT, PULL, "build"]),
    ],
)
def test_an_image_is_built_only_if_neither_engine_nor_registry_has_it(
    tmp_path: Path, present: tuple[str, ...], expected: list[str]
) -> None:
    for name in present:
        (tmp_path / name).touch()
    assert provide(tmp_path, MAXAI_REGISTRY="r.test/x") == expected


def test_without_a_registry_nothing_is_pulled(tmp_path: Path) -> None:
    (tmp_path / "registry").touch()
    assert provide(tmp_path) == [INSPECT, "build"]
