"""Tests of `push`, with stubs in place of Pants, Docker and base-image that log their calls."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
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
        (self.bin / "python3").symlink_to(sys.executable)
        self.pants = root / "pants"
        self.affects({})
        self.base_image = root / "build-support/docker/base-image"
        self.stub(self.base_image, '[ "$1" = check ] || echo "maxai/$2:0123456789ab"')

    def stub(self, path: Path, body: str = "") -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(STUB.format(log=self.log, body=body))
        path.chmod(0o755)

    def affects(self, registry_has: dict[str, bool | None]) -> None:
        """Makes `pants affected` say which domains are, and what the registry has of them."""
        says = {True: "identical", False: "changed", None: "unknown"}
        images = [
            {
                "address": f"maxaiusecases/{domain}:image",
                "repository": f"maxai/{domain}",
                "tag": "f00",
                "state": says[has],
                "registry": has,
            }
            for domain, has in registry_has.items()
        ]
        (self.pants.parent / "affected.json").write_text(json.dumps({"images": images}))
        self.stub(
            self.pants,
            '[ "$1" != affected ] || { cat affected.json; exit; }\n'
            'echo "$PANTS_DOCKER_REGISTRIES"',
        )

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


ASK = "pants affected --changed-since=abc --format=json"


def test_bases_and_affected_images_go_to_the_registry(push: Push) -> None:
    push.affects({"finance": False, "retail": False})
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
        ASK,
        "pants publish maxaiusecases/finance:image maxaiusecases/retail:image",
    ]
    assert "{'address': 'registry.test:5000/a', 'default': True}" in result.stdout


def test_an_image_that_the_registry_has_is_not_pushed_again(push: Push) -> None:
    push.affects({"finance": True, "healthcare": None, "retail": False})
    result = push.run("--since", "abc")
    assert result.returncode == 0, result.stderr
    # Of what nobody knows whether it is there, it is pushed.
    assert push.calls()[-1] == (
        "pants publish maxaiusecases/healthcare:image maxaiusecases/retail:image"
    )
    assert [
        line for line in result.stdout.splitlines() if line.startswith("push: ")
    ] == [
        "push: registry.test:5000/a/maxai/finance:f00 is already there",
        "push: registry.test:5000/a/maxai/healthcare:f00 is built and pushed",
        "push: registry.test:5000/a/maxai/retail:f00 is built and pushed",
    ]


@pytest.mark.parametrize("registry_has", [{}, {"finance": True}])
def test_nothing_is_built_when_nothing_is_missing(
    push: Push, registry_has: dict[str, bool | None]
) -> None:
    push.affects(registry_has)
    result = push.run("--since", "abc")
    assert result.returncode == 0, result.stderr
    assert push.calls()[-1] == ASK
    assert result.stdout.endswith("push: no image is missing in the registry\n")


def test_what_cannot_be_read_is_a_failure(push: Push) -> None:
    push.stub(push.pants, "echo no JSON")
    assert push.run("--since", "abc").returncode == 1
    assert push.calls()[-1] == ASK


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


@pytest.mark.parametrize("arguments", [(), ("--since", "abc")])
@pytest.mark.parametrize("failing", ["docker", "pants"])
def test_a_failure_is_a_failure(
    push: Push, failing: str, arguments: tuple[str, ...]
) -> None:
    push.stub(push.bin / "docker" if failing == "docker" else push.pants, "exit 3")
    assert push.run(*arguments).returncode == 3
    assert push.calls()[-1].startswith(failing)


@pytest.mark.parametrize(
    ("arguments", "registry", "message"),
    [
        ([], "", "push: MAXAI_REGISTRY is not set: name the registry to push to"),
        (["--sinse", "x"], "r", "push: unknown argument --sinse; see "),
        (["--since"], "r", "push: --since takes one commit; see "),
        (["--since", ""], "r", "push: --since takes a commit, not an empty word; "),
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
