"""Finds misspelt keys and values in a Spark configuration, without Spark and Java.

Spark has some 1,900 keys, and other libraries, such as Delta Lake, have keys of their own. So
a key is an error only if it nearly is a frequent one. Spark checks other values itself.
"""

import difflib
import re

# The pattern of each kind of value that Spark accepts, and its name in messages.
_KINDS = {
    "boolean": ("(?i)true|false", "true or false"),
    "integer": ("[+-]?[0-9]+", "a whole number such as 2"),
    "size": ("(?i)-?[0-9]+([kmgtp]?b|[kmgtp])?", "a size such as 2g or 512m"),
    "text": ("(?s).*", "a string"),
}
# Frequent keys of Spark, and the kind of their values. Any name may follow a final dot.
FREQUENT = {
    "spark.app.name": "text",
    "spark.default.parallelism": "integer",
    "spark.driver.cores": "integer",
    "spark.driver.extraClassPath": "text",
    "spark.driver.extraJavaOptions": "text",
    "spark.driver.maxResultSize": "size",
    "spark.driver.memory": "size",
    "spark.driver.memoryOverhead": "size",
    "spark.dynamicAllocation.enabled": "boolean",
    "spark.dynamicAllocation.initialExecutors": "integer",
    "spark.dynamicAllocation.maxExecutors": "integer",
    "spark.dynamicAllocation.minExecutors": "integer",
    "spark.dynamicAllocation.shuffleTracking.enabled": "boolean",
    "spark.eventLog.dir": "text",
    "spark.eventLog.enabled": "boolean",
    "spark.executor.cores": "integer",
    "spark.executor.extraClassPath": "text",
    "spark.executor.extraJavaOptions": "text",
    "spark.executor.heartbeatInterval": "text",
    "spark.executor.instances": "integer",
    "spark.executor.memory": "size",
    "spark.executor.memoryOverhead": "size",
    "spark.executorEnv.": "text",
    "spark.hadoop.": "text",
    "spark.jars": "text",
    "spark.jars.packages": "text",
    "spark.kubernetes.authenticate.driver.serviceAccountName": "text",
    "spark.kubernetes.container.image": "text",
    "spark.kubernetes.container.image.pullPolicy": "text",
    "spark.kubernetes.container.image.pullSecrets": "text",
    "spark.kubernetes.driver.container.image": "text",
    "spark.kubernetes.driver.label.": "text",
    "spark.kubernetes.driver.request.cores": "text",
    "spark.kubernetes.driver.secretKeyRef.": "text",
    "spark.kubernetes.driver.volumes.": "text",
    "spark.kubernetes.driverEnv.": "text",
    "spark.kubernetes.executor.container.image": "text",
    "spark.kubernetes.executor.label.": "text",
    "spark.kubernetes.executor.request.cores": "text",
    "spark.kubernetes.executor.secretKeyRef.": "text",
    "spark.kubernetes.executor.volumes.": "text",
    "spark.kubernetes.namespace": "text",
    "spark.kubernetes.node.selector.": "text",
    "spark.local.dir": "text",
    "spark.master": "text",
    "spark.memory.fraction": "text",
    "spark.memory.storageFraction": "text",
    "spark.network.timeout": "text",
    "spark.serializer": "text",
    "spark.sql.adaptive.enabled": "boolean",
    "spark.sql.autoBroadcastJoinThreshold": "size",
    "spark.sql.catalog.": "text",
    "spark.sql.execution.arrow.pyspark.enabled": "boolean",
    "spark.sql.extensions": "text",
    "spark.sql.files.maxPartitionBytes": "size",
    "spark.sql.session.timeZone": "text",
    "spark.sql.shuffle.partitions": "integer",
    "spark.sql.sources.partitionOverwriteMode": "text",
    "spark.sql.warehouse.dir": "text",
    "spark.submit.deployMode": "text",
}
_TEMPLATE = re.compile(r"\{\{.*\}\}", re.DOTALL)
# The most letters that a misspelt key lacks or has in addition. Every other key of Spark 4.3
# differs from each frequent one by at least three.
_MOST_EDITS = 2


def mistake_in(key: str, value: object) -> tuple[str, str] | None:
    """Check an entry of a Spark configuration.

    Args:
        key: the key, such as spark.executor.memory. Case matters, as it does to Spark.
        value: the JSON value. A value with a template is valid, because its result is
            not known yet.

    Returns:
        The problem with the key or the value and its fix, or None if both are valid.
    """
    if not key.startswith("spark."):
        problem = f"{key!r} does not begin with spark., so Spark would ignore it"
        meant = _meant("spark." + re.sub("^spark[.]", "", key, flags=re.I))
        remedy = "prefix a key of Hadoop with spark.hadoop."
        return problem, f"did you mean {meant}?" if meant else remedy
    if key.endswith("."):
        return f"{key!r} is only the beginning of a key", "add the rest of the key"
    meant = _meant(key)
    if meant not in ("", key):
        return f"{key!r} is not a key of Spark", f"did you mean {meant}?"
    pattern, wanted = _KINDS[FREQUENT.get(key, "text")]
    if value is None or isinstance(value, (list, dict)):
        return f"{key} is not a string, number or boolean", f"use {wanted}"
    # JSON and Spark write booleans in lowercase, Python does not.
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if _TEMPLATE.search(text) or re.fullmatch(pattern, text.strip()):
        return None
    return f"{key} is {value!r}", f"use {wanted}"


def _meant(key: str) -> str:
    """Return the frequent key that a key is or nearly is; an empty string without one."""
    for name in sorted(FREQUENT, key=lambda name: not key.startswith(name)):
        head = key
        if name.endswith("."):
            head = ".".join(key.split(".")[: name.count(".")]) + "."
        if _is_near(head, name):
            return name + key[len(head) :]
    return ""


def _is_near(one: str, other: str) -> bool:
    """Return if two keys differ by no more letters than a misspelt one, ignoring case."""
    if abs(len(one) - len(other)) > _MOST_EDITS:
        return False
    matcher = difflib.SequenceMatcher(None, one.lower(), other.lower(), False)
    same = sum(block.size for block in matcher.get_matching_blocks())
    return len(one) + len(other) - 2 * same <= _MOST_EDITS
