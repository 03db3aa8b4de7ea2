"""Tests of the messages for mistakes in configs and overlays."""

import json
from pathlib import Path
from typing import Any

import pytest

from maxairesources.deployed import find_deployments
from maxairesources.errors import InputError
from maxairesources.testing.config_checks import check_configs

DETAILS = {"source": "file", "fileFormat": "csv", "filePath": "a.csv"}
PORT = {"port": 1, "type": "pandas", "sourceDetails": DETAILS}
TASK = {"input": [PORT], "output": [PORT], "function": {"args": {"seed": 7}}}
IMAGE = "spark.kubernetes.container.image"
FOLDER = "maxaiconfigs/shop/loyalty"
PY, SPARK, POD = "churn/py_config", "spark_config", "kubepod_config"
SUBMIT = {"application": "f.py", "conf": {"spark.ui.port": 1}}
FILES: dict[str, Any] = {
    PY: {"$schema": "x", "features": TASK, "score": TASK},
    SPARK: {
        "conf": {IMAGE: "maxai/shop", "spark.executor.instances": "{{ params.n }}"},
        "tasks": [{"id": 1, "name": "features", "spark_submit_conf": SUBMIT}],
    },
    POD: {
        "tasks": [
            {
                "id": 1,
                "name": "score",
                "conf": {"image": "maxai/shop", "arguments": ["a"]},
            }
        ]
    },
}
# Stands for a key that is removed.
GONE: Any = object()


def write(root: Path, name: str, data: Any) -> None:
    path = root / FOLDER / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "marketplace.toml").write_text('prefix = "maxai"')
    for name, data in FILES.items():
        write(tmp_path, name, data)
    return tmp_path


def message(root: Path, deployment: str | None = None) -> str:
    with pytest.raises(InputError) as error:
        check_configs(root, ("shop", "loyalty", "churn"), deployment)
    return str(error.value)


def changed(name: str, path: str, value: Any) -> Any:
    """Return a config with one place changed."""
    config = json.loads(json.dumps(FILES[name]))
    *parents, last = (int(key) if key.isdigit() else key for key in path.split())
    part: Any = config
    for key in parents:
        part = part[key]
    if isinstance(part, list) and last == len(part):
        part.append(value)
    elif value is GONE:
        del part[last]
    else:
        part[last] = value
    return config


SPARK_CONF, POD_CONF = "tasks 0 spark_submit_conf", "tasks 0 conf"
AT = "score input 0"


@pytest.mark.parametrize(
    ("name", "path", "value", "expected"),
    [
        (SPARK, "conf", GONE, "$.conf is missing; add it"),
        (SPARK, "cnof", {}, "$ has an unknown key 'cnof'; did you mean conf?"),
        (SPARK, "tasks", [], "$.tasks is []; it should have at least 1 item"),
        (SPARK, "conf spark.executor.memroy", "1g", "$.conf: 'spark.executor.memroy'"),
        (SPARK, "conf Spark.executor.memory", "1g", "'Spark.executor.memory' does not"),
        (SPARK, "conf spark.a", None, "$.conf['spark.a'] is null; it should be a vali"),
        (SPARK, "tasks 0 id", "1", "$.tasks[0].id is '1'; it should be a valid intege"),
        (SPARK, "tasks 0 nmae", "x", "$.tasks[0] has an unknown key 'nmae'; did you m"),
        (SPARK, "tasks 1", FILES[SPARK]["tasks"][0], "task 'features' is also in"),
        (SPARK, SPARK_CONF, GONE, "$.tasks[0].spark_submit_conf is missing; add it"),
        (SPARK, f"{SPARK_CONF} application", GONE, "spark_submit_conf.application is"),
        (SPARK, f"{SPARK_CONF} conf", ["a=b"], "conf is ['a=b']; it should be"),
        (SPARK, f"{SPARK_CONF} conf spark.executor.core", 1, "conf: 'spark.executor.c"),
        (POD, "tasks", GONE, "$.tasks is missing; add it"),
        (POD, "tasks", {"score": {}}, "$.tasks is {'score': {}}; it should be a valid"),
        (POD, "tasks 0 name", "", "$.tasks[0].name is ''; it should have at least 1 c"),
        (POD, "tasks 0 name", "features", "task 'features' is also in maxaiconfigs/sh"),
        (
            POD,
            "tasks 0 spark_submit_conf",
            {},
            "'spark_submit_conf'; rename it to conf",
        ),
        (POD, POD_CONF, [], "$.tasks[0].conf is []; it should be an object"),
        (PY, "$scema", "x", "$['$scema'] is 'x'; it should be an object"),
        (PY, "score ouput", [], "$.score has an unknown key 'ouput'; did you mean o"),
        (PY, "score function args", [7], "$.score.function.args is [7]; it should be"),
        (
            PY,
            AT,
            {**PORT, "prot": 1},
            "$.score.input[0] has an unknown key 'prot'; did",
        ),
        (PY, "score args", {}, "unknown key 'args'; move it to $.score.function"),
        (PY, f"{AT} file_path", "", "unknown key 'file_path'; use one of: "),
        (PY, f"{AT} filePath", "", "'filePath'; move it to $.score.input[0].sourceD"),
        (
            PY,
            f"{AT} sourceDetails file-path",
            "",
            "'file-path'; did you mean filePath?",
        ),
        (SPARK, "application", "", "; move it to $.tasks[0].spark_submit_conf"),
        (SPARK, "spark.a", "", "unknown key 'spark.a'; move it to $.conf"),
        (SPARK, "tasks 0 conf", {}, "; move it to $.tasks[0].spark_submit_conf"),
        (SPARK, "tasks 0 spark.a", 1, "; move it to $.tasks[0].spark_submit_conf.conf"),
        (SPARK, "conf name", "x", "; an argument of the operator belongs in spark_sub"),
        (POD, "env_vars", {}, "$ has an unknown key 'env_vars'; move it to $.conf"),
        (POD, "tasks 0 image", "x", "unknown key 'image'; move it to $.tasks[0].conf"),
        (PY, "score input 1", PORT, "$.score.input: port 1 is defined twice; remove o"),
        (PY, f"{AT} port", 0, "$.score.input[0].port is 0; it should be greater than"),
        (PY, f"{AT} type", "panda", "$.score.input[0].type is 'panda'; did you mean p"),
        (PY, f"{AT} type", GONE, "$.score.input[0].type is missing; add it"),
        (PY, f"{AT} sourceDetails source", "s3a", "source is 's3a'; did you mean s3?"),
        (PY, f"{AT} sourceDetails fileFormat", "cvs", "; did you mean csv?"),
        (PY, f"{AT} sourceDetails fileFormat", "delta", "pandas cannot read or"),
        (PY, f"{AT} sourceDetails filePath", "s3://a/x", "'s3://a/x' is a URI; use th"),
        (PY, "score function args a", "x" * 132_000, "has more than 128 KiB, too larg"),
    ],
)
def test_a_mistake_in_a_config(
    name: str, path: str, value: Any, expected: str, root: Path
) -> None:
    write(root, name, changed(name, path, value))
    reported = message(root)
    assert reported.startswith(f"{FOLDER}/{name}.json: ")
    assert expected in reported


@pytest.mark.parametrize(
    "key",
    [
        "spark.driver.memoryOverheadFactor",
        "spark.files.maxPartitionBytes",
        "spark.kubernetes.driver.limit.cores",
        "spark.sql.execution.arrow.sparkr.enabled",
        "spark.yarn.executor.memoryOverhead",
        # Old names, and those of other libraries.
        "spark.databricks.delta.schema.autoMerge.enabled",
        "spark.sql.legacy.parquet.datetimeRebaseModeInWrite",
        "spark.sql.sources.commitProtocolClass",
        "spark.openlineage.transport.type",
    ],
)
def test_any_other_key_of_spark_passes(key: str, root: Path) -> None:
    write(root, SPARK, changed(SPARK, f"conf {key}", True))
    check_configs(root, ("shop", "loyalty", "churn"))


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        (SPARK, {"conf": None}, f" with {SPARK}.dev.json: $.conf is missing;"),
        (SPARK, {"cnof": {}}, ".dev.json: $ has an unknown key 'cnof'; did you mean c"),
        (SPARK, {"tasks": []}, f"with {SPARK}.dev.json: $.tasks is []; it should"),
        (
            SPARK,
            {"conf": {"spark.executor.instance": None}},
            f"{SPARK}.dev.json: $.conf['spark.executor.instance']: spark_config.json has no "
            "'spark.executor.instance'; did you mean spark.executor.instances?",
        ),
        (SPARK, [], f"{SPARK}.dev.json: is not a JSON object; put the content in brac"),
        (SPARK, b'{"\xe9": 1}', f"{SPARK}.dev.json: cannot be read ('utf-8' codec"),
        (POD, {"tasks": [{"name": "scroe"}]}, "has no 'scroe'; did you mean score?"),
        (POD, {"tasks": ["score"]}, f"{POD}.dev.json: $.tasks[0] is 'score'; it sho"),
        (
            POD,
            {"tasks": [{"name": "score", "conf": {"namespaces": None}}]},
            f"{POD}.dev.json: $.tasks.score.conf.namespaces: {POD}.json has no 'namespac",
        ),
        (PY, {"scores": {}}, " with py_config.dev.json: $.scores.input is missing"),
        (PY, {"socre": None}, "$.socre: py_config.json has no 'socre'; did you mean s"),
        (
            PY,
            {"score": {"function": {"args": {"seeds": 8}}}},
            f"{PY}.dev.json: $.score.function.args.seeds: py_config.json has no 'seeds'; did",
        ),
    ],
)
def test_a_mistake_in_an_overlay(
    name: str, data: Any, expected: str, root: Path
) -> None:
    write(root, f"{name}.dev", data)
    write(root, f"{POD}.prod", {})
    assert expected in message(root, "dev")
    check_configs(root, ("shop", "loyalty", "churn"), "prod")
    assert {*find_deployments(root)} == {"dev", "prod"}


def test_all_mistakes_are_reported_at_once(root: Path) -> None:
    write(root, PY, changed(PY, AT, {"prot": 1}))
    write(root, f"{PY}.dev", {"socre": None})
    write(root, POD, changed(POD, "tasks 0 conf image", "x"))
    reported = message(root, "dev").splitlines()
    # One misspelt key is two mistakes; the one that can be fixed is reported.
    parts = (
        "no 'socre'; unknown key 'prot'; .type is m; .sourceDetails is m; image is 'x'"
    )
    assert len(reported) == 5
    for line, part in zip(reported, parts.split("; ")):
        assert line.startswith(f"{FOLDER}/") and part in line


def test_an_overlay_needs_a_base(root: Path) -> None:
    write(root, f"{PY}.dev", {})
    (root / FOLDER / f"{PY}.json").unlink()
    expected = f"{FOLDER}/{PY}.json: is missing; add it: its overlays need it"
    assert message(root) == expected
