"""Runs linters from the Python package index, which the resolve `lint` locks.

The backends of Pants 2.17 download most of these tools from elsewhere. Its backend for ruff
calls ruff as versions since 0.5 do not allow: `./pants fix` would fail.
"""

from __future__ import annotations

import dataclasses
import re
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
from pants.engine.fs import Digest, DigestContents, PathGlobs
from pants.engine.process import FallibleProcessResult
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.option.option_types import SkipOption
from pants.option.subsystem import Subsystem
from pants.util.logging import LogLevel


@dataclass(frozen=True)
class WheelLinter:
    """A command of the resolve `lint`, and how to run it.

    Attributes:
        command: the name of the command.
        patterns: the files that it checks, as `PurePath.match` accepts them.
        arguments: its arguments before the files.
    """

    command: str
    patterns: tuple[str, ...]
    arguments: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """The description of a partition, which Pants prints."""
        return self.command

    def checks(self, path: str) -> bool:
        return any(PurePath(path).match(pattern) for pattern in self.patterns)


# Pants infers no dependency from these, so handlers and DAGs must not use them.
_DYNAMIC_IMPORTS = (
    "builtins.__import__",
    "importlib.import_module",
    "importlib.util.module_from_spec",
    "pkgutil",
    "runpy",
)
_WHY_NOT = (
    "Pants cannot see which module it imports, so a change of that module would not run "
    "the tests of this file; use an import statement, or add the module to the "
    "dependencies in the BUILD file and `# noqa: TID251` to this line"
)
_SCHEMAS = {
    ".github/workflows/*.y*ml": ("vendor.github-workflows",),
    ".github/dependabot.yml": ("vendor.dependabot",),
    "gitlab-ci.yml": ("vendor.gitlab-ci", "--data-transform", "gitlab-ci"),
}
LINTERS = (
    *(
        WheelLinter("check-jsonschema", (pattern,), ("--builtin-schema", *schema))
        for pattern, schema in _SCHEMAS.items()
    ),
    WheelLinter("hadolint", ("Dockerfile",)),
    WheelLinter(
        "ruff",
        ("*.py", "build-support/checks/workflows", "build-support/images/base-image"),
        (
            *("check", "--isolated", "--no-cache", "--quiet"),
            "--output-format=concise",
            "--target-version=py311",
            "--select=AIR3,B,E4,E7,E9,F,TID251",
            # zip() of CPython 3.9, which the plugin runs on, has no `strict`.
            "--ignore=B905",
            # Pants defines the names in there.
            "--per-file-ignores=build-support/macros.py:F821",
            # In maxaidags and maxaiusecases.
            "--per-file-ignores=!maxai[du]*/**:TID251",
            "--config=lint.flake8-tidy-imports.banned-api={%s}"
            % ", ".join(f"'{name}'={{msg='{_WHY_NOT}'}}" for name in _DYNAMIC_IMPORTS),
        ),
    ),
    WheelLinter("shellcheck", ("*.sh",)),
    WheelLinter(
        "zizmor",
        (".github/workflows/*.y*ml", ".github/actions/*/action.y*ml"),
        ("--offline", "--persona=auditor", "--no-progress", "--quiet")
        + ("--strict-collection",),
    ),
)
# The first line of a shell script.
_SHEBANG = re.compile(rb"#!.*\b(ba)?sh\b")


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
    # Scripts that people type have no suffix.
    bare = PathGlobs(path for path in request.files if not PurePath(path).suffix)
    contents = await Get(DigestContents, PathGlobs, bare)
    scripts = {each.path for each in contents if _SHEBANG.match(each.content)}
    names = {each: f"{each}.sh" if each in scripts else each for each in request.files}
    return Partitions(
        Partition(files, linter)
        for linter in LINTERS
        if (files := tuple(path for path in names if linter.checks(names[path])))
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
