import json
from typing import Any

import pytest
from pydantic import Field, field_validator

from maxairesources.configs.document import ConfigModel, Wrong, parse, validate
from maxairesources.errors import InputError
from maxairesources.tree import json_path


def message(text: str) -> str:
    """Return the message of the error that a config's text ends in."""
    with pytest.raises(InputError) as error:
        parse(text, "a.json")
    return str(error.value)


def test_object_is_returned_as_it_is() -> None:
    data = {
        "$schema": "x",
        "a": [1, 2.5, True, None, "é😀", "\\ud83d", "1e999"],
        "b": {},
    }
    assert parse(json.dumps(data), "a.json") == data


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "",
            "is not valid JSON (Expecting value, line 1, column 1); fix the syntax there",
        ),
        (
            "{\n  'a': 1}",
            "is not valid JSON (Expecting property name enclosed in double quote",
        ),
        ("{\n  'a': 1}", ", line 2, column 3); fix the syntax there"),
        ('{"a": 1,\n "b": 2,}', "line 2, column 9"),
        ('{"a": 1} x', "is not valid JSON (Extra data, line 1, column 10)"),
        ('{"a": True}', "is not valid JSON (Expecting value, line 1, column 7)"),
        ('{"a": 1 // one\n}', "line 1, column 9"),
        ("\ufeff{}", "is not valid JSON (Unexpected UTF-8 BOM"),
        ("[]", "is not a JSON object; put the content in braces"),
        ("null", "is not a JSON object; put the content in braces"),
        ('"{}"', "is not a JSON object; put the content in braces"),
        ('{"a": 1, "a": 1}', "key 'a' is defined twice; remove one"),
        ('{"t": [{"id": 1, "id": 2}]}', "key 'id' is defined twice; remove one"),
        (
            '{"a": NaN}',
            "is not valid JSON (NaN is not a number, line 1, column 7); use a finite",
        ),
        ('{"a": "NaN",\n "b":\n  -Infinity}', "(-Infinity is not a number, line 3, co"),
        (
            '{"a": [1, 1e999]}',
            "(1e999 is not a number, line 1, column 11); use a finite",
        ),
        (
            '{"n": {\n  "a": "\\ud83d"}}',
            "(half of a Unicode character, line 2, column 8); write the character itself",
        ),
        ('{"a": "x\\udc00"}', "(half of a Unicode character, line 1, column 7)"),
        ('{"\\ud83d": 1}', "(half of a Unicode character, line 1, column 2)"),
    ],
)
def test_unusable_text(text: str, expected: str) -> None:
    assert message(text).startswith("a.json: ")
    assert expected in message(text)


@pytest.mark.parametrize("depth", [51, 990, 99_999])
def test_what_is_nested_too_deeply_is_reported(depth: int) -> None:
    text = f'{{"a": {"[" * depth}{"]" * depth}}}'
    assert message(text) == "a.json: is nested too deeply; flatten it"


def test_number_with_too_many_digits_is_reported() -> None:
    reported = message(f'{{"a": {"1" * 5000}}}')
    assert reported.startswith(
        "a.json: is not valid JSON (a number has too many digits, line 1, column 7); write"
    )


class Inner(ConfigModel):
    name: str
    size: int = Field(ge=1)
    ratio: float = 0.5

    @field_validator("name")
    @classmethod
    def _check(cls, value: str) -> str:
        if value == "wrong":
            raise Wrong("is wrong", "right it", ("deep", 0))
        return value


class Outer(ConfigModel):
    inner: list[Inner]
    by_name: dict[str, Inner] = {}
    either: Inner | None = None


GOOD = {"name": "n", "size": 1}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, "$.inner is missing; add it"),
        ({"inner": None}, "$.inner is null; it should be a valid array"),
        (
            {"inner": [], "iner": []},
            "$ has an unknown key 'iner'; did you mean inner or ei",
        ),
        # One misspelt key is two mistakes; the one that can be fixed is reported.
        ({"iner": []}, "$ has an unknown key 'iner' (and 1 more); did you mean inner"),
        (
            {"inner": [GOOD, {**GOOD, "nam": 1}]},
            "$.inner[1] has an unknown key 'nam'; did you mean name?",
        ),
        (
            {"inner": [], "by_name": {"a b": {**GOOD, "sizes": 1}}},
            "$.by_name['a b'] has an unknown key 'sizes'; did you mean size?",
        ),
        (
            {"inner": [{**GOOD, "colour": 1}]},
            "unknown key 'colour'; use one of: name, ratio, size",
        ),
        (
            {"inner": [{**GOOD, "size": "1"}]},
            "$.inner[0].size is '1'; it should be a v",
        ),
        (
            {"inner": [{**GOOD, "size": True}]},
            "$.inner[0].size is True; it should be a",
        ),
        (
            {"inner": [{**GOOD, "size": 1.5}]},
            "$.inner[0].size is 1.5; it should be a v",
        ),
        (
            {"inner": [{**GOOD, "size": 0}]},
            "is 0; it should be greater than or equal to",
        ),
        (
            {"inner": [{**GOOD, "ratio": "a" * 99}]},
            f"ratio is '{'a' * 56}...; it should",
        ),
        (
            {"inner": [{**GOOD, "name": "wrong"}]},
            "$.inner[0].name.deep[0]: is wrong; ri",
        ),
        ({"inner": [1, 2, 3]}, "$.inner[0] is 1 (and 2 more); it should be an object"),
        ({"inner": [], "either": {"name": "n"}}, "$.either.size is missing; add it"),
    ],
)
def test_data_that_does_not_fit(data: Any, expected: str) -> None:
    with pytest.raises(InputError) as error:
        validate(Outer, data, "a.json")
    assert str(error.value).startswith("a.json: $")
    assert expected in str(error.value)


def test_path_of_a_part_begins_where_the_part_stands() -> None:
    with pytest.raises(InputError, match=r"^a\.json: \$\.tasks\[3\]\.size is missing"):
        validate(Inner, {"name": "n"}, "a.json", ("tasks", 3))


def test_json_path_quotes_what_is_no_name() -> None:
    assert json_path([]) == "$"
    assert json_path(["tasks", 0, "a_1"]) == "$.tasks[0].a_1"
    assert json_path(["$schema", "spark.app.name"]) == "$['$schema']['spark.app.name']"
