"""Lints with tools that the Python package index has wheels of.

The backends of Pants 2.17 for such tools download them from elsewhere. All of these come from
the resolve `lint`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Iterable

from pants.backend.python.util_rules.pex import (
    PexRequest,
    VenvPex,
    VenvPexProcess,
    VenvPexRequest,
)
from pants.backend.python.util_rules.pex_environment import PexEnvironment
from pants.backend.python.util_rules.pex_requirements import PexRequirements, Resolve
from pants.core.goals.lint import LintFilesRequest, LintResult
from pants.core.util_rules.partitions import Partition, Partitions
from pants.engine.fs import Digest, PathGlobs
from pants.engine.process import FallibleProcessResult
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.option.option_types import SkipOption
from pants.option.subsystem import Subsystem
from pants.util.logging import LogLevel


@dataclass(frozen=True)
class WheelLinter:
    """A command of the resolve `lint`, and the files it checks, as `PurePath.match` takes them."""

    command: str
    patterns: tuple[str, ...]
    arguments: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """What Pants shows for the files of one linter."""
        return self.command

    def checks(self, path: str) -> bool:
        return any(PurePath(path).match(pattern) for pattern in self.patterns)


LINTERS = (
    WheelLinter(
        "check-jsonschema",
        (".github/workflows/*.y*ml",),
        ("--builtin-schema", "vendor.github-workflows"),
    ),
    WheelLinter("hadolint", ("Dockerfile",)),
    WheelLinter(
        "ruff",
        ("*.py", "build-support/docker/base-image"),
        (
            *(
                "check",
                "--isolated",
                "--no-cache",
                "--quiet",
                "--output-format=concise",
            ),
            "--target-version=py311",
            "--select=B,E4,E7,E9,F",
            # The zip of CPython 3.9, which the plugin runs on, cannot be strict.
            "--ignore=B905",
            # Pants knows the names in there.
            "--per-file-ignores=build-support/macros.py:F821",
        ),
    ),
    # Scripts that people type have no suffix, so they are named one by one.
    WheelLinter(
        "shellcheck",
        (
            "*.sh",
            "pants",
            ".ci/run",
            "build-support/setup",
            "build-support/ci/new-tree",
            "build-support/ci/push-bases",
            "build-support/bench/rebuild",
            "build-support/bench/start-up",
            "build-support/docker/spark-entrypoint",
        ),
    ),
    WheelLinter(
        "zizmor",
        (".github/workflows/*.y*ml", ".github/actions/*/action.y*ml"),
        ("--offline", "--no-progress", "--quiet", "--strict-collection"),
    ),
)


class WheelLinters(Subsystem):
    options_scope = "wheel-linters"
    name = "Wheel linters"
    help = "Linters from the Python package index."

    skip = SkipOption("lint")


class WheelLintersRequest(LintFilesRequest):
    tool_subsystem = WheelLinters  # type: ignore[assignment]


@rule
async def partition(
    request: WheelLintersRequest.PartitionRequest, subsystem: WheelLinters
) -> Partitions[str, Any]:
    if subsystem.skip:
        return Partitions()
    files_of = {
        linter: tuple(path for path in request.files if linter.checks(path))
        for linter in LINTERS
    }
    return Partitions(
        Partition(files, linter) for linter, files in files_of.items() if files
    )


@rule(desc="Lint with a tool from a wheel", level=LogLevel.DEBUG)
async def lint(
    request: WheelLintersRequest.Batch[str, WheelLinter],
    pex_environment: PexEnvironment,
) -> LintResult:
    linter = request.partition_metadata
    venv, sources = await MultiGet(
        Get(
            VenvPex,
            VenvPexRequest(
                PexRequest(
                    output_filename="lint.pex",
                    internal_only=True,
                    requirements=PexRequirements(
                        from_superset=Resolve("lint", use_entire_lockfile=True)
                    ),
                ),
                pex_environment.in_sandbox(working_directory=None),
                bin_names=(linter.command,),
            ),
        ),
        Get(Digest, PathGlobs(request.elements)),
    )
    result = await Get(
        FallibleProcessResult,
        VenvPexProcess(
            dataclasses.replace(venv, pex=venv.bin[linter.command]),
            argv=(*linter.arguments, *request.elements),
            input_digest=sources,
            description=f"Run {linter.command} on {len(request.elements)} files.",
            level=LogLevel.DEBUG,
        ),
    )
    return LintResult.create(request, result)


def rules() -> Iterable[Any]:
    return [*collect_rules(), *WheelLintersRequest.rules()]
