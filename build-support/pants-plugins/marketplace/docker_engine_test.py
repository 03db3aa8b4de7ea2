from __future__ import annotations

from pathlib import Path

import pytest
from marketplace import docker_engine
from marketplace.docker_engine import NoTagsRequest
from pants.backend.docker.target_types import DockerImageTags, DockerImageTarget
from pants.backend.docker.util_rules.docker_binary import DockerBinary
from pants.engine.addresses import Address
from pants.engine.internals.scheduler import ExecutionError
from pants.testutil.rule_runner import QueryRule, RuleRunner
from pants.util.frozendict import FrozenDict


def look_for_engine(folder: Path, script: str) -> DockerImageTags:
    """Runs the rule with a stub of the docker command."""
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


def test_an_engine_that_answers_adds_no_tag(tmp_path: Path) -> None:
    assert look_for_engine(tmp_path, "echo 28.0") == DockerImageTags()


def test_no_engine_is_an_error_that_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ExecutionError, match="build-support/setup brings one") as error:
        look_for_engine(tmp_path, "echo Cannot connect to the daemon >&2; exit 1")
    assert "Cannot connect to the daemon" in str(error.value)
