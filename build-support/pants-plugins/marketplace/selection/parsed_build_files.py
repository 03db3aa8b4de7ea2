"""Keeps BUILD files parsed from one run to the next.

Stock Pants 2.17 parses all BUILD files anew in each run, and then looks at every target again,
since parsing takes whatever differs between sessions, and something always does: the client
tells its start time in an environment variable, and the order of the variables differs too.
Here parsing takes the environment alone, in a fixed order and without what changes from command
to command. Pants offers no hook for it, so this wraps `build_files.rules`, which it does not
call public.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Callable, Iterable

from pants.engine.env_vars import CompleteEnvironmentVars
from pants.engine.internals import build_files
from pants.engine.internals.session import SessionValues
from pants.engine.rules import TaskRule, collect_rules, rule
from pants.util.frozendict import FrozenDict

# A shell sets these variables for each command.
_CHANGING = ("_", "OLDPWD", "PWD", "SHLVL")
# The prefixes of those that Pants' client sets. The client that starts the daemon and the one
# that finds it running set different ones.
_OF_CLIENTS = ("PANTSD_", "__PANTS_")


class SteadySessionValues(FrozenDict):
    """Of the values of a session, those that BUILD files may depend on."""


@rule
def keep_the_environment(values: SessionValues) -> SteadySessionValues:
    variables = sorted(values[CompleteEnvironmentVars].items())
    environment = CompleteEnvironmentVars(
        {
            name: value
            for name, value in variables
            if name not in _CHANGING and not name.startswith(_OF_CLIENTS)
        }
    )
    return SteadySessionValues({CompleteEnvironmentVars: environment})


def with_steady_values(stock: Callable[[], Iterable[Any]]) -> Callable[[], list[Any]]:
    """The rules of BUILD files, with `SteadySessionValues` for `SessionValues`."""

    @functools.wraps(stock)
    def wrapper() -> list[Any]:
        return [
            *(
                _steady(each) if isinstance(each, TaskRule) else each
                for each in stock()
            ),
            *collect_rules(globals()),
        ]

    return wrapper


def _steady(rule: TaskRule) -> TaskRule:
    selectors = (
        SteadySessionValues if each is SessionValues else each
        for each in rule.input_selectors
    )
    return dataclasses.replace(rule, input_selectors=tuple(selectors))


def install() -> None:
    """Makes every later scheduler of this process so; a second call changes nothing."""
    if not hasattr(build_files.rules, "__wrapped__"):
        build_files.rules = with_steady_values(build_files.rules)
