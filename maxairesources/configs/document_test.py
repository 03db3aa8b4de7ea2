"""Tests of `parse` and `validate`, and of the models of all configs."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from maxairesources.configs.document import ConfigModel, parse, validate
from maxairesources.configs.py_config import PyConfig
from maxairesources.errors import InputError
from maxairesources.testing.config_checks import KubepodConfig, SparkConfig
from maxairesources.tree import json_path

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def test_an_object_is_returned_as_it_is() -> None:
    data = {"$schema": "x", "a": [1, 2.5, True, None, "é😀", "\\ud83d", "1e999"]}
    assert parse(json.dumps(data), "a.json") == data


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is not valid JSON (Expecting value: line 1 column 1 (char 0)); fix it"),
        ("{\n  'a': 1}", "double quotes: line 2 column 3"),
        ("\ufeff{}", "is not valid JSON (Unexpected UTF-8 BOM"),
        ("[]", "is not a JSON object; put the content in braces"),
        ('{"t": [{"id": 1, "id": 2}]}', "key 'id' is defined twice); fix it there"),
        ('{"a": NaN}', "is not valid JSON (expected value at line 1 column 7); fix"),
        ('{"a": "\\ud83d"}', "(unexpected end of hex escape at line 1 column 14)"),
        (f'{{"a": {"1" * 5000}}}', "is not valid JSON (Exceeds the limit (4300 digits"),
        ("[" * 100_000, "is not valid JSON (maximum recursion depth exceeded"),
    ],
)
def test_text_that_is_not_a_config(text: str, expected: str) -> None:
    with pytest.raises(InputError) as error:
        parse(text, "a.json")
    assert str(error.value).startswith("a.json: ")
    assert expected in str(error.value)


def test_a_json_path_quotes_other_names() -> None:
    path = ["tasks", 0, "a_1", "$schema", "spark.app.name"]
    assert json_path(path) == "$.tasks[0].a_1['$schema']['spark.app.name']"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@pytest.mark.parametrize("model", [KubepodConfig, PyConfig, SparkConfig])
@given(content=JSON.map(json.dumps) | st.text())
@example(content='{"tasks": [], "conf": {}}')
def test_any_content_ends_in_one_line_for_each_mistake(
    model: type[ConfigModel], content: str
) -> None:
    try:
        validate(model, parse(content, "c.json"), "c.json")
    except InputError as error:
        assert all(line.startswith("c.json: ") for line in str(error).split("\n"))
    else:
        # Only an empty object can be valid by chance.
        assert model is PyConfig and json.loads(content) == {}
