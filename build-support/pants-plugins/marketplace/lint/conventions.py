"""Checks the conventions in `lint`: one batch, and so one process, for each domain.

The files outside of all domains are those of a domain without a name.
"""

from __future__ import annotations

from typing import Any, Iterable

from pants.backend.python.target_types import EntryPoint
from pants.backend.python.util_rules.pex import VenvPex, VenvPexProcess
from pants.backend.python.util_rules.pex_from_targets import PexFromTargetsRequest
from pants.core.goals.lint import LintFilesRequest, LintResult
from pants.core.util_rules.partitions import Partition, Partitions
from pants.engine.addresses import Address
from pants.engine.fs import Digest, PathGlobs
from pants.engine.process import FallibleProcessResult
from pants.engine.rules import Get, collect_rules, rule
from pants.option.option_types import SkipOption
from pants.option.subsystem import Subsystem
from pants.util.logging import LogLevel

from marketplace.graph.deployments import Deployments
from maxairesources.tree import TREES

TOOL = "build-support/tools/maxaitools/conventions"


class Conventions(Subsystem):
    options_scope = "conventions"
    name = "conventions"
    help = "The conventions of the three trees; `./pants list-conventions` prints them."

    skip = SkipOption("lint")


class ConventionsRequest(LintFilesRequest):
    tool_subsystem = Conventions  # type: ignore[assignment]


@rule
async def partition(
    request: ConventionsRequest.PartitionRequest, conventions: Conventions
) -> Partitions[str, Any]:
    paths = [] if conventions.skip else [path.split("/") for path in request.files]
    domains = {path[1] if path[2:] else "" for path in paths if path[0] in TREES}
    return Partitions(Partition((domain,), None) for domain in sorted(domains))


@rule(desc="Check the conventions", level=LogLevel.DEBUG)
async def lint(
    request: ConventionsRequest.Batch[str, Any], deployments: Deployments
) -> LintResult:
    (domain,) = request.elements
    below = f"{domain}/**" if domain else "*"
    files = await Get(Digest, PathGlobs([f"{tree}/{below}" for tree in TREES]))
    venv = await Get(
        VenvPex,
        PexFromTargetsRequest(
            [Address(TOOL, relative_file_path="check.py")],
            output_filename="conventions.pex",
            internal_only=True,
            main=EntryPoint("maxaitools.conventions.check"),
        ),
    )
    result = await Get(
        FallibleProcessResult,
        VenvPexProcess(
            venv,
            argv=(f"--domain={domain}", "--deployments", *deployments.names),
            input_digest=files,
            description=f"Check the conventions of {domain or 'the other files'}",
            level=LogLevel.DEBUG,
        ),
    )
    output, errors = result.stdout.decode(), result.stderr.decode()
    return LintResult(result.exit_code, output, errors, request.tool_name, domain)


def rules() -> Iterable[Any]:
    return [*collect_rules(), *ConventionsRequest.rules()]
