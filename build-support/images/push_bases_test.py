"""Tests of `push-bases`, with stubs for Docker and base-image that log their calls."""

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
        self.script = root / "build-support/images/push-bases"
        self.script.parent.mkdir(parents=True)
        shutil.copy("build-support/images/push-bases", self.script)
        self.docker = root / "bin/docker"
        self.stub(self.docker)
        self.base_image = root / "build-support/images/base-image"
        self.stub(self.base_image, '[ "$1" = check ] || echo "maxai/$2:0123456789ab"')

    def stub(self, path: Path, body: str = "") -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(STUB.format(log=self.log, body=body))
        path.chmod(0o755)

    def run(
        self, *arguments: str, registry: str = "registry.test:5000/a"
    ) -> subprocess.CompletedProcess[str]:
        path = f"{self.docker.parent}:{os.defpath}"
        return subprocess.run(
            [self.script, *arguments],
            env={"PATH": path, "MAXAI_REGISTRY": registry},
            capture_output=True,
            text=True,
        )

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def push(tmp_path: Path) -> Push:
    return Push(tmp_path)


@pytest.mark.parametrize("names", [(), ("spark",), ("python", "spark")])
def test_bases_go_to_the_registry(names: tuple[str, ...], push: Push) -> None:
    result = push.run(*names)
    assert result.returncode == 0, result.stderr
    names = names or ("python", "spark")
    bases = [f"maxai/{name}:0123456789ab" for name in names]
    assert push.calls() == [
        *(f"base-image tag {name}" for name in names),
        f"base-image check {' '.join(bases)}",
        *(
            f"docker {command} registry.test:5000/a/{base}"
            for base in bases
            for command in (f"tag {base}", "push --quiet")
        ),
    ]


def test_a_drifted_base_is_refused_before_anything_is_pushed(push: Push) -> None:
    drifted = '[ "$1" = tag ] || { echo "maxai/python:0 has drifted" >&2; exit 1; }'
    push.stub(push.base_image, drifted)
    result = push.run()
    assert result.returncode == 1
    assert result.stderr == (
        "maxai/python:0 has drifted\npush-bases: nothing was pushed\n"
    )
    assert not [call for call in push.calls() if call.startswith("docker")]


def test_a_failure_is_a_failure(push: Push) -> None:
    push.stub(push.docker, "exit 3")
    assert push.run().returncode == 3
    assert push.calls()[-1].startswith("docker")


@pytest.mark.parametrize(
    ("arguments", "registry", "message"),
    [
        ([], "", "push-bases: MAXAI_REGISTRY is not set: name the registry to push"),
        (["--all"], "r", "push-bases: unknown argument --all; see "),
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
