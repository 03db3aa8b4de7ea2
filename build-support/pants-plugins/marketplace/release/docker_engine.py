"""Builds an image only if the Docker engine lacks it, and reports a missing engine.

The Docker backend has one hook for plugins, which runs before a build and asks for more tags.
This module adds no tag there, but checks that an engine answers.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import Any, Callable, Iterable

from pants.backend.docker.target_types import DockerImageTags, DockerImageTagsRequest
from pants.backend.docker.util_rules.docker_binary import DockerBinary
from pants.engine.process import FallibleProcessResult, Process, ProcessCacheScope
from pants.engine.rules import Get, collect_rules, rule
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel

# docker and skopeo find the engine, credentials and proxies by these variables.
ENVIRONMENT = (
    *("HOME", "PATH", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_HOST"),
    *("DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
)


class NoDockerEngine(Exception):
    """No Docker engine answers; the message contains docker's own error and a fix."""


# If the only tag of an image is its content tag and the engine has it, no build is needed. Pants
# reads the image's id from the output.
_BUILD = """\
if id=$("$0" image inspect --format '{{.Id}}' "$1" 2>/dev/null); then
  echo "Successfully built $id"
else
  shift; exec "$0" "$@"
fi
"""
_CONTENT_TAG = re.compile(r".*:[0-9a-f]{64}")


class NoTagsRequest(DockerImageTagsRequest):
    pass


@rule
async def look_for_engine(_: NoTagsRequest, docker: DockerBinary) -> DockerImageTags:
    result = await Get(
        FallibleProcessResult,
        Process(
            (docker.path, "version", "--format", "{{.Server.Version}}"),
            description="Look for a Docker engine.",
            level=LogLevel.DEBUG,
            cache_scope=ProcessCacheScope.PER_SESSION,
        ),
    )
    if result.exit_code != 0:
        reason = result.stderr.decode().strip().splitlines()[-1:]
        raise NoDockerEngine(
            "docker: images and their tests need a Docker engine, and none answers; run "
            f"build-support/setup, which installs one or explains how. {' '.join(reason)}"
        )
    return DockerImageTags()


def unless_it_is_there(stock: Callable[..., Process]) -> Callable[..., Process]:
    """Wrap `DockerBinary.build_image` so that it does not rebuild an image of the engine."""

    @functools.wraps(stock)
    def wrapper(self: DockerBinary, *args: Any, **kwargs: Any) -> Process:
        process = stock(self, *args, **kwargs)
        docker, *arguments = process.argv
        tags = [arguments[i + 1] for i, each in enumerate(arguments) if each == "--tag"]
        if len(tags) != 1 or not _CONTENT_TAG.fullmatch(tags[0]):
            return process
        argv = ("/bin/sh", "-c", _BUILD, docker, tags[0], *arguments)
        return dataclasses.replace(process, argv=argv)

    return wrapper


def install() -> None:
    """Wrap the method for all builds of this process; a second call changes nothing."""
    if not hasattr(DockerBinary.build_image, "__wrapped__"):
        DockerBinary.build_image = unless_it_is_there(DockerBinary.build_image)  # type: ignore[method-assign]


def rules() -> Iterable[Any]:
    return [*collect_rules(), UnionRule(DockerImageTagsRequest, NoTagsRequest)]
