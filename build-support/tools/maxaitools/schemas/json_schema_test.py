import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from maxairesources.configs import spark_keys
from maxairesources.configs.objective import find_deployments
from maxairesources.configs.spark_keys import mistake_in
from maxairesources.launches import merge
from maxaitools.schemas import json_schema

SCHEMAS = json_schema.schemas()
NAMES = sorted(SCHEMAS)
CONFIGS = sorted(path for name in NAMES for path in Path("maxaiconfigs").rglob(name))

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
def test_schema_is_itself_valid(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])


@pytest.mark.parametrize("name", NAMES)
def test_good_config_passes(name: str) -> None:
    assert mistakes(name, {"$schema": "x", **GOOD[name]}) == []


def test_committed_configs_match_their_schemas() -> None:
    for path in CONFIGS:
        for deployment in (None, *sorted({*find_deployments(Path("maxaiconfigs"))})):
            config = json.loads(path.read_text())
            overlay = path.with_suffix(f".{deployment}.json")
            if overlay.exists():
                config = merge(config, json.loads(overlay.read_text()))
            assert mistakes(path.name, config) == [], (path, deployment)


def test_committed_configs_name_an_existing_schema_or_none() -> None:
    for path in CONFIGS:
        schema = Path("maxairesources/configs/schemas", path.name).resolve()
        named = json.loads(path.read_text()).get("$schema", schema)
        assert path.parent.joinpath(named).resolve() == schema, path


ARGUMENTS = "tasks 0 spark_submit_conf"


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("spark", "cnof", {}),
        ("spark", "tasks", []),
        ("spark", "conf spark.hadoop.", "x"),
        ("spark", "conf executor.memory", "1g"),
        ("spark", "conf spark.executor.memory", "1gg"),
        ("spark", "conf spark.executor.memory", True),
        ("spark", "conf spark.executor.instances", "two"),
        ("spark", "conf spark.executor.instances", 2.5),
        ("spark", "conf spark.executor.instances", None),
        ("spark", "conf spark.eventLog.enabled", "ture"),
        ("spark", "conf spark.hadoop.fs.s3a.endpoint", ["x"]),
        ("spark", "conf spark.kubernetes.container.image.pullPolicy", "always"),
        ("spark", "tasks 0 nmae", "x"),
        ("spark", "tasks 0 id", "1"),
        ("spark", f"{ARGUMENTS} aplication", "x"),
        ("spark", f"{ARGUMENTS} application", 1),
        ("spark", f"{ARGUMENTS} verbose", "ture"),
        ("spark", f"{ARGUMENTS} conf spark.executor.memory", "1x"),
        ("kubepod", "conf", {"imge": "x"}),
        ("kubepod", "tasks 0 idd", 1),
        ("kubepod", "tasks 0 conf imge", "x"),
        ("kubepod", "tasks 0 conf arguments", []),
        ("kubepod", "tasks 0 conf arguments", "a.b"),
        ("kubepod", "tasks 0 conf do_xcom_push", "true"),
        ("kubepod", "tasks 0 conf startup_timeout_seconds", "120"),
        ("py", "conf", {}),
        ("py", "score inputs", []),
        ("py", "score input 0 prot", 1),
        ("py", "score input 0 type", "panda"),
        ("py", "score input 0 sourceDetails fileFormat", "cvs"),
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


def test_schema_judges_each_key_of_spark_as_the_library_does() -> None:
    validator = jsonschema.Draft202012Validator(spark_keys.json_schema())
    values: list[Any] = ["", "x", "2g", "30s", "TRUE", "1e3", " 7 ", "{{ ds }}"]
    values += ["{ ds }", "2x", True, 2, 2.5, None, [], {}, "Always", "lz4", "Fifo"]
    kinds = spark_keys._table()["keys"]
    # One key of each kind.
    keys = {kind: key for key, kind in kinds.items()}.values()
    for key in [*keys, "spark.hadoop.a", "spark.hadoop.", "spark.foo", "a"]:
        for value in values:
            right = mistake_in(key, value) is None
            assert validator.is_valid({key: value}) == right, (key, value)


def test_main_writes_each_schema(tmp_path: Path) -> None:
    json_schema.main(tmp_path / "schemas")
    written = {path.name: path for path in (tmp_path / "schemas").iterdir()}
    assert sorted(written) == NAMES
    for name, path in written.items():
        assert json.loads(path.read_text()) == SCHEMAS[name]
        assert path.read_text().endswith("\n}\n")
