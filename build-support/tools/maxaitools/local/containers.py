"""Docker containers that end with the process that started them."""

import dataclasses
import json
import os
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import Any, NamedTuple

from maxairesources.errors import InputError

# A pod, or a part of one, as the JSON that Kubernetes would get.
Pod = dict[str, Any]

_VARIABLE = "MAXAI_LOCAL"

# Samples the memory that the kernel cannot take back, of all processes of a container. The
# kernel's own maximum (memory.peak) also counts files that a handler has read.
_SAMPLE = """
cd /sys/fs/cgroup/memory 2> /dev/null || cd /sys/fs/cgroup && test -r memory.stat || exit 2
peak=0
while used=0; do
  while read -r key value; do
    case $key in anon | rss | shmem) used=$((used + value)) ;; esac
  done < memory.stat
  test "$used" -le "$peak" || echo "$((peak = used))"
  sleep 0.1
done
"""

# Samples the memory once the container has started, and waits until the process at the other
# end of its input has ended, even by a kill: a killed Docker client does not end its container.
_GUARD = """
while docker exec "$0" sh -c "$1" 2> /dev/null; test $? = 1; do sleep 0.1; done &
cat > /dev/null
kill $! 2> /dev/null
exec docker rm --force "$0" > /dev/null 2>&1
"""


@dataclasses.dataclass(frozen=True)
class LocalRun:
    """A run; all of its processes get it in the environment.

    Attributes:
        data: the data root.
        local: the folder of Secrets and ConfigMaps.
        images: the name and tag of the image of each repository.
    """

    data: str
    local: str
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
        limit: the limit of its memory in bytes, if it has one.
    """

    name: str
    arguments: list[str]
    secrets: dict[str, str]
    folders: list[Path]
    limit: int | None


def settings() -> LocalRun:
    """Return the run that this process is part of."""
    return LocalRun(**json.loads(os.environ[_VARIABLE]))


def check_engine() -> None:
    """Raise an InputError if no Docker engine answers."""
    try:
        done = subprocess.run(["docker", "version"], capture_output=True, text=True)
        if done.returncode == 0:
            return
        problem = (done.stderr.strip().splitlines() or ["it does not answer"])[-1]
    except FileNotFoundError:
        problem = "docker is not installed"
    raise InputError(problem, "run build-support/setup", "the Docker engine")


def refusal(what: str) -> InputError:
    """Return the error for a part of a config that needs a cluster."""
    return InputError(
        f"{what} does not work in a local run: it needs Kubernetes",
        "remove it (in an overlay, if a cluster needs it)",
    )


def run_container(container: Container) -> tuple[int, int | None]:
    """Run a container, which ends with this process.

    Returns:
        Its exit code, and the most memory that it used in bytes; None if no sample was taken.
    """
    name = f"maxai-local-{uuid.uuid4().hex[:12]}"
    for folder in container.folders:
        # Docker would create it as root.
        if not folder.is_file():
            folder.mkdir(parents=True, exist_ok=True)
    command = ["docker", "run", "--rm", "--init", "--pull", "never", "--name", name]
    with tempfile.TemporaryFile("w+") as samples:
        guard = subprocess.Popen(
            ["sh", "-c", _GUARD, name, _SAMPLE],
            stdin=subprocess.PIPE,
            stdout=samples,
            start_new_session=True,
        )
        try:
            code = subprocess.call(
                [*command, *container.arguments],
                env={**os.environ, **container.secrets},
            )
        finally:
            guard.communicate()
        samples.seek(0)
        # Docker prints there, too, if the image has no shell.
        peaks = [int(line) for line in samples if line.strip().isdecimal()]
        return code, max(peaks, default=None)
