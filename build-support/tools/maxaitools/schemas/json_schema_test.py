import json
from typing import Any

import jsonschema
import pytest

from maxaitools.schemas import json_schema

SCHEMAS = json_schema.schemas()
NAMES = sorted(SCHEMAS)

SPARK: dict[str, Any] = {
    "conf": {
        "spark.kubernetes.container.image": "maxai/shop",
        "spark.executor.instances": "{{ params.executors }}",
        "spark.hadoop.fs.s3a.path.style.access": True,
    },
    "tasks": [
        {
            "id": 1,
            "name": "features",
            "spark_submit_conf": {
                "application": "local:///f.py",
                "verbose": True,
                "conf": {"spark.executor.memory": "4g"},
            },
        }
    ],
}
KUBEPOD: dict[str, Any] = {
    "tasks": [
        {
            "id": 1,
            "name": "score",
            "conf": {
                "image": "maxai/shop",
                "arguments": ["a.b"],
                "do_xcom_push": True,
                "container_resources": {"limits": {"memory": "1Gi"}},
            },
        }
    ],
}
PORT = {
    "port": 1,
    "type": "pandas",
    "sourceDetails": {"source": "file", "fileFormat": "csv", "filePath": "a.csv"},
}
PY: dict[str, Any] = {
    "score": {"input": [PORT], "output": [], "function": {"args": {"seed": 7}}}
}
GOOD = {
    "spark_config.json": SPARK,
    "kubepod_config.json": KUBEPOD,
    "py_config.json": PY,
}


def mistakes(name: str, config: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(SCHEMAS[name])
    return [error.message for error in validator.iter_errors(config)]


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_valid_and_a_good_config_passes(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    assert mistakes(name, {"$schema": "x", **GOOD[name]}) == []


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("spark", "cnof", {}),
        ("spark", "tasks", []),
        ("spark", "conf spark.hadoop.", "x"),
        ("spark", "conf executor.memory", "1g"),
        ("spark", "conf spark.executor.instances", None),
        ("spark", "tasks 0 nmae", "x"),
        ("spark", "tasks 0 spark_submit_conf aplication", "x"),
        ("spark", "tasks 0 spark_submit_conf application", 1),
        ("spark", "tasks 0 spark_submit_conf conf executor.memory", "1x"),
        ("kubepod", "conf", {"imge": "x"}),
        ("kubepod", "tasks 0 conf imge", "x"),
        ("kubepod", "tasks 0 conf arguments", "a.b"),
        ("py", "conf", {}),
        ("py", "score input 0 prot", 1),
    ],
)
def test_mistake_does_not_pass(name: str, path: str, value: Any) -> None:
    config = json.loads(json.dumps(GOOD[f"{name}_config.json"]))
    *parents, last = path.split()
    part: Any = config
    for key in parents:
        part = part[int(key) if key.isdigit() else key]
    part[last] = value
    assert mistakes(f"{name}_config.json", config)


def test_the_files_are_up_to_date() -> None:
    files = json_schema.FOLDER.iterdir()
    written = {path.name: json.loads(path.read_text()) for path in files}
    command = "./pants run build-support/tools/maxaitools/schemas/json_schema.py"
    assert written == SCHEMAS, f"run {command}"
