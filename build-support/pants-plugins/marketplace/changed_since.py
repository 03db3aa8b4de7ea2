"""Makes `--changed-since` exact, and lets specs narrow it, as in `--changed-since=main test ::`.

Stock Pants accepts only one of the two (upstream issue 14243), and misses some changes. It
offers no hook for either. This module therefore wraps `calculate_specs`, the one function that
turns arguments into specs.

It also keeps BUILD files parsed from one run to the next. Stock Pants 2.17 parses all of them
again in each run, and then inspects every target again: parsing depends on all values of a session,
and some always differ, such as the start time that the client passes in an environment variable.
Here it depends on the environment only, in a fixed order and without the variables that change from
command to command. With 1,000 usecases that saves about a second of each run. Pants offers no hook
for this either, so `build_files.rules` is wrapped, too.
"""

from __future__ import annotations

import dataclasses
import functools
import re
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
from pants.engine.addresses import Address, Addresses
from pants.engine.env_vars import CompleteEnvironmentVars
from pants.engine.environment import EnvironmentName
from pants.engine.fs import SpecsPaths
from pants.engine.internals import build_files
from pants.engine.internals.scheduler import SchedulerSession
from pants.engine.internals.selectors import Params
from pants.engine.internals.session import SessionValues
from pants.engine.rules import QueryRule, TaskRule, collect_rules, rule
from pants.option.options import Options
from pants.option.options_bootstrapper import OptionsBootstrapper
from pants.util.frozendict import FrozenDict
from pants.vcs.changed import ChangedOptions, DependentsOption

from marketplace.changes import Changes, read_changes
from marketplace.graph import MarketplaceError
from marketplace.selection import Selection


def narrowed_by_specs(calculate_specs: Callable[..., Specs]) -> Callable[..., Specs]:
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
    return Specs(
        includes=RawSpecs(
            # Some goals use the addresses, and the others the files.
            address_literals=tuple(map(_literal, addresses)),
            file_literals=tuple(map(FileLiteralSpec, sorted(files))),
            unmatched_glob_behavior=given.includes.unmatched_glob_behavior,
            filter_by_global_options=True,
            from_change_detection=True,
            description_of_origin=origin,
        ),
        ignores=RawSpecs(description_of_origin=origin),
    )


def _literal(address: Address) -> AddressLiteralSpec:
    # Not by `AddressInput.parse`: it cannot parse the name of a file with `#`, `:` or `@`.
    path, target = address.spec_path, address.target_name
    if address.relative_file_path:
        path = address.filename
        target = "../" * address.relative_file_path.count("/") + target
    parameters = FrozenDict(address.parameters)
    return AddressLiteralSpec(path, target, address.generated_name, parameters)


# A shell sets the first four variables for each command, and Pants' client the others: not the same
# ones if it starts the daemon and if it finds it running.
_CHANGING = re.compile("_|OLDPWD|PWD|SHLVL|(PANTSD|__PANTS)_.*")


class SteadySessionValues(FrozenDict):
    """The values of a session that BUILD files may depend on."""


@rule
def keep_the_environment(values: SessionValues) -> SteadySessionValues:
    variables = sorted(values[CompleteEnvironmentVars].items())
    kept = ((name, value) for name, value in variables if not _CHANGING.fullmatch(name))
    return SteadySessionValues({CompleteEnvironmentVars: CompleteEnvironmentVars(kept)})


def with_steady_values(stock: Callable[[], Iterable[Any]]) -> Callable[[], list[Any]]:
    """Wrap the rules of BUILD files: `SteadySessionValues` replaces `SessionValues`."""

    @functools.wraps(stock)
    def wrapper() -> list[Any]:
        return [*map(_steady, stock()), *collect_rules({"rule": keep_the_environment})]

    return wrapper


def _steady(task: Any) -> Any:
    if not isinstance(task, TaskRule):
        return task
    selectors = (
        SteadySessionValues if each is SessionValues else each
        for each in task.input_selectors
    )
    return dataclasses.replace(task, input_selectors=tuple(selectors))


def install() -> None:
    """Wrap both for all later runs of this process; a second call changes nothing."""
    if not hasattr(local_pants_runner.calculate_specs, "__wrapped__"):
        local_pants_runner.calculate_specs = narrowed_by_specs(
            local_pants_runner.calculate_specs
        )
    if not hasattr(build_files.rules, "__wrapped__"):
        build_files.rules = with_steady_values(build_files.rules)


def rules() -> Iterable[Any]:
    return [
        QueryRule(Addresses, [Specs, EnvironmentName]),
        QueryRule(Selection, [Changes, EnvironmentName]),
        QueryRule(SpecsPaths, [Specs, EnvironmentName]),
    ]
