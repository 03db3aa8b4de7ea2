import re

import pytest

from maxairesources.configs import spark_keys
from maxairesources.configs.spark_keys import mistake_in


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("spark.app.name", "churn"),
        ("spark.driver.extraJavaOptions", "-Xss4m -Dx=y"),
        ("spark.driver.memory", "512M"),
        ("spark.driver.memory", 512),
        ("spark.dynamicAllocation.enabled", "True"),
        ("spark.dynamicAllocation.enabled", True),
        ("spark.eventLog.enabled", False),
        ("spark.executor.cores", "{{ var.value.cores }}"),
        ("spark.executor.instances", 3),
        ("spark.executor.memory", "{{ params.gigabytes }}g"),
        ("spark.executor.memory", "2g"),
        ("spark.executorEnv.STAGE", "production"),
        ("spark.hadoop.fs.s3a.endpoint", "https://store:9000"),
        ("spark.hadoop.fs.s3a.path.style.access", True),
        ("spark.jars.ivy", "/tmp/ivy"),
        ("spark.kubernetes.authenticate.driver.serviceAccountName", "spark"),
        ("spark.kubernetes.authenticate.submission.caCertFile", "/ca.crt"),
        ("spark.kubernetes.container.image", "max/churn:1"),
        ("spark.kubernetes.container.image.pullPolicy", "Always"),
        ("spark.kubernetes.driver.label.team", "max"),
        ("spark.kubernetes.driver.volumes.hostPath.data.mount.path", "/data"),
        ("spark.kubernetes.driverEnv.STAGE", "production"),
        ("spark.kubernetes.executor.request.cores", "500m"),
        ("spark.kubernetes.namespace", "max"),
        ("spark.kubernetes.node.selector.pool", "spark"),
        ("spark.master", "k8s://https://host:443"),
        ("spark.memory.fraction", 0.6),
        ("spark.memory.fraction", "6e-1"),
        ("spark.network.timeout", "120s"),
        ("spark.serializer", "org.apache.spark.serializer.KryoSerializer"),
        ("spark.sql.catalog.lake.type", "hadoop"),
        ("spark.sql.extensions", "a.B,c.D"),
        ("spark.sql.sources.partitionOverwriteMode", "dynamic"),
        ("spark.sql.shuffle.partitions", " 200 "),
        ("spark.submit.deployMode", "cluster"),
        # Old names that Spark still reads.
        ("spark.reducer.maxMbInFlight", "48"),
        ("spark.unsafe.offHeap", "true"),
    ],
)
def test_right_entry(key: str, value: object) -> None:
    assert mistake_in(key, value) is None


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("spark.driver.memory", "2 gigabytes", "a size such as 2g or 512m"),
        ("spark.dynamicAllocation.enabled", "yes", "true or false"),
        ("spark.dynamicAllocation.enabled", 1, "true or false"),
        ("spark.eventLog.enabled", "{ on }", "true or false"),
        ("spark.executor.cores", "two", "a whole number such as 2"),
        ("spark.executor.cores", 2.0, "a whole number such as 2"),
        ("spark.executor.cores", True, "a whole number such as 2"),
        ("spark.executor.memory", "", "a size such as 2g or 512m"),
        ("spark.executor.memory", "1.5g", "a size such as 2g or 512m"),
        ("spark.executor.memory", "2x", "a size such as 2g or 512m"),
        ("spark.memory.fraction", "half", "a number such as 0.5"),
        ("spark.network.timeout", "2g", "a duration such as 30s or 5m"),
        ("spark.network.timeout", "half an hour", "a duration such as 30s or 5m"),
        (
            "spark.kubernetes.container.image.pullPolicy",
            "always",
            "one of: Always, IfNotPresent, Never",
        ),
        (
            "spark.sql.sources.partitionOverwriteMode",
            "append",
            "one of: DYNAMIC, STATIC",
        ),
    ],
)
def test_wrong_value(key: str, value: object, wanted: str) -> None:
    assert mistake_in(key, value) == (f"{key} is {value!r}", f"use {wanted}")


@pytest.mark.parametrize("value", [None, ["secret"], {"secret": 1}])
@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ("spark.executor.cores", "a whole number such as 2"),
        ("spark.hadoop.x", "a string"),
    ],
)
def test_neither_text_nor_number(key: str, value: object, wanted: str) -> None:
    expected = (f"{key} is not a string, number or boolean", f"use {wanted}")
    assert mistake_in(key, value) == expected


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("spark.Executor.memory", "spark.executor.memory"),
        ("spark.executor.memroy", "spark.executor.memory"),
        ("spark.executor.mem", "spark.executor.memory"),
        ("spark.executor.core", "spark.executor.cores"),
        ("spark.dynamicallocation.enabled", "spark.dynamicAllocation.enabled"),
        ("spark.sql.shuffle.partition", "spark.sql.shuffle.partitions"),
        ("spark.sql.shufle.partitions", "spark.sql.shuffle.partitions"),
        ("spark.hadop.fs.s3a.endpoint", "spark.hadoop.fs.s3a.endpoint"),
        ("spark.executorEnvs.STAGE", "spark.executorEnv.STAGE"),
        (
            "spark.kubernetes.driver.lable.team",
            "spark.kubernetes.driver.label.team",
        ),
        (
            "spark.kubernetes.authenticate.driver.serviceAcountName",
            "spark.kubernetes.authenticate.driver.serviceAccountName",
        ),
    ],
)
def test_misspelt_key(key: str, meant: str) -> None:
    problem, remedy = mistake_in(key, "{{ x }}") or ("", "")
    assert re.fullmatch(rf"Spark 4\.\S+ has no key '{key}'", problem)
    assert remedy == f"did you mean {meant}?"


# Keys of other libraries, and internal ones of Spark.
@pytest.mark.parametrize(
    "key",
    [
        "spark.bigquery.project",
        "spark.cassandra.connection.host",
        "spark.celeborn.master.endpoints",
        "spark.comet.enabled",
        "spark.databricks.delta.schema.autoMerge.enabled",
        "spark.databricks.io.cache.enabled",
        "spark.gluten.enabled",
        "spark.lineage.enabled",
        "spark.mycompany.team",
        "spark.mongodb.read.connection.uri",
        "spark.openlineage.transport.type",
        "spark.rapids.sql.enabled",
        "spark.shuffle.rss.enabled",
        "spark.sql.hudi.enable",
        "spark.sql.iceberg.handle-timestamp-without-timezone",
        "spark.sql.legacy.timeParserPolicy",
        "spark.sql.parquet.datetimeRebaseModeInRead",
        "spark.sql.sources.commitProtocolClass",
    ],
)
def test_a_key_that_resembles_no_key_of_spark_is_valid(key: str) -> None:
    assert mistake_in(key, "{{ x }}") is None
    problem, _ = mistake_in(key, None) or ("", "")
    assert problem == f"{key} is not a string, number or boolean"


def test_internal_keys_have_a_type() -> None:
    key = "spark.sql.legacy.timeParserPolicy"
    assert mistake_in(key, "LEGACI") == (
        f"{key} is 'LEGACI'",
        "use one of: CORRECTED, EXCEPTION, LEGACY",
    )


@pytest.mark.parametrize(
    ("key", "remedy"),
    [
        ("fs.s3a.endpoint", "prefix a key of Hadoop with spark.hadoop."),
        ("executor.memory", "did you mean spark.executor.memory?"),
        ("Spark.executor.memory", "did you mean spark.executor.memory?"),
    ],
)
def test_key_that_spark_ignores(key: str, remedy: str) -> None:
    problem = f"{key!r} does not begin with spark., so Spark would ignore it"
    assert mistake_in(key, "2g") == (problem, remedy)


@pytest.mark.parametrize("key", ["", "spark", "spark.", "spark.sql.", "spark.hadoop."])
def test_beginning_is_no_key(key: str) -> None:
    problem, remedy = mistake_in(key, "x") or ("", "")
    assert repr(key) in problem
    assert f"{key}?" not in remedy


def test_each_kind_is_reported() -> None:
    for key, kind in spark_keys._table()["keys"].items():
        if kind in spark_keys._KINDS:
            continue
        choices = kind.removeprefix("(?i)").split("|")
        assert len(choices) > 1, f"{key} has an unknown kind {kind}"
        for choice in choices:
            assert mistake_in(key, choice) is None
