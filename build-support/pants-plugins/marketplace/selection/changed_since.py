"""Makes `--changed-since` exact, and lets specs narrow it, as in `--changed-since=main test ::`.

Stock Pants accepts only one of the two (upstream issue 14243), and misses some changes that
`changes` and `changed_targets` find. It offers no hook for either. This module therefore wraps
`calculate_specs`, the one function that turns arguments into specs. `parsed_build_files` and
`local_runs` are the other modules that replace something in Pants.
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
from pants.vcs.changed import ChangedAddresses, ChangedOptions, DependentsOption

from marketplace.selection.changed_targets import ChangedTargetsRequest
from marketplace.selection.changes import NoChanges, read_changes

CalculateSpecs = Callable[..., Specs]


def _literal(address: Address) -> AddressLiteralSpec:
    parsed = AddressInput.parse(address.spec, description_of_origin="`--changed-since`")
    return AddressLiteralSpec(
        path_component=parsed.path_component,
        target_component=parsed.target_component,
        generated_component=parsed.generated_component,
        parameters=FrozenDict(parsed.parameters),
    )


def _refuse_other_options(changed_options: ChangedOptions) -> None:
    if changed_options.diffspec:
        raise NoChanges(
            "--changed-diffspec: it is not supported, because it misses some changes; use "
            "--changed-since"
        )
    if changed_options.dependents != DependentsOption.TRANSITIVE:
        raise NoChanges(
            f"--changed-dependents={changed_options.dependents.value}: it would miss affected "
            "targets; use --changed-dependents=transitive"
        )


def _given_specs(options: Options, working_dir: str) -> Specs:
    # Specs that only exclude exclude from everything, in whichever folder they are typed.
    everywhere = ("//::",) if all(s.startswith("-") for s in options.specs) else ()
    return SpecsParser(working_dir=working_dir).parse_specs(
        (*everywhere, *options.specs),
        description_of_origin="CLI arguments",
        unmatched_glob_behavior=options.for_global_scope().unmatched_cli_globs,
    )


def narrowed_by_specs(calculate_specs: CalculateSpecs) -> CalculateSpecs:
    """Wrap `calculate_specs` so that specs narrow `--changed-since`."""

    @functools.wraps(calculate_specs)
    def wrapper(
        options_bootstrapper: OptionsBootstrapper,
        options: Options,
        session: SchedulerSession,
        working_dir: str,
    ) -> Specs:
        changed_options = ChangedOptions.from_options(options.for_scope("changed"))
        if not changed_options.since and not changed_options.diffspec:
            return calculate_specs(options_bootstrapper, options, session, working_dir)
        _refuse_other_options(changed_options)
        changes = read_changes(str(changed_options.since))
        given = _given_specs(options, working_dir)
        if changes.everything:
            return given

        environment = determine_bootstrap_environment(session)
        (addresses,) = session.product_request(
            ChangedAddresses,
            [Params(ChangedTargetsRequest(changes), options_bootstrapper, environment)],
        )
        files = changes.files
        # `::` narrows nothing. Skipping it also keeps deleted files, which no spec matches.
        if given.ignores or RecursiveGlobSpec("") not in given.includes.recursive_globs:
            params = Params(given, options_bootstrapper, environment)
            (among,) = session.product_request(Addresses, [params])
            (paths,) = session.product_request(SpecsPaths, [params])
            addresses = sorted({*addresses} & {*among})
            files = tuple(sorted({*files} & {*paths.files}))
        return Specs(
            includes=RawSpecs(
                # Some goals use the addresses, and the others the files.
                address_literals=tuple(map(_literal, addresses)),
                file_literals=tuple(map(FileLiteralSpec, files)),
                unmatched_glob_behavior=given.includes.unmatched_glob_behavior,
                filter_by_global_options=True,
                from_change_detection=True,
                description_of_origin="`--changed-since`",
            ),
            ignores=RawSpecs(description_of_origin="`--changed-since`"),
        )

    return wrapper


def install() -> None:
    """Wrap the function for all later runs of this process; a second call changes nothing."""
    if not hasattr(local_pants_runner.calculate_specs, "__wrapped__"):
        local_pants_runner.calculate_specs = narrowed_by_specs(
            local_pants_runner.calculate_specs
        )


def rules() -> Iterable[Any]:
    return [
        QueryRule(Addresses, [Specs, EnvironmentName]),
        QueryRule(ChangedAddresses, [ChangedTargetsRequest, EnvironmentName]),
        QueryRule(SpecsPaths, [Specs, EnvironmentName]),
    ]
