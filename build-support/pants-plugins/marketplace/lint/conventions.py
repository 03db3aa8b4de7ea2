"""Runs build-support/tools/maxaitools/conventions in `lint`, with a process for each domain.

A change of one domain checks only that domain. The files outside of all domains are checked as a
domain without a name.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Any, Iterable

from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.target_types import EntryPoint
from pants.backend.python.util_rules.pex import PexRequest, VenvPex, VenvPexProcess
from pants.backend.python.util_rules.pex_from_targets import PexFromTargetsRequest
from pants.core.goals.lint import LintFilesRequest, LintResult
from pants.core.util_rules.partitions import Partition, Partitions
from pants.engine.addresses import Address
from pants.engine.fs import Digest, DigestContents, PathGlobs, Paths
from pants.engine.process import FallibleProcessResult
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.option.option_types import SkipOption
from pants.option.subsystem import Subsystem
from pants.util.logging import LogLevel

from marketplace.graph.deployments import Deployments
from maxairesources.tree import MACROS, PANTS_TOML, TREES, read_macros

TOOL = "build-support/tools/maxaitools/conventions"
REQUIREMENTS = "3rdparty/python/*.txt"
# A change of these files checks every domain.
OF_ALL = (
    "BUILD",
    PANTS_TOML,
    MACROS,
    "3rdparty/python/build-support.lock",
    TOOL,
    "maxairesources/configs/",
    "maxairesources/dynamic_imports.py",
    "maxairesources/errors.py",
    "maxairesources/launches.py",
)


class Conventions(Subsystem):
    options_scope = "conventions"
    name = "conventions"
    help = (
        "The conventions of the three trees, which `./pants list-conventions` prints."
    )

    skip = SkipOption("lint")


class ConventionsRequest(LintFilesRequest):
    tool_subsystem = Conventions  # type: ignore[assignment]


@rule
async def partition(
    request: ConventionsRequest.PartitionRequest,
    conventions: Conventions,
    python_setup: PythonSetup,
) -> Partitions[str, Any]:
    if conventions.skip:
        return Partitions()
    files = request.files
    domains = set()
    if any(file.startswith(OF_ALL) for file in files):
        paths, macros = await MultiGet(
            Get(Paths, PathGlobs([f"{tree}/**" for tree in TREES])),
            Get(DigestContents, PathGlobs([MACROS])),
        )
        files += (*paths.files, *python_setup.resolves.values())
        for file in macros:
            domains |= read_macros(file.content.decode())[1].get("DOMAINS", set())
    for tree, *names in (file.split("/") for file in files):
        if tree in TREES:
            domains.add(names[0] if len(names) > 1 else "")
    if any(PurePath(file).match(REQUIREMENTS) for file in files):
        domains.add("")
    # The element is the domain instead of its files, so that each domain is one batch.
    return Partitions(Partition((domain,), None) for domain in sorted(domains))


@rule(desc="Check the conventions", level=LogLevel.DEBUG)
async def lint(
    request: ConventionsRequest.Batch[str, Any], deployments: Deployments
) -> LintResult:
    (domain,) = request.elements
    below = f"/{domain}/**" if domain else "/*"
    globs = [f"{tree}{below}" for tree in TREES] + ([] if domain else [REQUIREMENTS])
    pex, files = await MultiGet(
        Get(
            PexRequest,
            PexFromTargetsRequest(
                [Address(TOOL, relative_file_path="main.py")],
                output_filename="conventions.pex",
                internal_only=True,
                main=EntryPoint("maxaitools.conventions.main"),
            ),
        ),
        Get(Digest, PathGlobs([PANTS_TOML, MACROS, *globs])),
    )
    venv = await Get(VenvPex, PexRequest, pex)
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
    return LintResult(
        result.exit_code,
        result.stdout.decode().strip(),
        result.stderr.decode(),
        request.tool_name,
        domain or None,
    )


def rules() -> Iterable[Any]:
    return [*collect_rules(), *ConventionsRequest.rules()]
