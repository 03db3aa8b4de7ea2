import copy
import datetime
import math
from typing import Any

import pytest

from maxairesources.config_store.task import Task, read_task
from maxairesources.errors import InputError

CONFIG: dict[str, Any] = {
    "t": {"input": [1], "output": [2], "function": {"args": {"seed": 7}}}
}


def task(value: Any) -> Task:
    return Task("t", [], [], {"a": value})


def test_read_task() -> None:
    assert read_task(CONFIG, "t", ["seed"]) == Task("t", [1], [2], {"seed": 7})


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("t", 1, "task t is 1; give a JSON object"),
        ("t input", None, "task t: input is missing; add it, a JSON list"),
        ("t output", {}, "task t: output is {}; give a JSON list"),
        ("t function", None, "task t: function is missing"),
        ("t function args", None, "task t: function.args is missing"),
        ("t function args", [], r"function.args is \[\]; give a JSON object"),
        ("t function args seed", None, "function.args.seed is missing; add it"),
        ("t function args sed", 1, "has an unknown 'sed'; did you mean seed?"),
    ],
)
def test_malformed_task(path: str, value: Any, expected: str) -> None:
    config = copy.deepcopy(CONFIG)
    *parents, last = path.split()
    part = config
    for name in parents:
        part = part[name]
    if value is None:
        del part[last]
    else:
        part[last] = value
    with pytest.raises(InputError, match=expected):
        read_task(config, "t", ["seed"])


@pytest.mark.parametrize("config", [None, [], "t"])
def test_config_that_is_no_object(config: Any) -> None:
    with pytest.raises(InputError, match="no JSON object"):
        read_task(config, "t", [])


def test_values() -> None:
    assert task(0).whole("a", 0) == 0
    assert task(2**32 - 1).whole("a", 0) == 2**32 - 1
    assert task(0.3).share("a") == 0.3
    assert task(["x"]).texts("a") == ["x"]
    assert task("2018-01-01").date("a") == datetime.date(2018, 1, 1)
    assert task("America/New_York").time_zone("a") == "America/New_York"


@pytest.mark.parametrize("value", [1, 2.0, True, "2", None, 2**32])
def test_not_whole_from_2(value: Any) -> None:
    with pytest.raises(
        InputError, match="give a whole number from 2 on, at most 4294967295"
    ):
        task(value).whole("a", 2)


@pytest.mark.parametrize("value", [0, 1, 0.0, 1.0, -0.1, 1.5, math.nan, "0.5"])
def test_no_share(value: Any) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        task(value).share("a")


@pytest.mark.parametrize("value", ["x", [1], None])
def test_no_texts(value: Any) -> None:
    with pytest.raises(InputError, match="give a list of texts"):
        task(value).texts("a")


@pytest.mark.parametrize("value", ["2018-02-30", "x", 20180101, None])
def test_no_date(value: Any) -> None:
    with pytest.raises(InputError, match="such as 2018-01-01"):
        task(value).date("a")


@pytest.mark.parametrize("value", ["Mars/Base", "../x", "", 1, None, [], "America"])
def test_no_time_zone(value: Any) -> None:
    with pytest.raises(InputError, match="the name of a time zone"):
        task(value).time_zone("a")
