from __future__ import annotations

import inspect

import pytest
from pants.engine.env_vars import CompleteEnvironmentVars
from pants.engine.internals import build_files
from pants.engine.internals.session import SessionValues
from pants.engine.rules import TaskRule
from pants.testutil.rule_runner import run_rule_with_mocks

from marketplace.selection.parsed_build_files import (
    SteadySessionValues,
    keep_the_environment,
    with_steady_values,
)

NOISE = {
    "PANTSD_REQUEST_TIMEOUT_LIMIT": "60.0",
    "PANTSD_RUNTRACKER_CLIENT_START_TIME": "1.5",
    "__PANTS_BIN_NAME": "pants",
    "_": "./pants",
    "SHLVL": "2",
}


def steady(**environment: str) -> SteadySessionValues:
    values = SessionValues(
        {CompleteEnvironmentVars: CompleteEnvironmentVars(environment)}
    )
    result: SteadySessionValues = run_rule_with_mocks(
        keep_the_environment, rule_args=[values]
    )
    return result


@pytest.mark.parametrize(
    ("environment", "same"),
    [
        ({"B": "2", "A": "1"}, True),
        ({"A": "1", "B": "2", **NOISE}, True),
        ({"A": "1", "B": "3"}, False),
        ({"A": "1", "B": "2", "C": ""}, False),
    ],
)
def test_only_a_change_of_the_users_environment_counts(
    environment: dict[str, str], same: bool
) -> None:
    assert (steady(**environment) == steady(A="1", B="2")) == same


def test_parsing_depends_only_on_the_environment() -> None:
    # Other tests of this process may have installed the replacement.
    stock_rules = inspect.unwrap(build_files.rules)
    stock, ours = stock_rules(), with_steady_values(stock_rules)()
    assert len(ours) == len(stock) + 1

    def dependents(rules: object, kind: type) -> list[str]:
        assert isinstance(rules, (list, tuple))
        tasks = [each for each in rules if isinstance(each, TaskRule)]
        return [each.func.__name__ for each in tasks if kind in each.input_selectors]

    # If a later Pants has no such rule, the module can be removed.
    assert dependents(stock, SessionValues) == ["parse_address_family"]
    assert dependents(ours, SteadySessionValues) == ["parse_address_family"]
    assert dependents(ours, SessionValues) == ["keep_the_environment"]
