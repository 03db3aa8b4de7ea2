import json
from typing import Any

import pytest

from maxairesources.configs.document import ConfigModel, parse, validate
from maxairesources.configs.launch_config import KubepodConfig, SparkConfig
from maxairesources.errors import InputError

SPARK = {
    "$schema": "x",
    "conf": {"spark.executor.instances": 2, "spark.kubernetes.container.image": "a/b"},
    "tasks": [
        {
            "id": 1,
            "name": "features",
            "spark_submit_conf": {
                "application": "local:///f.py",
                "conf": {"spark.executor.memory": "4g"},
            },
        },
        {"id": 2, "name": "segments", "spark_submit_conf": {"application": "s.py"}},
    ],
}
KUBEPOD = {
    "$schema": "x",
    "tasks": [
        {"id": 1, "name": "score", "conf": {"image": "a/b", "arguments": ["a.b"]}},
        {"id": 2, "name": "report", "conf": {"image": "a/b", "arguments": ["a.c"]}},
    ],
}
# Stands for a key that is taken out.
GONE: Any = object()


def message(model: type[ConfigModel], good: Any, path: str, value: Any) -> str:
    """Return the message of the error that a good config with one change ends in."""
    config = json.loads(json.dumps(good))
    *parents, last = (int(key) if key.isdigit() else key for key in path.split())
    part: Any = config
    for key in parents:
        part = part[key]
    if value is GONE:
        del part[last]
    else:
        part[last] = value
    with pytest.raises(InputError) as error:
        validate(model, parse(json.dumps(config), "c.json"), "c.json")
    assert str(error.value).startswith("c.json: $")
    return str(error.value)


def test_good_configs() -> None:
    spark = validate(SparkConfig, SPARK)
    assert [task.name for task in spark.tasks] == ["features", "segments"]
    pods = validate(KubepodConfig, KUBEPOD)
    assert [task.id for task in pods.tasks] == [1, 2]


def test_value_with_a_template_passes() -> None:
    conf = {"spark.executor.instances": "{{ params.executors }}"}
    assert validate(SparkConfig, {**SPARK, "conf": conf}).conf == conf


TASK = "tasks 0"
ARGUMENTS = "tasks 0 spark_submit_conf"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        # What stands at the top.
        ("conf", GONE, "$.conf is missing; add it"),
        ("conf", None, "$.conf is null; it should be an object"),
        ("conf", [], "$.conf is []; it should be an object"),
        ("conf", "a=b", "$.conf is 'a=b'; it should be an object"),
        ("cnof", {}, "$ has an unknown key 'cnof'; did you mean conf?"),
        ("task", [], "$ has an unknown key 'task'; did you mean tasks?"),
        ("$scema", "x", "$ has an unknown key '$scema'; did you mean $schema?"),
        ("name", "x", "$ has an unknown key 'name'; use one of: $allow_secret"),
        ("tasks", GONE, "$.tasks is missing; add it"),
        ("tasks", [], "$.tasks is []; it should have at least 1 item"),
        ("tasks", None, "$.tasks is null; it should be a valid array"),
        (
            "tasks",
            {"features": {}},
            "$.tasks is {'features': {}}; it should be a valid",
        ),
        # The common conf.
        ("conf spark.executor.memroy", "1g", "$.conf: 'spark.executor.memroy' is not"),
        ("conf spark.executor.memroy", "1g", "did you mean spark.executor.memory?"),
        ("conf spark.executor.memory", "2x", "memory is '2x'; use a size such as 2g"),
        # A task.
        (TASK, None, "$.tasks[0] is null; it should be an object"),
        (TASK, "features", "$.tasks[0] is 'features'; it should be an object"),
        (f"{TASK} id", GONE, "$.tasks[0].id is missing; add it"),
        (f"{TASK} id", "1", "$.tasks[0].id is '1'; it should be a valid integer"),
        (f"{TASK} id", True, "$.tasks[0].id is True; it should be a valid integer"),
        (f"{TASK} id", 1.5, "$.tasks[0].id is 1.5; it should be a valid integer"),
        (f"{TASK} id", None, "$.tasks[0].id is null; it should be a valid integer"),
        (f"{TASK} idd", 1, "$.tasks[0] has an unknown key 'idd'; did you mean id?"),
        (f"{TASK} name", GONE, "$.tasks[0].name is missing; add it"),
        (f"{TASK} name", "", "$.tasks[0].name is ''; it should have at least 1 char"),
        (f"{TASK} name", 1, "$.tasks[0].name is 1; it should be a valid string"),
        (
            f"{TASK} nmae",
            "x",
            "$.tasks[0] has an unknown key 'nmae'; did you mean name?",
        ),
        (
            "tasks 1 id",
            1,
            "$.tasks[1].id: an earlier task also has the id 1; use another",
        ),
        (
            "tasks 1 name",
            "features",
            "$.tasks[1].name: an earlier task also has the name 'fe",
        ),
        (
            f"{TASK} conf",
            {},
            "unknown key 'conf'; use one of: id, name, spark_submit_co",
        ),
        (ARGUMENTS, GONE, "$.tasks[0].spark_submit_conf is missing; add it"),
        (
            ARGUMENTS,
            None,
            "$.tasks[0].spark_submit_conf is null; it should be an object",
        ),
        (ARGUMENTS, [], "$.tasks[0].spark_submit_conf is []; it should be an object"),
        (f"{TASK} spark_submit_cnf", {}, "did you mean spark_submit_conf?"),
        # The operator's arguments.
        (
            f"{ARGUMENTS} application",
            GONE,
            "spark_submit_conf.application: is missing;",
        ),
        (
            f"{ARGUMENTS} application",
            None,
            "application: is null; set it to the path",
        ),
        (f"{ARGUMENTS} application", "", "application: is ''; set it to the path of"),
        (
            f"{ARGUMENTS} application",
            ["a"],
            "application: is ['a']; set it to the path",
        ),
        (
            ARGUMENTS,
            {"aplication": "a"},
            "has 'aplication', but not 'application'; did",
        ),
        (
            f"{ARGUMENTS} conf",
            None,
            "$.tasks[0].spark_submit_conf.conf: is null; use a",
        ),
        (
            f"{ARGUMENTS} conf",
            ["a=b"],
            "spark_submit_conf.conf: is ['a=b']; use a JSON",
        ),
        (
            f"{ARGUMENTS} conf",
            {"spark.executor.core": 1},
            "conf: 'spark.executor.core' is not a k",
        ),
    ],
)
def test_malformed_spark_config(path: str, value: Any, expected: str) -> None:
    assert expected in message(SparkConfig, SPARK, path, value)


CONF = "tasks 0 conf"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("tasks", GONE, "$.tasks is missing; add it"),
        ("tasks", [], "$.tasks is []; it should have at least 1 item"),
        ("tasks", KUBEPOD["tasks"][0], "$.tasks is {'id': 1"),
        ("tsks", [], "$ has an unknown key 'tsks'; did you mean tasks?"),
        ("conf", [], "$.conf is []; it should be an object"),
        (f"{TASK} id", GONE, "$.tasks[0].id is missing; add it"),
        (f"{TASK} id", "one", "$.tasks[0].id is 'one'; it should be a valid integer"),
        (f"{TASK} name", GONE, "$.tasks[0].name is missing; add it"),
        (f"{TASK} name", None, "$.tasks[0].name is null; it should be a valid string"),
        (f"{TASK} image", "a", "$.tasks[0] has an unknown key 'image'; use one of: co"),
        (
            f"{TASK} cofn",
            {},
            "$.tasks[0] has an unknown key 'cofn'; did you mean conf?",
        ),
        (
            f"{TASK} spark_submit_conf",
            {},
            "unknown key 'spark_submit_conf'; use one of",
        ),
        (
            "tasks 1 id",
            1,
            "$.tasks[1].id: an earlier task also has the id 1; use another",
        ),
        (
            "tasks 1 name",
            "score",
            "$.tasks[1].name: an earlier task also has the name 'score",
        ),
        (CONF, GONE, "$.tasks[0].conf is missing; add it"),
        (CONF, None, "$.tasks[0].conf is null; it should be an object"),
        (CONF, [], "$.tasks[0].conf is []; it should be an object"),
        (f"{CONF} image", GONE, "$.tasks[0].conf.image: is missing; set it to the"),
        (
            f"{CONF} image",
            None,
            "$.tasks[0].conf.image: is null; set it to the domain's",
        ),
        (
            f"{CONF} image",
            "",
            "$.tasks[0].conf.image: is ''; set it to the domain's",
        ),
        (
            f"{CONF} image",
            ["a/b"],
            "$.tasks[0].conf.image: is ['a/b']; set it to the domain's",
        ),
        (
            CONF,
            {"imge": "a", "arguments": ["a"]},
            "has 'imge', but not 'image'; did you",
        ),
        (
            CONF,
            {"image": "a", "argument": ["a"]},
            "'argument', but not 'arguments'; did ",
        ),
        (
            f"{CONF} arguments",
            GONE,
            "$.tasks[0].conf.arguments: is missing; use a list",
        ),
        (
            f"{CONF} arguments",
            None,
            "$.tasks[0].conf.arguments: is null; use a list of",
        ),
        (
            f"{CONF} arguments",
            [],
            "$.tasks[0].conf.arguments: is []; use a list of str",
        ),
        (
            f"{CONF} arguments",
            "a.b",
            "arguments: is 'a.b'; use a list of strings",
        ),
        (
            f"{CONF} arguments",
            ["a.b", 1],
            "arguments: is ['a.b', 1]; use a list of str",
        ),
        (
            f"{CONF} arguments",
            [""],
            "arguments: is ['']; use a list of strings",
        ),
    ],
)
def test_malformed_kubepod_config(path: str, value: Any, expected: str) -> None:
    assert expected in message(KubepodConfig, KUBEPOD, path, value)
