"""A formatter that generates the JSON Schemas of the configs.

`fmt` generates them from the models in maxairesources, and `lint` fails if they are stale.
"""

from __future__ import annotations

from typing import Any, Iterable

from pants.backend.python.target_types import EntryPoint
from pants.backend.python.util_rules.pex import PexRequest, VenvPex, VenvPexProcess
from pants.backend.python.util_rules.pex_from_targets import PexFromTargetsRequest
from pants.core.goals.fmt import FmtFilesRequest, FmtResult
from pants.core.util_rules.partitions import (
    Partition,
    PartitionerType,
    Partitions,
)
from pants.engine.addresses import Address
from pants.engine.process import ProcessResult
from pants.engine.rules import Get, collect_rules, rule
from pants.option.option_types import SkipOption
from pants.option.subsystem import Subsystem
from pants.util.logging import LogLevel

FOLDER = "maxairesources/configs"
TOOL = "build-support/tools/maxaitools/schemas"
SCHEMAS = tuple(
    f"{FOLDER}/schemas/{kind}_config.json" for kind in ("kubepod", "py", "spark")
)
# The schemas list the arguments of Airflow's operators.
SOURCES = (
    f"{FOLDER}/",
    f"{TOOL}/json_schema.py",
    "maxairesources/dags/operators.py",
    "3rdparty/python/airflow.lock",
)


class ConfigSchemas(Subsystem):
    options_scope = "config-schemas"
    name = "Config schemas"
    help = "Writes the JSON Schemas of the configs from their models."

    skip = SkipOption("fmt", "lint")


class ConfigSchemasRequest(FmtFilesRequest):
    tool_subsystem = ConfigSchemas  # type: ignore[assignment]
    partitioner_type = PartitionerType.CUSTOM


@rule
async def partition(
    request: ConfigSchemasRequest.PartitionRequest, subsystem: ConfigSchemas
) -> Partitions[str, Any]:
    if subsystem.skip or not any(file.startswith(SOURCES) for file in request.files):
        return Partitions()
    return Partitions([Partition(SCHEMAS, None)])


@rule(desc="Write the JSON Schemas of the configs", level=LogLevel.DEBUG)
async def write_schemas(request: ConfigSchemasRequest.Batch) -> FmtResult:
    pex = await Get(
        PexRequest,
        PexFromTargetsRequest(
            [Address(TOOL, relative_file_path="json_schema.py")],
            output_filename="config_schemas.pex",
            internal_only=True,
            main=EntryPoint("maxaitools.schemas.json_schema"),
        ),
    )
    venv = await Get(VenvPex, PexRequest, pex)
    result = await Get(
        ProcessResult,
        VenvPexProcess(
            venv,
            argv=(f"{FOLDER}/schemas",),
            # Importing Airflow writes its settings into its home.
            extra_env={"AIRFLOW_HOME": "{chroot}/airflow"},
            output_files=SCHEMAS,
            description="Write the JSON Schemas of the configs.",
            level=LogLevel.DEBUG,
        ),
    )
    return await FmtResult.create(request, result)


def rules() -> Iterable[Any]:
    return [*collect_rules(), *ConfigSchemasRequest.rules()]
