"""Validates a Spark configuration without Spark and Java.

The table of Spark's keys is `spark_keys.json`; build-support/tools generates it. Other
libraries, such as Delta Lake, have keys of their own, so a key that resembles none of Spark's
is valid.
"""

import difflib
import functools
import importlib.resources
import json
import re
from typing import Any

from maxairesources.tree import nearest

# The pattern of each kind of value that Spark accepts, and its name in messages.
_KINDS = {
    "boolean": ("(?i)true|false", "true or false"),
    "bytes": ("(?i)-?[0-9]+([kmgtp]?b|[kmgtp])?", "a size such as 2g or 512m"),
    "integer": ("[+-]?[0-9]+", "a whole number such as 2"),
    "number": (
        r"(?i)[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?[df]?",
        "a number such as 0.5",
    ),
    "text": ("(?s).*", "a string"),
    "time": ("(?i)-?[0-9]+(us|ms|s|m|min|h|d)?", "a duration such as 30s or 5m"),
}
_TEMPLATE = re.compile(r"\{\{.*\}\}", re.DOTALL)
# The least similarity, from 0 to 1, of a misspelt name to the right one.
_ALIKE_KEY, _ALIKE_PREFIX = 0.91, 0.9


def mistake_in(key: str, value: object) -> tuple[str, str] | None:
    """Check an entry of a Spark configuration.

    Args:
        key: the key, such as spark.executor.memory. Case matters, as it does to Spark.
        value: the JSON value. A value with a template is valid, because its result is
            not known yet.

    Returns:
        The problem with the key, and the remedy; None if there is no problem.
    """
    table = _table()
    kind = table["keys"].get(key)
    if kind is None:
        if not key.startswith("spark."):
            problem = f"{key!r} does not begin with spark., so Spark would ignore it"
            remedy = "prefix a key of Hadoop with spark.hadoop."
            meant = "spark." + re.sub("^spark[.]", "", key, flags=re.I)
            return problem, _similar(meant) or remedy
        remedy = "add the rest of the key" if key.endswith(".") else _similar(key)
        if remedy:
            return f"Spark {table['version']} has no key {key!r}", remedy
        kind = "text"
    pattern, wanted = _KINDS.get(kind) or (kind, _one_of(kind))
    if value is None or isinstance(value, (list, dict)):
        return f"{key} is not a string, number or boolean", f"use {wanted}"
    # JSON and Spark write booleans in lowercase, Python does not.
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if _TEMPLATE.search(text) or re.fullmatch(pattern, text.strip()):
        return None
    return f"{key} is {value!r}", f"use {wanted}"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a Spark configuration.

    It refers to its own parts by anchors, so it may stand anywhere in another schema.
    """
    table = _table()
    return {
        "type": "object",
        "description": f"Spark's configuration; the keys of Spark {table['version']}.",
        "properties": {
            key: {"$ref": f"#spark-{kind}"} if kind in _KINDS else _value_schema(kind)
            for key, kind in table["keys"].items()
        },
        "additionalProperties": {"$ref": "#spark-text"},
        "propertyNames": {"pattern": r"^spark\..*[^.]$"},
        "$defs": {
            kind: {"$anchor": f"spark-{kind}", **_value_schema(kind)} for kind in _KINDS
        },
    }


def _value_schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of the values of a kind."""
    if kind == "text":
        return {"type": ["string", "number", "boolean"]}
    pattern, wanted = _KINDS.get(kind) or (kind, _one_of(kind))
    simple = kind if kind in ("boolean", "number") else "integer"
    return {
        "type": ["string", simple] if kind in _KINDS else "string",
        "pattern": rf"^\s*({_both_cases(pattern)})\s*$|\{{\{{[\s\S]*\}}\}}",
        "description": f"Give {wanted}.",
    }


def _both_cases(pattern: str) -> str:
    """Return a pattern without (?i), which JSON Schema's regular expressions lack."""
    if not pattern.startswith("(?i)"):
        return pattern
    inside, parts = False, []
    for letter in pattern.removeprefix("(?i)"):
        inside = letter == "[" or (inside and letter != "]")
        cases = letter.lower() + letter.upper() if letter.isalpha() else letter
        parts.append(cases if inside or not letter.isalpha() else f"[{cases}]")
    return "".join(parts)


@functools.cache
def _table() -> Any:
    """Return Spark's version, the kinds of the keys, and the prefixes of open keys."""
    file = importlib.resources.files(__package__).joinpath("spark_keys.json")
    return json.loads(file.read_text())


def _similar(key: str) -> str:
    """Return a remedy that names the most similar key; an empty string if there is none."""
    table, parts = _table(), key.split(".")
    if any(key.startswith(prefix) and key != prefix for prefix in table["prefixes"]):
        return ""
    names = [*table["keys"]]
    for prefix in table["prefixes"]:
        size = prefix.count(".")
        head = ".".join(parts[:size]) + "."
        # The prefix of a known key is right: spark.executor. is not spark.executorEnv.
        right = any(name.startswith(head) for name in table["keys"])
        if not right and difflib.get_close_matches(head, [prefix], 1, _ALIKE_PREFIX):
            names.append(prefix + ".".join(parts[size:]))
    close = difflib.get_close_matches(key, names, 1, _ALIKE_KEY)
    return nearest(key, close) if close else ""


def _one_of(pattern: str) -> str:
    return f"one of: {pattern.removeprefix('(?i)').replace('|', ', ')}"
