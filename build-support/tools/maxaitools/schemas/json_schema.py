"""Writes the JSON Schemas of the configs, with which editors complete and check them.

A test fails if the files in maxairesources/configs/schemas are stale. To write them, run
`./pants run build-support/tools/maxaitools/schemas/json_schema.py`.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from maxairesources.testing.config_checks import FREQUENT, KubepodConfig, SparkConfig
from maxairesources.launches import KUBEPOD, SPARK
from maxairesources.configs.py_config import PyConfig
from maxairesources.dagfactory import operator_class, parameters

FOLDER = Path("maxairesources/configs/schemas")
_TEXT = {"type": "string"}
_CONF = {"$ref": "#/$defs/conf"}
_SPARK_CONF = {
    "type": "object",
    "description": "Spark's configuration.",
    # Editors complete these.
    "properties": {key: True for key in FREQUENT if key[-1] != "."},
    "patternProperties": {
        r"^spark\..*[^.]$": {"type": ["string", "number", "boolean"]}
    },
    "additionalProperties": False,
}


def schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schema (draft 2020-12) of each config, by its file's name."""
    models: dict[str, type[BaseModel]]
    models = {"kubepod": KubepodConfig, "py": PyConfig, "spark": SparkConfig}
    dialect = "https://json-schema.org/draft/2020-12/schema"
    result = {
        f"{kind}_config.json": {"$schema": dialect, **model.model_json_schema()}
        for kind, model in models.items()
    }
    spark, kubepod = result["spark_config.json"], result["kubepod_config.json"]
    spark["$defs"]["conf"] = _SPARK_CONF
    spark["$defs"]["SparkTask"]["properties"]["spark_submit_conf"] = {
        **_arguments(SPARK, application=_TEXT, conf=_CONF),
        "required": ["application"],
    }
    # The image and the arguments may be in the common conf, so a task requires neither.
    arguments = {"type": "array", "items": _TEXT, "minItems": 1}
    kubepod["$defs"]["conf"] = _arguments(KUBEPOD, arguments=arguments, image=_TEXT)
    for part in (spark, kubepod, kubepod["$defs"]["KubepodTask"]):
        part["properties"]["conf"] = _CONF
    return result


def _arguments(operator: str, **types: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an operator's arguments; DAGFactory checks their types."""
    return {
        "type": "object",
        "description": f"Arguments of Airflow's {operator}.",
        "properties": dict.fromkeys(parameters(operator_class(operator)), True) | types,
        "additionalProperties": False,
    }


if __name__ == "__main__":
    for name, schema in schemas().items():
        (FOLDER / name).write_text(json.dumps(schema, indent=1, sort_keys=True) + "\n")
