"""Tests of `push`, with stubs in place of Pants, Docker and base-image that log their calls."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

STUB = '#!/bin/sh\necho "${{0##*/}} $*" >> "{log}"\n{body}\n'


class Push:
    def __init__(self, root: Path) -> None:
        self.log = root / "calls"
        self.script = root / "build-support/ci/push"
        self.script.parent.mkdir(parents=True)
        shutil.copy("build-support/ci/push", self.script)
        self.bin = root / "bin"
        self.stub(self.bin / "docker")
        self.stub(root / "pants", 'echo "$PANTS_DOCKER_REGISTRIES"')
        self.base_image = root / "build-support/docker/base-image"
        self.stub(self.base_image, '[ "$1" = check ] || echo "maxai/$2:0123456789ab"')

    def stub(self, path: Path, body: str = "") -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(STUB.format(log=self.log, body=body))
        path.chmod(0o755)

    def run(
        self, *arguments: str, registry: str = "registry.test:5000/a"
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.script, *arguments],
            env={"PATH": f"{self.bin}:{os.defpath}", "MAXAI_REGISTRY": registry},
            capture_output=True,
            text=True,
        )

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def push(tmp_path: Path) -> Push:
    return Push(tmp_path)


def test_bases_and_affected_images_go_to_the_registry(push: Push) -> None:
    result = push.run("--since", "abc")
    assert result.returncode == 0, result.stderr
    assert push.calls() == [
        "base-image check",
        "base-image tag python",
        "docker tag maxai/python:0123456789ab registry.test:5000/a/maxai/python:0123456789ab",
        "docker push --quiet registry.test:5000/a/maxai/python:0123456789ab",
        "base-image tag spark",
        "docker tag maxai/spark:0123456789ab registry.test:5000/a/maxai/spark:0123456789ab",
        "docker push --quiet registry.test:5000/a/maxai/spark:0123456789ab",
        "pants --changed-since=abc publish ::",
    ]
    assert "{'address': 'registry.test:5000/a', 'default': True}" in result.stdout


def test_without_a_commit_all_images_are_pushed(push: Push) -> None:
    assert push.run().returncode == 0
    assert push.calls()[-1] == "pants publish ::"


def test_bases_alone_need_no_pants(push: Push) -> None:
    assert push.run("--bases").returncode == 0
    assert push.calls()[-1].startswith(
        "docker push --quiet registry.test:5000/a/maxai/spark"
    )
    assert not any(call.startswith("pants") for call in push.calls())


def test_a_drifted_base_is_refused_before_anything_is_pushed(push: Push) -> None:
    push.stub(push.base_image, 'echo "maxai/python:0 has drifted" >&2; exit 1')
    result = push.run("--since", "abc")
    assert result.returncode == 1
    assert result.stderr == "maxai/python:0 has drifted\npush: nothing was pushed\n"
    assert push.calls() == ["base-image check"]


@pytest.mark.parametrize("failing", ["docker", "pants"])
def test_a_failure_is_a_failure(push: Push, failing: str) -> None:
    path = (
        push.bin / "docker" if failing == "docker" else push.script.parents[2] / "pants"
    )
    push.stub(path, "exit 3")
    assert push.run().returncode == 3
    assert push.calls()[-1].startswith(failing)


@pytest.mark.parametrize(
    ("arguments", "registry", "message"),
    [
        ([], "", "push: MAXAI_REGISTRY is not set: name the registry to push to"),
        (["--sinse", "x"], "r", "push: unknown argument --sinse; see "),
        (["--since"], "r", "push: --since takes one commit; see "),
        (["--since", "x", "y"], "r", "push: --since takes one commit; see "),
    ],
)
def test_wrong_usage(
    push: Push, arguments: list[str], registry: str, message: str
) -> None:
    result = push.run(*arguments, registry=registry)
    assert result.returncode == 2
    assert result.stderr.startswith(message)
    assert push.calls() == []


def test_help(push: Push) -> None:
    assert "usage: MAXAI_REGISTRY=" in push.run("--help").stdout
