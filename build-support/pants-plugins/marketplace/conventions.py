"""Checks that the three trees keep the conventions: `lint`, and the goal that lists them.

Each domain is a partition of its own, so that a change of one checks that one alone. What
belongs to no domain is checked as one without a name.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Iterable

from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.target_types import EntryPoint
from pants.backend.python.util_rules.pex import PexRequest, VenvPex, VenvPexProcess
from pants.backend.python.util_rules.pex_from_targets import PexFromTargetsRequest
from pants.core.goals.lint import LintFilesRequest, LintResult
from pants.core.util_rules.partitions import Partition, Partitions
from pants.engine.addresses import Address
from pants.engine.console import Console
from pants.engine.fs import Digest, DigestContents, PathGlobs, Paths
from pants.engine.goal import Goal, GoalSubsystem
from pants.engine.process import FallibleProcessResult
from pants.engine.rules import Get, MultiGet, collect_rules, goal_rule, rule
from pants.option.option_types import SkipOption
from pants.util.logging import LogLevel

from marketplace.changes import MACROS, read_macros
from marketplace.convention_rules import RULES, check
from marketplace.deployments import Deployments
from marketplace.domain_files import CONFIGS, TREES, Domain

CHECKER = Address(
    "maxairesources/config_store",
    target_name="check",
    relative_file_path="check.py",
)
REQUIREMENTS = "3rdparty/python/*.txt"
# A change of these is one of every domain.
OF_ALL = (
    "BUILD",
    "pants.toml",
    MACROS,
    "3rdparty/python/build-support.lock",
    "maxairesources/config_store/",
    "maxairesources/errors.py",
)


class Conventions(GoalSubsystem):
    name = "conventions"
    help = "Lists the conventions of the three trees, which `lint` enforces."

    skip = SkipOption("lint")


class ConventionsGoal(Goal):
    subsystem_cls = Conventions
    environment_behavior = Goal.EnvironmentBehavior.LOCAL_ONLY


class ConventionsRequest(LintFilesRequest):
    tool_subsystem = Conventions  # type: ignore[assignment]


@dataclass(frozen=True)
class Registered:
    """The lock of each resolve, the domains that the macros have, and the deployments."""

    resolves: tuple[tuple[str, str], ...]
    domains: tuple[str, ...]
    deployments: tuple[str, ...]


@dataclass(frozen=True)
class FindingsRequest:
    domain: str


@dataclass(frozen=True)
class Findings:
    """The findings, a line each, and what else a process had to say."""

    lines: tuple[str, ...]
    stderr: str


@goal_rule
async def list_conventions(console: Console) -> ConventionsGoal:
    for each in RULES:
        console.print_stdout(console.cyan(each.id))
        for label, text in zip(("", "Why: ", "Fix: "), each.texts):
            lines = textwrap.wrap(label + text, 84)
            console.print_stdout(textwrap.indent("\n".join(lines), "    "))
    return ConventionsGoal(exit_code=0)


@rule
async def read_registered(
    python_setup: PythonSetup, deployments: Deployments
) -> Registered:
    macros = await Get(DigestContents, PathGlobs([MACROS]))
    lists = [read_macros(file.content.decode())[1] for file in macros]
    domains = [name for each in lists for name in sorted(each.get("DOMAINS", ()))]
    resolves = tuple(python_setup.resolves.items())
    return Registered(resolves, tuple(domains), deployments.names)


@rule
async def partition(
    request: ConventionsRequest.PartitionRequest,
    conventions: Conventions,
    registered: Registered,
) -> Partitions[str, Any]:
    if conventions.skip:
        return Partitions()
    files = request.files
    domains = set()
    if any(file.startswith(OF_ALL) for file in files):
        paths = await Get(Paths, PathGlobs([f"{tree}/**" for tree in TREES]))
        files += (*paths.files, *(lock for _, lock in registered.resolves))
        domains = {*registered.domains}
    for tree, *names in (file.split("/") for file in files):
        if tree in TREES:
            domains.add(names[0] if len(names) > 1 else "")
    if any(PurePath(file).match(REQUIREMENTS) for file in files):
        domains.add("")
    # The file that stands for all is the domain, so that there is one batch of each.
    return Partitions(Partition((domain,), None) for domain in sorted(domains))


@rule(desc="Check the configs", level=LogLevel.DEBUG)
async def find(request: FindingsRequest, registered: Registered) -> Findings:
    name = request.domain
    below = f"/{name}/**" if name else "/*"
    globs = [f"{tree}{below}" for tree in TREES] + ([] if name else [REQUIREMENTS])
    configs, contents = await MultiGet(
        Get(Digest, PathGlobs([f"{CONFIGS}/{name}/**/*.json"] if name else [])),
        Get(DigestContents, PathGlobs(globs)),
    )
    files = {file.path: file.content.decode(errors="replace") for file in contents}
    errors, stderr = "", ""
    if any(path.endswith("/py_config.json") for path in files):
        pex = await Get(
            PexRequest,
            PexFromTargetsRequest(
                [CHECKER],
                output_filename="check_configs.pex",
                internal_only=True,
                main=EntryPoint("maxairesources.config_store.check"),
            ),
        )
        venv = await Get(VenvPex, PexRequest, pex)
        result = await Get(
            FallibleProcessResult,
            VenvPexProcess(
                venv,
                argv=(name,),
                input_digest=configs,
                description=f"Check the configs of {name}.",
                level=LogLevel.DEBUG,
            ),
        )
        errors = result.stdout.decode()
        # Without a line for an error, it did not get so far as to check.
        stderr = (
            result.stderr.decode() if result.exit_code and not errors.strip() else ""
        )
    domain = Domain(
        name,
        files,
        dict(registered.resolves),
        registered.domains,
        registered.deployments,
        tuple(filter(None, errors.splitlines())),
    )
    return Findings(tuple(check(domain)), stderr)


@rule(desc="Check the conventions", level=LogLevel.DEBUG)
async def lint(request: ConventionsRequest.Batch[str, Any]) -> LintResult:
    (domain,) = request.elements
    # Pants keeps what this finds for its next run, which it does not with a LintResult.
    findings = await Get(Findings, FindingsRequest(domain))
    return LintResult(
        1 if findings.lines or findings.stderr else 0,
        "\n".join(findings.lines),
        findings.stderr,
        request.tool_name,
        domain or None,
    )


def rules() -> Iterable[Any]:
    return [*collect_rules(), *ConventionsRequest.rules()]
