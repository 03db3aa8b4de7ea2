"""Docker containers that end with the process that started them, and their images."""

import dataclasses
import json
import os
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from maxairesources.errors import InputError
from maxairesources.tree import nearest

_VARIABLE = "MAXAI_LOCAL"

# Waits until the process at the other end of its input has ended, even by a kill: a killed
# Docker client does not end its container.
_GUARD = 'cat > /dev/null; exec docker rm --force "$0" > /dev/null 2>&1'


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of a run, which all of its processes get in the environment.

    Attributes:
        data: the data root.
        local: the folder of Secrets and ConfigMaps.
        cpus: the number of processors of the engine.
        images: the name and tag of the image of each repository.
    """

    data: str
    local: str
    cpus: int
    images: dict[str, str]

    def export(self) -> dict[str, str]:
        """Return the variables for the environment of a process."""
        return {_VARIABLE: json.dumps(dataclasses.asdict(self))}


class Container(NamedTuple):
    """A container to run.

    Attributes:
        name: its name in its pod.
        arguments: those of `docker run`.
        secrets: the values of variables that the arguments only name.
        folders: the folders that it mounts.
    """

    name: str
    arguments: list[str]
    secrets: dict[str, str]
    folders: list[Path]


def settings() -> Settings:
    """Return the settings of the run that this process is part of."""
    return Settings(**json.loads(os.environ[_VARIABLE]))


def count_cpus() -> int:
    """Return the number of processors of the engine.

    Raises:
        InputError: no engine answers.
    """
    try:
        command = ["docker", "info", "--format", "{{.NCPU}}"]
        done = subprocess.run(command, capture_output=True, text=True)
        # Some clients report an engine that does not answer as one without processors.
        if done.returncode == 0 and (cpus := int(done.stdout)):
            return cpus
        problem = (done.stderr.strip().splitlines() or ["it has no processors"])[-1]
    except FileNotFoundError:
        problem = "docker is not installed"
    raise InputError(problem, "run build-support/setup", "the Docker engine")


def image_of(image: str, images: Mapping[str, str]) -> str:
    """Return the name and tag of the image that a config names.

    Raises:
        InputError: it is not the repository of an image here.
    """
    if image not in images:
        raise InputError(f"image {image!r} is not built here", nearest(image, images))
    return images[image]


def refusal(what: str) -> InputError:
    """Return the error for a part of a config that needs a cluster."""
    return InputError(
        f"{what} does not work in a local run: it needs Kubernetes",
        "remove it (in an overlay, if a cluster needs it)",
    )


def run_container(container: Container) -> int:
    """Run a container and return its exit code. The container ends with this process."""
    name = f"maxai-local-{uuid.uuid4().hex[:12]}"
    for folder in container.folders:
        # Docker would create it as root.
        if not folder.is_file():
            folder.mkdir(parents=True, exist_ok=True)
    guard = subprocess.Popen(
        ["sh", "-c", _GUARD, name], stdin=subprocess.PIPE, start_new_session=True
    )
    command = ["docker", "run", "--rm", "--init", "--pull", "never", "--name", name]
    try:
        return subprocess.call(
            [*command, *container.arguments], env={**os.environ, **container.secrets}
        )
    finally:
        guard.communicate()
