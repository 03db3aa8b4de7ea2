"""Lets specs narrow `--changed-since`, as in `--changed-since=origin/main package ::`.

Stock Pants takes either the one or the other (upstream issue 14243) and offers no hook for
it. This module wraps `calculate_specs`, the one function that turns arguments into specs. It
is the only place in this repository that touches what Pants does not call public.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Callable, Iterable

from pants.base.specs import Specs
from pants.base.specs_parser import SpecsParser
from pants.bin import local_pants_runner
from pants.core.util_rules.environments import determine_bootstrap_environment
from pants.engine.addresses import Addresses
from pants.engine.environment import EnvironmentName
from pants.engine.fs import SpecsPaths
from pants.engine.internals.scheduler import SchedulerSession
from pants.engine.internals.selectors import Params
from pants.engine.rules import QueryRule
from pants.option.options import Options
from pants.option.options_bootstrapper import OptionsBootstrapper
from pants.vcs.changed import ChangedOptions

CalculateSpecs = Callable[..., Specs]


class _WithoutSpecs:
    """The options of a run as they are when no spec is given."""

    specs: tuple[str, ...] = ()

    def __init__(self, options: Options) -> None:
        self._options = options

    def __getattr__(self, name: str) -> Any:
        return getattr(self._options, name)


def narrow(changed: Specs, addresses: set[str], files: set[str]) -> Specs:
    """The part of the changed specs that is among these addresses and files."""
    return dataclasses.replace(
        changed,
        includes=dataclasses.replace(
            changed.includes,
            address_literals=tuple(
                literal
                for literal in changed.includes.address_literals
                if str(literal) in addresses
            ),
            file_literals=tuple(
                literal
                for literal in changed.includes.file_literals
                if literal.file in files
            ),
        ),
    )


def narrowed_by_specs(calculate_specs: CalculateSpecs) -> CalculateSpecs:
    """`calculate_specs`, except that specs narrow `--changed-since` and do not exclude it."""

    @functools.wraps(calculate_specs)
    def wrapper(
        options_bootstrapper: OptionsBootstrapper,
        options: Options,
        session: SchedulerSession,
        working_dir: str,
    ) -> Specs:
        if not (
            options.specs
            and ChangedOptions.from_options(options.for_scope("changed")).provided
        ):
            return calculate_specs(options_bootstrapper, options, session, working_dir)

        changed = calculate_specs(
            options_bootstrapper,
            _WithoutSpecs(options),
            session,
            working_dir,
        )
        given = SpecsParser(working_dir=working_dir).parse_specs(
            options.specs,
            description_of_origin="CLI arguments",
            unmatched_glob_behavior=options.for_global_scope().unmatched_cli_globs,
        )
        if not given.ignores and any(
            spec.directory == "" for spec in given.includes.recursive_globs
        ):
            # `::` narrows nothing, and a deleted file, which no spec matches, stays.
            return changed
        params = Params(
            given, options_bootstrapper, determine_bootstrap_environment(session)
        )
        (addresses,) = session.product_request(Addresses, [params])
        (paths,) = session.product_request(SpecsPaths, [params])
        return narrow(
            changed, {address.spec for address in addresses}, set(paths.files)
        )

    return wrapper


def install() -> None:
    """Makes every later run of this process use the wrapper; a second call changes nothing."""
    if not hasattr(local_pants_runner.calculate_specs, "__wrapped__"):
        local_pants_runner.calculate_specs = narrowed_by_specs(
            local_pants_runner.calculate_specs
        )


def rules() -> Iterable[Any]:
    return [
        QueryRule(Addresses, [Specs, EnvironmentName]),
        QueryRule(SpecsPaths, [Specs, EnvironmentName]),
    ]
