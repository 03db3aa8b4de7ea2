"""Builds an image only if the Docker engine lacks it, and says what to do without an engine.

The backend has one hook for plugins, which runs before an image is built: it asks for more
tags. This module answers with none, and looks for the engine on the way.
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


class NoDockerEngine(Exception):
    """No engine answers the docker command; the message is docker's own and what to do."""


# An image whose only tag is that of its content needs no build if the engine has it. Pants
# finds the image's id in what is printed.
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
            "images and their tests need a Docker engine: build-support/setup brings one, "
            f"or says how to get it. {' '.join(reason)}"
        )
    return DockerImageTags()


def unless_it_is_there(stock: Callable[..., Process]) -> Callable[..., Process]:
    """`DockerBinary.build_image`, without a build of what the engine has."""

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
    """Makes all builds of this process so; a second call changes nothing."""
    if not hasattr(DockerBinary.build_image, "__wrapped__"):
        DockerBinary.build_image = unless_it_is_there(DockerBinary.build_image)  # type: ignore[method-assign]


def rules() -> Iterable[Any]:
    return [*collect_rules(), UnionRule(DockerImageTagsRequest, NoTagsRequest)]
