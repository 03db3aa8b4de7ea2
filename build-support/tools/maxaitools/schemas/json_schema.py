"""Writes the JSON Schemas of the configs, with which editors complete and check them.

A test fails if the files in maxairesources/configs/schemas are stale. To write them, run
`./pants run build-support/tools/maxaitools/schemas/json_schema.py`.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from maxairesources.testing.launch_config import FREQUENT, KubepodConfig, SparkConfig
from maxairesources.configs.objective import KUBEPOD, SPARK
from maxairesources.configs.py_config import PyConfig
from maxairesources.dags.operators import operator_class, parameters

FOLDER = Path("maxairesources/configs/schemas")


def schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schema (draft 2020-12) of each config, by its file's name."""
    spark, kubepod = _schema(SparkConfig), _schema(KubepodConfig)
    spark["$defs"]["conf"] = {
        "type": "object",
        "description": "Spark's configuration.",
        # Editors complete these.
        "properties": {key: True for key in FREQUENT if key[-1] != "."},
        "patternProperties": {
            r"^spark\..*[^.]$": {"type": ["string", "number", "boolean"]}
        },
        "additionalProperties": False,
    }
    spark["properties"]["conf"] = {"$ref": "#/$defs/conf"}
    spark["$defs"]["SparkTask"]["properties"]["spark_submit_conf"] = _arguments(
        SPARK, application={"type": "string"}, conf={"$ref": "#/$defs/conf"}
    )
    # The image and the arguments may be in the common conf.
    kubepod["$defs"]["conf"] = _arguments(
        KUBEPOD,
        arguments={"type": "array", "items": {"type": "string"}, "minItems": 1},
        image={"type": "string"},
    )
    kubepod["$defs"]["conf"].pop("required")
    for part in (kubepod, kubepod["$defs"]["KubepodTask"]):
        part["properties"]["conf"] = {"$ref": "#/$defs/conf"}
    return {
        "kubepod_config.json": kubepod,
        "py_config.json": _schema(PyConfig),
        "spark_config.json": spark,
    }


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, **model.model_json_schema()}


def _arguments(operator: str, **required: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an operator's arguments; DAGFactory checks their types."""
    known = dict.fromkeys(parameters(operator_class(operator)), True)
    return {
        "type": "object",
        "description": f"Arguments of Airflow's {operator}.",
        "properties": {**known, **required},
        "required": sorted({*required} - {"conf"}),
        "additionalProperties": False,
    }


def files() -> dict[Path, str]:
    """Return the content of each file."""
    return {
        FOLDER / name: json.dumps(schema, indent=1, sort_keys=True) + "\n"
        for name, schema in schemas().items()
    }


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
