from __future__ import annotations

import pytest
from pants.testutil.option_util import create_subsystem
from pants.testutil.rule_runner import run_rule_with_mocks

from marketplace.lint.config_schemas import (
    SCHEMAS,
    ConfigSchemas,
    ConfigSchemasRequest,
    partition,
)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("maxairesources/configs/py_config.py", True),
        ("3rdparty/python/airflow.lock", True),
        ("maxairesources/dagfactory.py", False),
        ("maxaiconfigs/shop/churn/spark_config.json", False),
    ],
)
def test_schemas_are_written_if_a_source_is_among_the_files(
    file: str, expected: bool
) -> None:
    request = ConfigSchemasRequest.PartitionRequest(("README.md", file))
    subsystem = create_subsystem(ConfigSchemas, skip=False)
    partitions = run_rule_with_mocks(partition, rule_args=[request, subsystem])
    assert [p.elements for p in partitions] == [SCHEMAS] * expected
