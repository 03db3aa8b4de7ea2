from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pants.backend.docker.goals.package_image import (
    parse_image_id_from_docker_build_output,
)
from pants.backend.docker.target_types import DockerImageTags, DockerImageTarget
from pants.backend.docker.util_rules.docker_binary import DockerBinary
from pants.backend.docker.util_rules.docker_build_args import DockerBuildArgs
from pants.engine.addresses import Address
from pants.engine.fs import EMPTY_DIGEST
from pants.engine.internals.scheduler import ExecutionError
from pants.testutil.rule_runner import QueryRule, RuleRunner
from pants.util.frozendict import FrozenDict

from marketplace.release import docker_engine
from marketplace.release.docker_engine import NoTagsRequest, unless_it_is_there


def look_for_engine(folder: Path, script: str) -> DockerImageTags:
    """Run the rule with a stub of the docker command."""
    docker = folder / "docker"
    docker.write_text(f"#!/bin/sh\n{script}\n")
    docker.chmod(0o755)
    rule_runner = RuleRunner(
        rules=[
            *docker_engine.rules(),
            QueryRule(DockerImageTags, [NoTagsRequest, DockerBinary]),
        ],
        target_types=[DockerImageTarget],
    )
    rule_runner.write_files({"a/BUILD": "docker_image()"})
    request = NoTagsRequest(rule_runner.get_target(Address("a")))
    binary = DockerBinary(str(docker), extra_env=FrozenDict())
    return rule_runner.request(DockerImageTags, [request, binary])


def test_no_tag_is_added(tmp_path: Path) -> None:
    assert look_for_engine(tmp_path, "echo 28.0") == DockerImageTags()


def test_a_missing_engine_is_reported_with_a_fix(tmp_path: Path) -> None:
    with pytest.raises(ExecutionError, match="run build-support/setup, which") as error:
        look_for_engine(tmp_path, "echo Cannot connect to the daemon >&2; exit 1")
    assert "Cannot connect to the daemon" in str(error.value)


def test_an_image_of_the_engine_is_not_built_again(tmp_path: Path) -> None:
    docker = tmp_path / "docker"
    tag = f"maxai/lab:{'0' * 64}"
    docker.write_text(f"""#!/bin/sh
echo "$@" >> {tmp_path}/log
[ "$1" = build ] || [ -e {tmp_path}/built ] && echo sha256:abc
""")
    docker.chmod(0o755)
    build = unless_it_is_there(DockerBinary.build_image)

    def run(*tags: str) -> str:
        binary = DockerBinary(str(docker), extra_env=FrozenDict())
        process = build(
            binary, tags, EMPTY_DIGEST, "Dockerfile", DockerBuildArgs(), ".", {}
        )
        done = subprocess.run(process.argv, capture_output=True, check=True, text=True)
        return done.stdout

    inspect = f"image inspect --format {{{{.Id}}}} {tag}"
    command = f"build --tag {tag} --file Dockerfile ."
    run(tag)
    (tmp_path / "built").touch()
    assert parse_image_id_from_docker_build_output(run(tag).encode()) == "sha256:abc"
    # Another tag may belong to an older image.
    run(tag, "maxai/lab:latest")
    assert (tmp_path / "log").read_text().splitlines() == [
        *(inspect, command, inspect),
        f"build --tag {tag} --tag maxai/lab:latest --file Dockerfile .",
    ]
