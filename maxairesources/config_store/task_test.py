import copy
import datetime
import math
from typing import Any

import pytest

from maxairesources.config_store import task
from maxairesources.config_store.task import Arguments, check_task, read_task
from maxairesources.configs.py_config import Port
from maxairesources.errors import InputError
from maxairesources.testing.handlers import port, py_config

CONFIG = py_config("t", [port(1, "a.csv")], [port(2, "b.csv")], seed=7)


class Seeded(Arguments):
    seed: task.Seed


def value(kind: Any, given: Any) -> Any:
    """Return what an argument of a kind becomes."""
    model = type("Model", (Arguments,), {"__annotations__": {"a": kind}})
    return vars(read_task(py_config("t", [], [], a=given), "t", model).args)["a"]


def test_read_task() -> None:
    reported = read_task({"$schema": "x", **CONFIG}, "t", Seeded)
    assert (reported.name, reported.args.seed) == ("t", 7)
    assert reported.input == [Port(**CONFIG["t"]["input"][0])]
    assert [port.port for port in reported.output] == [2]


def test_no_arguments() -> None:
    assert read_task(py_config("t", [], []), "t", Arguments).args == Arguments()
    with pytest.raises(InputError, match=r"\$\.t\.function\.args has an unknown key"):
        read_task(CONFIG, "t", Arguments)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("t", 1, r"\$\.t is 1; it should be an object"),
        ("t", [], r"\$\.t is \[\]; it should be an object"),
        ("t input", None, r"\$\.t\.input is missing; add it"),
        ("t inputs", [], r"\$\.t has an unknown key 'inputs'; did you mean input\?"),
        ("t output", {}, r"\$\.t\.output is {}; it should be a valid array"),
        ("t input", [port(1, "a.csv")] * 2, r"\$\.t\.input: port 1 is defined twice"),
        ("t input", [1], r"\$\.t\.input\[0\] is 1; it should be an object"),
        ("t function", None, r"\$\.t\.function is missing"),
        ("t function args", None, r"\$\.t\.function\.args is missing"),
        ("t function args", [], r"\$\.t\.function\.args is \[\]; it should be a"),
        ("t function args seed", None, r"\$\.t\.function\.args\.seed is missing; add"),
        ("t function args sed", 1, r"args has an unknown key 'sed'; did you mean seed"),
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
        read_task(config, "t", Seeded)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("tt", r"no task 'tt'; did you mean t\?"), ("$schema", "no task '\\$schema'")],
)
def test_no_such_task(name: str, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        read_task({"$schema": "x", **CONFIG}, name, Seeded)


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        (task.Seed, 0, 0),
        (task.Seed, 2**32 - 1, 2**32 - 1),
        (task.Count, 1, 1),
        (task.Share, 0.3, 0.3),
        (task.Date, "2018-01-01", datetime.date(2018, 1, 1)),
        (task.TimeZone, "America/New_York", "America/New_York"),
        (list[str], [], []),
        # What Airflow renders is a string.
        (task.Seed, "7", 7),
        (task.Seed, " 7 ", 7),
        (task.Share, "0.5", 0.5),
        (bool, "True", True),
        (bool, "false", False),
        (float | None, "None", None),
        (list[int], "[1, 2]", [1, 2]),
        (list[str], "['a', 'b']", ["a", "b"]),
        (list[int], ["1", 2], [1, 2]),
        (dict[str, float], {"a": "1.5"}, {"a": 1.5}),
        (datetime.date, "2018-01-01", datetime.date(2018, 1, 1)),
        (str, "7", "7"),
        (str | int, "7", "7"),
    ],
)
def test_values(kind: Any, given: Any, expected: Any) -> None:
    assert value(kind, given) == expected


DATE, ZONE = (
    "is not a date; use one such as 2018-01-01",
    "not a time zone; use a name such",
)


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        (task.Count, 0, "is 0; it should be greater than or equal to 1"),
        (task.Seed, -1, "is -1; it should be greater than or equal to 0"),
        (task.Seed, 2**32, "should be less than or equal to 4294967295"),
        (task.Seed, 2.0, r"is 2\.0; it should be a valid integer"),
        (task.Seed, True, "is True; it should be a valid integer"),
        (task.Seed, "2.5", r"is 2\.5; it should be a valid integer"),
        (task.Seed, "two", "is 'two'; it should be a valid integer"),
        (task.Seed, "None", "is null; it should be a valid integer"),
        (task.Seed, "-1", "is -1; it should be greater than or equal to 0"),
        (task.Seed, None, "is null; it should be a valid integer"),
        (task.Share, 0, "is 0; it should be greater than 0"),
        (task.Share, 0.0, r"is 0\.0; it should be greater than 0"),
        (task.Share, 1, "is 1; it should be less than 1"),
        (task.Share, 1.5, r"is 1\.5; it should be less than 1"),
        (task.Share, math.nan, "is nan; it should be less than 1"),
        (task.Share, "nan", "is 'nan'; it should be a valid number"),
        (bool, "1", "is 1; it should be a valid boolean"),
        (list[str], "x", "is 'x'; it should be a valid array"),
        (list[str], [1], r"\[0\] is 1; it should be a valid string"),
        (list[str], None, "is null; it should be a valid array"),
        (task.Date, "2018-02-30", DATE),
        (task.Date, "x", DATE),
        (task.Date, "1514764800", DATE),
        (task.Date, 20180101, DATE),
        (task.Date, None, DATE),
        (task.TimeZone, "Mars/Base", ZONE),
        (task.TimeZone, "../x", ZONE),
        (task.TimeZone, "", ZONE),
        (task.TimeZone, "America", ZONE),
        (task.TimeZone, 1, "is 1; it should be a valid string"),
        (task.TimeZone, None, "is null; it should be a valid string"),
    ],
)
def test_wrong_values(kind: Any, given: Any, expected: str) -> None:
    with pytest.raises(
        InputError, match=rf"^config: \$\.t\.function\.args\.a.*{expected}"
    ):
        value(kind, given)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (task.Seed, "{{ params.seed }}"),
        (task.Date, "{{ ds }}"),
        (list[int], "{{ params.shops }}"),
        (list[int], [1, "{% if a %}1{% endif %}"]),
        (bool, "{{ params.full }}"),
        (str, "{{ ds }}"),
        (task.Seed, 7),
    ],
)
def test_a_template_is_checked_when_its_value_is_known(kind: Any, given: Any) -> None:
    model = type("Model", (Arguments,), {"__annotations__": {"a": kind}})
    check_task(py_config("t", [], [], a=given), "t", model)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ({"seed": "7"}, r"\.seed is '7'; it should be a valid integer"),
        ({"sed": "{{ x }}"}, r"unknown key 'sed' \(and 1 more\); did you mean seed"),
        ({}, r"\.seed is missing; add it"),
        ({"seed": ["{{ x }}"]}, r"\.seed is \['{{ x }}'\]; it should be a valid int"),
    ],
)
def test_a_committed_argument_has_its_type(args: Any, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        check_task(py_config("t", [], [], **args), "t", Seeded)
