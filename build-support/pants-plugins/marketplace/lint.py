"""The linters of the goal `lint`: the conventions, and tools from the Python package index.

The backends of Pants 2.17 download most of these tools from elsewhere. Its backend for ruff
calls ruff as versions since 0.5 do not allow: `./pants fix` would fail.
"""

from __future__ import annotations

import glob
import re
from dataclasses import replace
from hashlib import sha256
from pathlib import Path, PurePath
from typing import Any, Iterable, NamedTuple

from pants.backend.python.target_types import EntryPoint
from pants.backend.python.util_rules.pex import (
    PexRequest,
    VenvPex,
    VenvPexProcess,
    VenvPexRequest,
)
from pants.backend.python.util_rules.pex_environment import PexEnvironment
from pants.backend.python.util_rules.pex_from_targets import PexFromTargetsRequest
from pants.backend.python.util_rules.pex_requirements import PexRequirements, Resolve
from pants.base.build_environment import get_buildroot, get_pants_cachedir
from pants.core.goals.lint import LintFilesRequest, LintResult
from pants.core.util_rules.partitions import Partition, Partitions
from pants.engine.addresses import Address
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.fs import Digest, DigestContents, PathGlobs
from pants.engine.process import FallibleProcessResult
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.option.subsystem import Subsystem
from pants.util.logging import LogLevel

from maxairesources.tree import CONFIGS, DOMAIN_CONFIG, PROBLEMS, PY_CONFIG
from maxairesources.tree import SETTINGS, TREES, domain_of

CONVENTIONS = Address(
    "build-support/tools/maxaitools/conventions", relative_file_path="check.py"
)


class WheelLinter(NamedTuple):
    """A command of the resolve `lint`, the files that it checks, and the arguments before them."""

    description: str
    patterns: tuple[str, ...]
    arguments: tuple[str, ...] = ()


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
_WORKFLOWS = ".github/workflows/*.y*ml"
_ACTIONS = ".github/actions/*/action.y*ml"
_SCHEMA = "--builtin-schema=vendor"
_GITLAB = (f"{_SCHEMA}.gitlab-ci", "--data-transform=gitlab-ci")
_OFFLINE = ("--offline", "--persona=auditor", "--strict-collection")
LINTERS = (
    WheelLinter("check-jsonschema", (_WORKFLOWS,), (f"{_SCHEMA}.github-workflows",)),
    WheelLinter("check-jsonschema", ("dependabot.yml",), (f"{_SCHEMA}.dependabot",)),
    WheelLinter("check-jsonschema", ("gitlab-ci.yml",), _GITLAB),
    WheelLinter("hadolint", ("Dockerfile",)),
    WheelLinter(
        "ruff",
        ("*.py",),
        (
            *("check", "--isolated", "--no-cache", "--quiet"),
            "--output-format=concise",
            "--target-version=py311",
            "--select=AIR3,B,E4,E7,E9,F,TID251",
            # zip() of CPython 3.9, which the plugin runs on, has no `strict`.
            "--ignore=B905",
            # Pants defines the names in there.
            "--per-file-ignores=build-support/macros.py:F821",
            # In the three trees and the library.
            "--per-file-ignores=!maxai*/**:TID251",
            "--config=lint.flake8-tidy-imports.banned-api={%s}"
            % ", ".join(f"'{name}'={{msg='{_WHY_NOT}'}}" for name in _DYNAMIC_IMPORTS),
        ),
    ),
    WheelLinter("shellcheck", ("*.sh",)),
    WheelLinter(
        "zizmor", (_WORKFLOWS, _ACTIONS), (*_OFFLINE, "--no-progress", "--quiet")
    ),
)


class Conventions(Subsystem):
    options_scope = name = "conventions"
    help = "The conventions of the three trees; `./pants list-conventions` prints them."


class WheelLinters(Subsystem):
    options_scope = name = "wheel-linters"
    help = "Linters from the Python package index."


class ConventionsRequest(LintFilesRequest):
    tool_subsystem = Conventions  # type: ignore[assignment]


class WheelLintersRequest(LintFilesRequest):
    tool_subsystem = WheelLinters  # type: ignore[assignment]


@rule
async def partition_by_domain(
    request: ConventionsRequest.PartitionRequest,
) -> Partitions[str, Any]:
    # The files outside of all domains are those of a domain without a name.
    paths = (path for path in request.files if path.split("/")[0] in TREES)
    # A rule compares the py_configs of all domains. A deleted one is in no request.
    domains = {"*", *(domain_of(path) or "" for path in paths)}
    return Partitions(Partition((domain,), None) for domain in sorted(domains))


@rule(desc="Check the conventions")
async def check_conventions(
    request: ConventionsRequest.Batch[str, Any],
) -> LintResult:
    (domain,) = request.elements
    below = f"{domain}/**" if domain else "*"
    globs = [SETTINGS, *(f"{tree}/{below}" for tree in TREES)]
    if domain == "*":
        globs = [
            f"{CONFIGS}/*/*/*/{PY_CONFIG}",
            f"{CONFIGS}/*/{DOMAIN_CONFIG}",
            SETTINGS,
        ]
    files, variables, venv = await MultiGet(
        Get(Digest, PathGlobs(globs)),
        Get(EnvironmentVars, EnvironmentVarsRequest([PROBLEMS])),
        Get(
            VenvPex,
            PexFromTargetsRequest(
                [CONVENTIONS],
                output_filename="conventions.pex",
                internal_only=True,
                main=EntryPoint("maxaitools.conventions.check"),
            ),
        ),
    )
    result = await Get(
        FallibleProcessResult,
        VenvPexProcess(
            venv,
            argv=(f"--domain={domain}",),
            extra_env=variables,
            input_digest=files,
            description=f"Check the conventions of {domain or 'the other files'}",
            level=LogLevel.DEBUG,
        ),
    )
    output, errors = result.stdout.decode(), result.stderr.decode()
    return LintResult(result.exit_code, output, errors, request.tool_name, domain)


@rule
async def partition_by_linter(
    request: WheelLintersRequest.PartitionRequest,
) -> Partitions[str, Any]:
    # Scripts that people type have no suffix.
    bare = PathGlobs(glob.escape(p) for p in request.files if not PurePath(p).suffix)
    contents = await Get(DigestContents, PathGlobs, bare)
    scripts = {e.path for e in contents if re.match(rb"#!.*\b(ba)?sh\b", e.content)}

    def is_checked(path: str, linter: WheelLinter) -> bool:
        name = PurePath(f"{path}.sh" if path in scripts else path)
        return any(map(name.match, linter.patterns))

    return Partitions(
        Partition(files, linter)
        for linter in LINTERS
        if (files := tuple(p for p in request.files if is_checked(p, linter)))
    )


@rule(desc="Lint with a tool from a wheel")
async def run_linter(
    request: WheelLintersRequest.Batch[str, WheelLinter],
    pex_environment: PexEnvironment,
) -> LintResult:
    linter = request.partition_metadata
    lock = Resolve("lint", use_entire_lockfile=True)
    pex = PexRequest(
        output_filename="lint.pex",
        internal_only=True,
        requirements=PexRequirements(from_superset=lock),
    )
    environment = pex_environment.in_sandbox(working_directory=None)
    # A script may source another one, which did not change.
    sourced = ["build-support/**/*.sh"] if linter.description == "shellcheck" else []
    venv, sources = await MultiGet(
        Get(VenvPex, VenvPexRequest(pex, environment, bin_names=(linter.description,))),
        Get(Digest, PathGlobs([*map(glob.escape, request.elements), *sourced])),
    )
    result = await Get(
        FallibleProcessResult,
        VenvPexProcess(
            replace(venv, pex=venv.bin[linter.description]),
            argv=(*linter.arguments, *request.elements),
            input_digest=sources,
            description=f"Run {linter.description} on {len(request.elements)} files.",
            level=LogLevel.DEBUG,
        ),
    )
    return LintResult.create(request, result)


def create_mypy_cache() -> None:
    """Create the folders in which Pants keeps mypy's cache, one for each version of CPython.

    Pants 2.17 copies the cache there after each run, but does not create the folders, so each
    run would check all imported packages again.
    """
    clone = sha256(get_buildroot().encode()).hexdigest()
    for minor in range(9, 15):
        folder = Path(get_pants_cachedir(), "named_caches/mypy_cache", clone)
        (folder / f"3.{minor}").mkdir(parents=True, exist_ok=True)


def rules() -> Iterable[Any]:
    return [*collect_rules(), *ConventionsRequest.rules(), *WheelLintersRequest.rules()]
