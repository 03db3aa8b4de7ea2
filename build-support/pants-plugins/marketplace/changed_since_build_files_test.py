"""Tests of what keeps BUILD files parsed from one run to the next."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from pants.engine.env_vars import CompleteEnvironmentVars
from pants.engine.internals import build_files
from pants.engine.internals.session import SessionValues
from pants.engine.rules import TaskRule

from marketplace.changed_since import (
    SteadySessionValues,
    keep_the_environment,
    with_steady_values,
)


@pytest.mark.parametrize(
    ("environment", "same"),
    [
        ({"B": "2", "A": "1"}, True),
        ({"A": "1", "B": "2", "PANTSD_X": "6", "__PANTS_X": "p", "SHLVL": "2"}, True),
        ({"A": "1", "B": "3"}, False),
        ({"A": "1", "B": "2", "C": ""}, False),
    ],
)
def test_only_a_change_of_the_users_environment_parses_build_files_again(
    environment: dict[str, str], same: bool
) -> None:
    kept = [
        keep_the_environment(SessionValues({CompleteEnvironmentVars: each}))
        for each in map(CompleteEnvironmentVars, (environment, {"A": "1", "B": "2"}))
    ]
    assert (kept[0] == kept[1]) == same


def test_parsing_depends_only_on_the_environment() -> None:
    # Other tests of this process may have installed the replacement.
    stock = inspect.unwrap(build_files.rules)

    def dependents(rules: Any, kind: type) -> list[str]:
        tasks = [each for each in rules if isinstance(each, TaskRule)]
        return [each.func.__name__ for each in tasks if kind in each.input_selectors]

    # If a later Pants has no such rule, the wrapper can be removed.
    assert dependents(stock(), SessionValues) == ["parse_address_family"]
    ours = with_steady_values(stock)()
    assert dependents(ours, SteadySessionValues) == ["parse_address_family"]
    assert dependents(ours, SessionValues) == ["keep_the_environment"]
