from pathlib import Path
from typing import Any

import pytest

from maxairesources.configs.spark_keys import mistake_in
from maxaitools.schemas import spark_keys_source

# What the kinds of values look like, and what looks nearly so.
VALUES = """\
true False yes on 1 0 +2 -1 2.0 1.5 .5 5. 1e3 6E-1 1f two x g 1g 2G 2gb 512m 3mb 7k 7kb
8b 1t 1tb 1p 1pb 2x 1.5g -2g 1s 30S 100ms 5m 5min 2h 1d 9us 1.5s 1week 0x1 1_000 1,000
static DYNAMIC Static always Always Never\
""".split()


@pytest.fixture(scope="module")
def jvm() -> Any:
    return spark_keys_source.java()


@pytest.fixture(scope="module")
def fresh(jvm: Any) -> str:
    return spark_keys_source.spark_keys(jvm)


def test_file_is_up_to_date(fresh: str) -> None:
    committed = Path("maxairesources/configs/spark_keys.json").read_text()
    # Not in one comparison, since pytest would need minutes to show the difference.
    is_stale = committed != fresh
    assert not is_stale, "generate it again; spark_keys_source.py has the command"


@pytest.mark.parametrize(
    "key", ["spark.sql.codegen.wholeStage", "spark.sql.legacy.charVarcharAsString"]
)
def test_internal_keys_have_their_types(key: str) -> None:
    assert mistake_in(key, "true") is None
    assert mistake_in(key, "maybe") == (f"{key} is 'maybe'", "use true or false")


@pytest.mark.parametrize(
    "key",
    [
        # Among them are optional ones, fallbacks on others, and ones with choices.
        "spark.dynamicAllocation.enabled",
        "spark.kubernetes.container.image.pullPolicy",
        "spark.driver.memory",
        "spark.driver.memoryOverheadFactor",
        "spark.executor.cores",
        "spark.executor.heartbeatInterval",
        "spark.executor.instances",
        "spark.executor.memory",
        "spark.executor.memoryOverhead",
        "spark.memory.fraction",
        "spark.network.timeout",
        "spark.python.worker.faulthandler.enabled",
        "spark.shuffle.registration.timeout",
        "spark.sql.autoBroadcastJoinThreshold",
        "spark.sql.broadcastTimeout",
        "spark.sql.execution.arrow.pyspark.enabled",
        "spark.sql.shuffle.partitions",
        "spark.sql.sources.partitionOverwriteMode",
        "spark.sql.warehouse.dir",
    ],
)
@pytest.mark.usefixtures("fresh")
def test_spark_agrees(key: str, jvm: Any) -> None:
    entry = jvm.org.apache.spark.internal.config.ConfigEntry.findEntry(key)
    for value in VALUES:
        refusal = spark_keys_source._refusal(entry.valueConverter(), value)
        # Spark also knows ranges, which we leave to it.
        if "INVALID_CONF_VALUE.REQUIREMENT" not in refusal:
            assert bool(mistake_in(key, value)) == bool(refusal), (value, refusal)
