"""Generate `spark_keys.json` from the locked pyspark. It needs Java. From the root:

    ./pants run build-support/tools/maxaitools/schemas/spark_keys_source.py \\
        > maxairesources/configs/spark_keys.json

Spark's own registry names the keys, internal ones too, and the error that Spark raises for a
wrong value contains the type. Spark's class files name the keys that it reads but does not register.
"""

import json
import re
import zipfile
from itertools import product
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark import SparkContext, __version__
from pyspark.find_spark_home import _find_spark_home

# A text in a class file: a tag, its length in two bytes, and its bytes.
_TEXT = re.compile(rb"\x01(..)(spark\.[\w.-]+)", re.DOTALL)
_BUILDER = b"org/apache/spark/internal/config/ConfigBuilder"
# This object holds old names, many of which Spark reads no more.
_OLD_NAMES = "org/apache/spark/SparkConf$.class"
# Below these Spark joins a key from parts, so no class file holds the prefix as it is;
# and below the catalogs and the queues it also has keys of its own.
_JOINED = (
    *(f"spark.{role}.resource." for role in ("driver", "executor", "task")),
    *(f"spark.{part}.io." for part in ("rpc", "shuffle")),
    "spark.scheduler.listenerbus.eventqueue.",
    "spark.sql.catalog.",
    "spark.sql.streaming.stateStore.rocksdb.",
    "spark.ssl.",
)
# The first word of what Spark calls a type, and the kind that it is to us.
_KINDS = {"boolean": "boolean", "bytes": "bytes", "time": "time"}
_KINDS |= {"int": "integer", "long": "integer", "double": "number", "decimal": "number"}


def java() -> Any:
    """Return Java with Spark's classes; it ends when Python does."""
    SparkContext._ensure_initialized()
    return SparkContext._jvm


def spark_keys(jvm: Any) -> str:
    """Return the text of `spark_keys.json`: each key's kind, and the open prefixes.

    A kind is a name, or a pattern that matches the choices.
    """
    objects, names = _read_jars()
    for name in objects:
        # Loading an object registers the entries that it defines.
        jvm.java.lang.Class.forName(name)
    keys: dict[str, str] = {}
    entries = jvm.org.apache.spark.internal.config.ConfigEntry.listAllEntries()
    for entry in entries.toArray():
        own = {entry.key(), *_java(jvm, entry.alternatives())}
        own |= set(_java(jvm, entry.prependedKey().toList()))
        keys |= dict.fromkeys(own, _kind(entry.valueConverter()))
    names |= _old_names(jvm) | _kubernetes_credentials(jvm)
    # Where Spark registers keys, as below spark.sql., a similar name is a mistake.
    closed = {name for name in names for key in keys if key.startswith(name)}
    prefixes = {name for name in names - closed if name.endswith(".")}
    unregistered = {name for name in names - keys.keys() if not name.endswith(".")}
    table = {
        "version": __version__,
        "prefixes": sorted(prefixes.union(_JOINED)),
        "keys": dict(sorted((dict.fromkeys(unregistered, "text") | keys).items())),
    }
    return json.dumps(table, indent=2) + "\n"


def _read_jars() -> tuple[list[str], set[str]]:
    """Return the objects that define entries, and the keys that other code names."""
    objects: list[str] = []
    names: set[str] = set()
    for jar in sorted(Path(_find_spark_home(), "jars").glob("spark-*.jar")):
        with zipfile.ZipFile(jar) as files:
            for path in files.namelist():
                if not path.endswith(".class") or path == _OLD_NAMES:
                    continue
                content = files.read(path)
                defines = _BUILDER in content
                if defines and path.endswith("$.class"):
                    objects.append(path.removesuffix(".class").replace("/", "."))
                for size, text in _TEXT.findall(content):
                    # Where entries are defined, other texts are parts or removed keys.
                    if int.from_bytes(size) == len(text):
                        if text.endswith(b".") or not defines:
                            names.add(text.decode())
    return objects, names


def _kind(converter: Any) -> str:
    """Return the kind of an entry, which Spark gives when it refuses a wrong value."""
    refusal = _refusal(converter, "x")
    if found := re.search(r"should be a/an '(\w+)", refusal):
        return _KINDS[found[1]]
    if found := re.search(r"should be one of '(.*)'\. ", refusal):
        # A choice may hold a comma, but then no space follows it.
        choices = sorted(found[1].split(", "))
        strict = any(_refusal(converter, choice.swapcase()) for choice in choices)
        return ("" if strict else "(?i)") + "|".join(choices)
    return "text"


def _refusal(converter: Any, value: str) -> str:
    """Return why Spark refuses a value, or an empty string if it accepts it."""
    try:
        converter.apply(value)
    except Py4JJavaError as error:
        return str(error.java_exception.getMessage())
    return ""


def _old_names(jvm: Any) -> set[str]:
    """Return the old names that Spark still reads; the list of them is private."""
    spark_conf = jvm.java.lang.Class.forName("org.apache.spark.SparkConf$")
    field = spark_conf.getDeclaredField("allAlternatives")
    field.setAccessible(True)
    return set(_java(jvm, field.get(None)))


def _kubernetes_credentials(jvm: Any) -> set[str]:
    """Return the keys that Spark joins from a role and the name of a credential."""
    config = jvm.org.apache.spark.deploy.k8s.Config
    roles = [n for n in dir(config) if re.fullmatch("KUBERNETES_AUTH_.*_PREFIX", n)]
    credentials = [n for n in dir(config) if n.endswith("_CONF_SUFFIX")]
    return {
        f"{getattr(config, role)()}.{getattr(config, credential)()}"
        for role, credential in product(roles, credentials)
    }


def _java(jvm: Any, collection: Any) -> Any:
    """Return a collection of Scala as one of Java, which Python can loop over."""
    return jvm.scala.jdk.javaapi.CollectionConverters.asJava(collection)


if __name__ == "__main__":
    print(spark_keys(java()), end="")
