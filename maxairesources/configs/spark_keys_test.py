import pytest

from maxairesources.configs.spark_keys import FREQUENT, mistake_in


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("spark.app.name", "churn"),
        ("spark.driver.memory", "512M"),
        ("spark.driver.memory", 512),
        ("spark.dynamicAllocation.enabled", "True"),
        ("spark.dynamicAllocation.enabled", True),
        ("spark.executor.cores", "{{ var.value.cores }}"),
        ("spark.executor.memory", "{{ params.gigabytes }}g"),
        ("spark.hadoop.fs.s3a.path.style.access", True),
        ("spark.memory.fraction", 0.6),
        ("spark.sql.shuffle.partitions", " 200 "),
        # Keys of Spark that are close to a frequent one.
        ("spark.driver.memoryOverheadFactor", 0.1),
        ("spark.driver.minMemoryOverhead", "384m"),
        ("spark.executor.resource.gpu.amount", 1),
        ("spark.files.maxPartitionBytes", "128m"),
        ("spark.hadoopRDD.ignoreEmptySplits", True),
        ("spark.jars.ivy", "/tmp/ivy"),
        ("spark.kubernetes.driver.limit.cores", 1),
        ("spark.kubernetes.driver.pod.name", "churn"),
        ("spark.sql.execution.arrow.sparkr.enabled", True),
        ("spark.yarn.executor.memoryOverhead", "1g"),
        # Old names, internal keys and those of other libraries.
        ("spark.bigquery.project", "x"),
        ("spark.databricks.delta.schema.autoMerge.enabled", True),
        ("spark.sql.iceberg.handle-timestamp-without-timezone", True),
        ("spark.sql.legacy.parquet.datetimeRebaseModeInWrite", "CORRECTED"),
        ("spark.sql.sources.commitProtocolClass", "x.Y"),
    ],
)
def test_right_entry(key: str, value: object) -> None:
    assert mistake_in(key, value) is None


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("spark.dynamicAllocation.enabled", "yes", "true or false"),
        ("spark.executor.cores", 2.0, "a whole number such as 2"),
        ("spark.executor.cores", True, "a whole number such as 2"),
        ("spark.executor.memory", "", "a size such as 2g or 512m"),
        ("spark.executor.memory", "1.5g", "a size such as 2g or 512m"),
    ],
)
def test_wrong_value(key: str, value: object, wanted: str) -> None:
    assert mistake_in(key, value) == (f"{key} is {value!r}", f"use {wanted}")


@pytest.mark.parametrize("value", [None, ["secret"], {"secret": 1}])
def test_neither_text_nor_number(value: object) -> None:
    expected = "spark.hadoop.x is not a string, number or boolean", "use a string"
    assert mistake_in("spark.hadoop.x", value) == expected


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("spark.Executor.memory", "spark.executor.memory"),
        ("spark.executor.memroy", "spark.executor.memory"),
        ("spark.executor.core", "spark.executor.cores"),
        ("spark.dynamicallocation.enabled", "spark.dynamicAllocation.enabled"),
        ("spark.sql.shufle.partitions", "spark.sql.shuffle.partitions"),
        ("spark.hadop.fs.s3a.endpoint", "spark.hadoop.fs.s3a.endpoint"),
        ("spark.kubernetes.driver.lable.team", "spark.kubernetes.driver.label.team"),
    ],
)
def test_misspelt_key(key: str, meant: str) -> None:
    expected = f"{key!r} is not a key of Spark", f"did you mean {meant}?"
    assert mistake_in(key, "{{ x }}") == expected


def test_frequent_keys_are_right() -> None:
    for key in FREQUENT:
        whole = key + "x" if key.endswith(".") else key
        assert mistake_in(whole, "{{ x }}") is None


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
def test_beginning_is_not_a_key(key: str) -> None:
    problem, _ = mistake_in(key, "x") or ("", "")
    assert repr(key) in problem
