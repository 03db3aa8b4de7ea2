"""Keeps BUILD files parsed from one run to the next.

Stock Pants 2.17 parses all BUILD files again in each run, and then inspects every target again.
The reason is that parsing depends on all values of a session, and some always differ: the
client passes its start time in an environment variable, and the order of the variables varies.
With this module, parsing depends on the environment only, in a fixed order and without the
variables that change from command to command. Pants offers no hook for this, so the module
wraps `build_files.rules`, which is not part of its public API.
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
# The prefixes of the variables that Pants' client sets. A client that starts the daemon and a
# client that finds it running set different variables.
_OF_CLIENTS = ("PANTSD_", "__PANTS_")


class SteadySessionValues(FrozenDict):
    """The values of a session that BUILD files may depend on."""


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
    """Wrap the rules of BUILD files: `SteadySessionValues` replaces `SessionValues`."""

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
    """Wrap the rules for all later schedulers of this process; a second call changes nothing."""
    if not hasattr(build_files.rules, "__wrapped__"):
        build_files.rules = with_steady_values(build_files.rules)
