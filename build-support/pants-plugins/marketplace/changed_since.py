"""Makes `--changed-since` exact, and lets specs narrow it, as in `--changed-since=main test ::`.

Stock Pants accepts only one of the two (upstream issue 14243), and misses some changes. It
offers no hook for either. This module therefore wraps `calculate_specs`, the one function that
turns arguments into specs.
"""

from __future__ import annotations

import functools
from typing import Any, Callable, Iterable

from pants.base.specs import (
    AddressLiteralSpec,
    FileLiteralSpec,
    RawSpecs,
    RecursiveGlobSpec,
    Specs,
)
from pants.base.specs_parser import SpecsParser
from pants.bin import local_pants_runner
from pants.core.util_rules.environments import determine_bootstrap_environment
from pants.engine.addresses import Address, Addresses, AddressInput
from pants.engine.environment import EnvironmentName
from pants.engine.fs import SpecsPaths
from pants.engine.internals.scheduler import SchedulerSession
from pants.engine.internals.selectors import Params
from pants.engine.rules import QueryRule
from pants.option.options import Options
from pants.option.options_bootstrapper import OptionsBootstrapper
from pants.util.frozendict import FrozenDict
from pants.vcs.changed import ChangedOptions, DependentsOption

from marketplace.changes import Changes, read_changes
from marketplace.graph import MarketplaceError
from marketplace.selection import Selection

CalculateSpecs = Callable[..., Specs]


def narrowed_by_specs(calculate_specs: CalculateSpecs) -> CalculateSpecs:
    """Wrap `calculate_specs` so that specs narrow `--changed-since`."""

    @functools.wraps(calculate_specs)
    def wrapper(
        options_bootstrapper: OptionsBootstrapper,
        options: Options,
        session: SchedulerSession,
        working_dir: str,
    ) -> Specs:
        changed = ChangedOptions.from_options(options.for_scope("changed"))
        if not changed.provided:
            return calculate_specs(options_bootstrapper, options, session, working_dir)
        if changed.diffspec or changed.dependents != DependentsOption.TRANSITIVE:
            raise MarketplaceError(
                "--changed-diffspec and other values of --changed-dependents than transitive would "
                "miss affected targets; use only --changed-since"
            )
        # Specs that only exclude exclude from everything, in whichever folder they are typed.
        every = ("//::",) if all(s.startswith("-") for s in options.specs) else ()
        given = SpecsParser(working_dir=working_dir).parse_specs(
            (*every, *options.specs),
            description_of_origin="CLI arguments",
            unmatched_glob_behavior=options.for_global_scope().unmatched_cli_globs,
        )
        changes = read_changes(str(changed.since))
        if changes.everything:
            return given

        def request(product: type, subject: Changes | Specs) -> Any:
            params = Params(
                subject, options_bootstrapper, determine_bootstrap_environment(session)
            )
            return session.product_request(product, [params])[0]

        selection = request(Selection, changes)
        addresses, files = selection.addresses, {*changes.files}
        # `::` narrows nothing. Skipping it also keeps deleted files, which no spec matches.
        if given.ignores or RecursiveGlobSpec("") not in given.includes.recursive_globs:
            addresses &= {*request(Addresses, given)}
            files &= {*request(SpecsPaths, given).files}
        return _literals(addresses, files, given)

    return wrapper


def _literals(
    addresses: Iterable[Address], files: Iterable[str], given: Specs
) -> Specs:
    origin = "`--changed-since`"
    inputs = (
        AddressInput.parse(a.spec, description_of_origin=origin) for a in addresses
    )
    return Specs(
        includes=RawSpecs(
            # Some goals use the addresses, and the others the files.
            address_literals=tuple(
                AddressLiteralSpec(
                    each.path_component,
                    each.target_component,
                    each.generated_component,
                    FrozenDict(each.parameters),
                )
                for each in inputs
            ),
            file_literals=tuple(map(FileLiteralSpec, sorted(files))),
            unmatched_glob_behavior=given.includes.unmatched_glob_behavior,
            filter_by_global_options=True,
            from_change_detection=True,
            description_of_origin=origin,
        ),
        ignores=RawSpecs(description_of_origin=origin),
    )


def install() -> None:
    """Wrap the function for all later runs of this process; a second call changes nothing."""
    if not hasattr(local_pants_runner.calculate_specs, "__wrapped__"):
        local_pants_runner.calculate_specs = narrowed_by_specs(
            local_pants_runner.calculate_specs
        )


def rules() -> Iterable[Any]:
    return [
        QueryRule(Addresses, [Specs, EnvironmentName]),
        QueryRule(Selection, [Changes, EnvironmentName]),
        QueryRule(SpecsPaths, [Specs, EnvironmentName]),
    ]
