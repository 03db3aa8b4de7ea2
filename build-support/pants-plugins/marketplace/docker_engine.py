"""Says what to do when an image is to be built and no Docker engine answers.

The backend has one hook for plugins, which runs before an image is built: it asks for more
tags. This module answers with none, and looks for the engine on the way.
"""

from __future__ import annotations

from typing import Any, Iterable

from pants.backend.docker.target_types import DockerImageTags, DockerImageTagsRequest
from pants.backend.docker.util_rules.docker_binary import DockerBinary
from pants.engine.process import FallibleProcessResult, Process, ProcessCacheScope
from pants.engine.rules import Get, collect_rules, rule
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel


class NoDockerEngine(Exception):
    """No engine answers the docker command; the message is docker's own and what to do."""


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


def rules() -> Iterable[Any]:
    return [*collect_rules(), UnionRule(DockerImageTagsRequest, NoTagsRequest)]
