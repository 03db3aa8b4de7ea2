from __future__ import annotations

import pytest
from marketplace.config_schemas import ConfigSchemas, ConfigSchemasRequest, partition
from pants.testutil.option_util import create_subsystem
from pants.testutil.rule_runner import run_rule_with_mocks


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("maxairesources/config_store/py_config.py", True),
        ("maxairesources/config_store/schemas/py_config.json", True),
        ("maxairesources/operators.py", True),
        ("3rdparty/python/airflow.lock", True),
        ("maxairesources/dagfactory.py", False),
        ("maxaiconfigs/retail/customer360/spark_config.json", False),
    ],
)
def test_schemas_are_written_when_their_sources_are_given(
    file: str, expected: bool
) -> None:
    request = ConfigSchemasRequest.PartitionRequest(("README.md", file))
    subsystem = create_subsystem(ConfigSchemas, skip=False)
    partitions = run_rule_with_mocks(partition, rule_args=[request, subsystem])
    assert [p.elements for p in partitions] == (
        [
            (
                "maxairesources/config_store/schemas/kubepod_config.json",
                "maxairesources/config_store/schemas/py_config.json",
                "maxairesources/config_store/schemas/spark_config.json",
            )
        ]
        if expected
        else []
    )
