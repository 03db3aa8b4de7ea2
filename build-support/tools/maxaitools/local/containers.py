"""Docker containers that end with the process that started them, and their images."""

import dataclasses
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from maxairesources.errors import InputError
from maxairesources.tree import nearest

# Every container has this label with the id of its run.
LABEL = "maxai.local"

_VARIABLE = "MAXAI_LOCAL"

# Prefixes of the variables from which handlers read credentials.
_CREDENTIALS = (
    "AIRFLOW_CONN_",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_",
    "FSSPEC_",
)

# Waits until the process at the other end of its input has ended, even by a kill: a killed
# Docker client does not end its container.
_GUARD = 'cat > /dev/null; exec docker rm --force "$0" > /dev/null 2>&1'


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of a run, which all of its processes get in the environment.

    Attributes:
        run: the run's id.
        data: the data root.
        cpus: the number of processors of the engine.
        images: the name and tag of the image of each repository.
        local: the folder of Secrets and ConfigMaps.
    """

    run: str
    data: str
    cpus: int
    images: dict[str, str]
    local: str

    def export(self, environment: "os._Environ[str] | dict[str, str]") -> None:
        """Put the settings into the environment of a process."""
        environment[_VARIABLE] = json.dumps(dataclasses.asdict(self))


class Container(NamedTuple):
    """A container to run.

    Attributes:
        name: its name in its pod.
        arguments: those of `docker run`.
        secrets: the values of variables that the arguments only name.
    """

    name: str
    arguments: list[str]
    secrets: dict[str, str]


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
    if image in images:
        return images[image]
    problem = f"image {image!r} is not built here"
    if image.partition(":")[0] in images:
        remedy = "remove the tag: a local run uses the image of this working copy"
    else:
        remedy = nearest(image, images)
    raise InputError(problem, remedy)


def built_image(domain: str, folder: Path) -> str:
    """Return the name and tag of a domain's image from a record of Pants in a folder."""
    info = folder / f"maxaiusecases.{domain}" / "image.docker-info.json"
    return str(json.loads(info.read_text())["registries"][0]["tags"][0]["name"])


def run_container(
    container: Container, show: Callable[[str], object] | None = None
) -> int:
    """Run a container and return its exit code. The container ends with this process.

    Args:
        container: the container.
        show: called with each line of output; None uses the streams of this process.
    """
    name = f"maxai-local-{uuid.uuid4().hex[:12]}"
    guard = subprocess.Popen(
        ["sh", "-c", _GUARD, name], stdin=subprocess.PIPE, start_new_session=True
    )
    assert guard.stdin is not None
    label = f"{LABEL}={settings().run}"
    command = ["docker", "run", "--rm", "--init", "--pull", "never", "--name", name]
    streams = {} if show is None else {"stdout": -1, "stderr": subprocess.STDOUT}
    try:
        with subprocess.Popen(
            [*command, "--label", label, *container.arguments],
            env={**os.environ, **container.secrets},
            text=True,
            errors="replace",
            **streams,  # type: ignore[call-overload]
        ) as client:
            for line in client.stdout if show else ():
                assert show is not None
                show(line.rstrip("\n"))
            return int(client.wait())
    finally:
        guard.stdin.close()
        guard.wait()


def remove_containers(run: str) -> None:
    """Remove the containers of a run that still exist, and warn if one cannot be removed."""
    listing = ["docker", "ps", "--all", "--quiet", "--filter", f"label={LABEL}={run}"]
    # A container may start while others are removed.
    for _ in range(3):
        found = subprocess.run(listing, capture_output=True, text=True).stdout.split()
        if not found:
            return
        subprocess.run(["docker", "rm", "--force", *found], capture_output=True)
    print(f"warning: containers are left: docker rm -f {found}", file=sys.stderr)


def common_arguments() -> list[str]:
    """Return the arguments of `docker run` for every task.

    The user who starts the run owns the output of the tasks.
    """
    user = f"{os.getuid()}:{os.getgid()}"
    # Only the names, so that no list of processes shows a secret.
    names = sorted(name for name in os.environ if name.startswith(_CREDENTIALS))
    passed = [word for name in names for word in ("--env", name)]
    return ["--user", user, *passed]
