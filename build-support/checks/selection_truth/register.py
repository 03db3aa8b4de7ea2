"""The goal `digests`: a hash of the inputs of each image and test, and the content tags.

Two commits with the same digest build the same image, or run the same test on the same input. So
a change affects exactly the images and tests whose digests differ. The goal asks for no dependents
and builds nothing with Docker. Only the package `selection_suite` loads it.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Iterable, Iterator

from pants.backend.docker.goals.package_image import DockerPackageFieldSet
from pants.backend.docker.target_types import (
    DockerImageRepositoryField,
    DockerImageTarget,
)
from pants.backend.docker.util_rules.docker_build_context import (
    DockerBuildContext,
    DockerBuildContextRequest,
)
from pants.backend.python.goals import pytest_runner
from pants.backend.python.subsystems.pytest import PythonTestFieldSet
from pants.backend.python.target_types import PythonTestTarget
from pants.core.goals.test import RuntimePackageDependenciesField, TestRequest
from pants.core.util_rules.partitions import Partitions
from pants.engine.addresses import Address
from pants.engine.console import Console
from pants.engine.fs import DigestContents, PathGlobs
from pants.engine.goal import Goal, GoalSubsystem
from pants.engine.process import Process
from pants.engine.rules import Get, MultiGet, collect_rules, goal_rule
from pants.engine.target import Target, Targets
from pants.engine.unions import UnionMembership

from marketplace.release.image_tags import TaggedImage

_IMAGE_TEST = re.compile(r"maxaiusecases/([^/]+)/image_test\.py")
_RUN_TEST = re.compile(r"maxaidags/([^/]+/[^/]+)/[^/]+/run_test\.py")


class DigestsSubsystem(GoalSubsystem):
    name = "digests"
    help = "Prints a digest of the inputs of each image and each test, as JSON."


class Digests(Goal):
    subsystem_cls = DigestsSubsystem
    environment_behavior = Goal.EnvironmentBehavior.LOCAL_ONLY


async def _processes_of(tests: Iterable[Target]) -> dict[Address, Process]:
    """Return the process that would run each test alone, by the test's address.

    The tests of a batch share a process, which has the inputs of all of them.
    """
    partitions = await MultiGet(
        Get(
            Partitions,
            TestRequest.PartitionRequest,
            pytest_runner.PyTestRequest.PartitionRequest(
                (PythonTestFieldSet.create(test),)
            ),
        )
        for test in tests
    )
    alone = [partition for (partition,) in partitions]
    setups = await MultiGet(
        Get(
            pytest_runner.TestSetup,
            pytest_runner.TestSetupRequest(
                partition.elements, partition.metadata, is_debug=False
            ),
        )
        for partition in alone
    )
    return {
        partition.elements[0].address: setup.process
        for partition, setup in zip(alone, setups)
    }


@goal_rule
async def print_digests(
    targets: Targets, unions: UnionMembership, console: Console
) -> Digests:
    # The tests that run an image would need it built. Its content hash replaces it.
    for request in unions.get(pytest_runner.PytestPluginSetupRequest):
        request.is_applicable = classmethod(lambda cls, target: False)  # type: ignore[assignment]

    images = [target for target in targets if isinstance(target, DockerImageTarget)]
    contexts = await MultiGet(
        Get(DockerBuildContext, DockerBuildContextRequest(address=image.address))
        for image in images
    )
    hashes = {
        _repository(image): str(
            context.interpolation_context["pants"]["hash"]  # type: ignore[index]
        )
        for image, context in zip(images, contexts)
    }
    tests = [target for target in targets if isinstance(target, PythonTestTarget)]
    processes = await _processes_of(tests)
    configs = await Get(DigestContents, PathGlobs(["maxaiconfigs/*/*/*_config*.json"]))
    named = {
        (file.path.split("/", 1)[1].rpartition("/")[0], repository)
        for file in configs
        for repository in _images_in(json.loads(file.content))
    }
    tagged = await MultiGet(
        Get(TaggedImage, DockerPackageFieldSet, DockerPackageFieldSet.create(image))
        for image in images
    )
    digests = {
        **{f"tag of {image.address}": each.tag for image, each in zip(images, tagged)},
        **{image.address.spec: hashes[_repository(image)] for image in images},
        **{
            test.address.spec: _hash(
                processes[test.address],
                {name: hashes.get(name) for name in _images_of(test, named)},
            )
            for test in tests
        },
    }
    console.print_stdout(json.dumps(digests))
    return Digests(exit_code=0)


def _repository(image: Target) -> str:
    return str(image[DockerImageRepositoryField].value)


def _images_in(config: Any, key: str = "") -> Iterator[str]:
    """Yield the repositories of all images that a launch config names, at any depth."""
    if isinstance(config, dict):
        for name, value in config.items():
            yield from _images_in(value, name)
    elif isinstance(config, list):
        for value in config:
            yield from _images_in(value)
    elif key == "image" or key.endswith("container.image"):
        yield str(config).partition(":")[0]


def _images_of(test: Target, named: set[tuple[str, str]]) -> list[str]:
    """Return the repositories of the images that a test runs."""
    path = test.address.filename if test.address.is_file_target else ""
    declared = test[RuntimePackageDependenciesField].value or ()
    found = {
        f"maxai/{match[1]}"
        for address in declared
        if (match := re.search(r"maxaiusecases/([^/:]+):image$", address))
    }
    if match := _IMAGE_TEST.fullmatch(path):
        found.add(f"maxai/{match[1]}")
    if match := _RUN_TEST.fullmatch(path):
        found |= {repository for usecase, repository in named if usecase == match[1]}
    return sorted(found)


def _hash(process: Process, hashes: dict[str, str | None]) -> str:
    parts = (
        *(process.argv, sorted(process.env.items()), process.input_digest),
        *(process.immutable_input_digests, process.append_only_caches),
        *(process.working_directory, process.output_files, process.output_directories),
        hashes,
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def rules() -> Iterable[Any]:
    return collect_rules()
