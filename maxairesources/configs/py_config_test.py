import json
from typing import Any

import pytest

from maxairesources.configs.document import parse, validate
from maxairesources.configs.py_config import PyConfig
from maxairesources.errors import InputError

DETAILS = {"source": "file", "fileFormat": "csv", "filePath": "a.csv"}
PORT = {"port": 1, "type": "pandas", "sourceDetails": DETAILS}
TASK = {"input": [PORT], "output": [PORT], "function": {"args": {"seed": 7}}}
CONFIG = {"$schema": "x", "score": TASK}
# Stands for a key that is taken out.
GONE: Any = object()


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the good config with one place changed."""
    config: dict[str, Any] = json.loads(json.dumps(CONFIG))
    *parents, last = (int(key) if key.isdigit() else key for key in path.split())
    part: Any = config
    for key in parents:
        part = part[key]
    if value is GONE:
        del part[last]
    elif isinstance(part, list) and last == len(part):
        part.append(value)
    else:
        part[last] = value
    return config


def read(config: Any) -> PyConfig:
    return validate(PyConfig, parse(json.dumps(config), "c.json"), "c.json")


def test_good_config() -> None:
    tasks = read(CONFIG).tasks
    assert [*tasks] == ["score"]
    assert tasks["score"].function.args == {"seed": 7}
    assert tasks["score"].input[0].sourceDetails.filePath == "a.csv"


@pytest.mark.parametrize("source", ["file", "s3", "abfs", "gs"])
@pytest.mark.parametrize("file_format", ["csv", "excel", "json", "parquet", "x"])
def test_every_documented_source_and_format(source: str, file_format: str) -> None:
    details = {**DETAILS, "source": source, "fileFormat": file_format}
    read(changed("score input 0 sourceDetails", details))


@pytest.mark.parametrize("arguments", [{}, {"a": None, "b": [1, {"c": True}]}])
def test_arguments_may_be_any_json(arguments: Any) -> None:
    assert read(changed("score function args", arguments)).tasks["score"]


AT = "score input 0"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        # What stands at the top.
        ("score", None, "$.score is null; it should be an object"),
        ("score", [], "$.score is []; it should be an object"),
        ("scores", "x", "$.scores is 'x'; it should be an object"),
        ("conf", {}, "$.conf.input is missing (and 2 more); add it"),
        ("$scema", "x", "$['$scema'] is 'x'; it should be an object"),
        ("$schema", 1, "$['$schema'] is 1; it should be a valid string"),
        # A task.
        ("score input", GONE, "$.score.input is missing; add it"),
        ("score output", GONE, "$.score.output is missing; add it"),
        ("score function", GONE, "$.score.function is missing; add it"),
        (
            "score inputs",
            [],
            "$.score has an unknown key 'inputs'; did you mean input?",
        ),
        ("score ouput", [], "$.score has an unknown key 'ouput'; did you mean output"),
        (
            "score funtion",
            {},
            "$.score has an unknown key 'funtion'; did you mean func",
        ),
        ("score args", {}, "unknown key 'args'; use one of: function, input, output"),
        ("score input", PORT, "$.score.input is {'port': 1"),
        ("score input", None, "$.score.input is null; it should be a valid array"),
        ("score function", [], "$.score.function is []; it should be an object"),
        ("score function args", GONE, "$.score.function.args is missing; add it"),
        ("score function args", None, "$.score.function.args is null; it should be a"),
        ("score function args", [7], "$.score.function.args is [7]; it should be a"),
        (
            "score function arg",
            {},
            "function has an unknown key 'arg'; did you mean args",
        ),
        (
            "score function name",
            "f",
            "function has an unknown key 'name'; use one of: ar",
        ),
        # A port.
        (AT, "a.csv", "$.score.input[0] is 'a.csv'; it should be an object"),
        (AT, None, "$.score.input[0] is null; it should be an object"),
        (f"{AT} port", GONE, "$.score.input[0].port is missing; add it"),
        (
            f"{AT} port",
            "1",
            "$.score.input[0].port is '1'; it should be a valid integer",
        ),
        (
            f"{AT} port",
            1.5,
            "$.score.input[0].port is 1.5; it should be a valid integer",
        ),
        (
            f"{AT} port",
            True,
            "$.score.input[0].port is True; it should be a valid inte",
        ),
        (
            f"{AT} port",
            None,
            "$.score.input[0].port is null; it should be a valid inte",
        ),
        (
            f"{AT} port",
            0,
            "$.score.input[0].port is 0; it should be greater than or eq",
        ),
        (
            f"{AT} prot",
            1,
            "$.score.input[0] has an unknown key 'prot'; did you mean port?",
        ),
        (f"{AT} type", GONE, "$.score.input[0].type is missing; add it"),
        (
            f"{AT} type",
            "panda",
            "$.score.input[0].type is 'panda'; did you mean pandas?",
        ),
        (
            f"{AT} type",
            "Spark",
            "$.score.input[0].type is 'Spark'; did you mean spark?",
        ),
        (
            f"{AT} type",
            "polars",
            "input[0].type is 'polars'; use one of: pandas, spark",
        ),
        (
            f"{AT} type",
            1,
            "$.score.input[0].type is 1; it should be 'pandas' or 'spark'",
        ),
        (f"{AT} types", "x", "input[0] has an unknown key 'types'; did you mean type?"),
        (f"{AT} sourceDetail", {}, "key 'sourceDetail'; did you mean sourceDetails?"),
        (
            f"{AT} source_details",
            {},
            "key 'source_details'; did you mean sourceDetails?",
        ),
        (
            f"{AT} sourceDetails",
            GONE,
            "$.score.input[0].sourceDetails is missing; add it",
        ),
        (
            f"{AT} sourceDetails",
            "a",
            "input[0].sourceDetails is 'a'; it should be an obj",
        ),
        (f"{AT} sourceDetails source", GONE, "sourceDetails.source is missing; add it"),
        (f"{AT} sourceDetails source", "flie", "source is 'flie'; did you mean file?"),
        (f"{AT} sourceDetails source", "s3a", "source is 's3a'; did you mean s3?"),
        (f"{AT} sourceDetails sorce", "x", "key 'sorce'; did you mean source?"),
        (f"{AT} sourceDetails fileFormat", GONE, "sourceDetails.fileFormat is missing"),
        (
            f"{AT} sourceDetails fileFormat",
            "cvs",
            "'cvs' is not a format; did you mean csv?",
        ),
        (f"{AT} sourceDetails fileFormat", "parket", "did you mean parquet?"),
        (f"{AT} sourceDetails fileformat", "x", "did you mean fileFormat or filePath?"),
        (
            f"{AT} sourceDetails filePath",
            GONE,
            "sourceDetails.filePath is missing; add",
        ),
        (
            f"{AT} sourceDetails filePath",
            "",
            "filePath is ''; it should have at least 1",
        ),
        (
            f"{AT} sourceDetails filePath",
            ["a"],
            "filePath is ['a']; it should be a valid",
        ),
        (f"{AT} sourceDetails path", "x", "key 'path'; use one of: fileFormat, filePa"),
        # What does not go together.
        ("score input 1", PORT, "$.score.input: port 1 is defined twice; remove one"),
        (
            "score output 1",
            PORT,
            "$.score.output: port 1 is defined twice; remove one",
        ),
        (
            f"{AT} sourceDetails fileFormat",
            "delta",
            "fileFormat: pandas cannot read or write delta; use the type spark",
        ),
        (
            AT,
            {**PORT, "type": "spark", "options": {"na_values": ["-"]}},
            "options.na_values: Spark has no such option; did you mean nullValue?",
        ),
        (
            AT,
            {**PORT, "sourceDetails": {**DETAILS, "filePath": "s3://bucket/x"}},
            "$.score.input[0].sourceDetails.filePath: 's3://bucket/x' is a URI; use th",
        ),
    ],
)
def test_malformed_config(path: str, value: Any, expected: str) -> None:
    with pytest.raises(InputError) as error:
        read(changed(path, value))
    assert str(error.value).startswith("c.json: $")
    assert expected in str(error.value)


@pytest.mark.parametrize(
    "path",
    [
        "score input",
        "score output",
        "score function",
        "score function args",
        f"{AT} port",
        f"{AT} type",
        f"{AT} sourceDetails",
        f"{AT} sourceDetails source",
        f"{AT} sourceDetails fileFormat",
        f"{AT} sourceDetails filePath",
    ],
)
def test_key_with_one_letter_too_few_is_reported_with_the_right_one(path: str) -> None:
    config: dict[str, Any] = json.loads(json.dumps(CONFIG))
    *parents, last = (int(key) if key.isdigit() else key for key in path.split())
    part: Any = config
    for key in parents:
        part = part[key]
    part[str(last)[:-1]] = part.pop(last)
    with pytest.raises(InputError) as error:
        read(config)
    assert f"has an unknown key {str(last)[:-1]!r}" in str(error.value)
    assert f"did you mean {last}" in str(error.value)
