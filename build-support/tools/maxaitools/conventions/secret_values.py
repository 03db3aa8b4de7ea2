"""Finds values in a config that look like secrets.

The detectors of detect-secrets judge the values. They do not know the keys of Spark, Hadoop and
Kubernetes, so the names of keys are judged here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.core.scan import scan_line
from detect_secrets.settings import transient_settings

# The first ones take hashes, ids and addresses for secrets, and the last one the name of a
# Kubernetes Secret.
_LEFT_OUT = re.compile("HighEntropyString|IPPublicDetector|KeywordDetector")
# Names of keys whose values are secrets, in lowercase with separated words. The plurals of
# these words, such as image_pull_secrets, name Kubernetes objects, which are allowed.
_SECRET_KEY = re.compile(
    r"(password|passwd|passphrase)$"
    r"|(^|[^a-z])(pwd|secret|token|credentials?|connection[-_.]?string"
    r"|(access|account|api|private|secret)[-_.]?key)$"
    # Hadoop's key of an Azure storage account ends with the account's address.
    r"|\.azure\.account\.key\."
)
# Spark's keys that look like these, but name a Kubernetes object or a key in it.
_SECRET_NAME = re.compile(
    r"^spark\.kubernetes\.((driver|executor)\.secret(s|KeyRef)|kerberos)\."
)
# Values of such keys that are not secrets: a path, a mark such as [PAD] or </s>, a reference such as
# $HOME, or a part of a template.
_NO_SECRET = re.compile(r"\.{0,2}/.*|[\[<(].*[\])>]|\$.*|.*\{[{%].*|", re.DOTALL)
# Secrets that the detectors lack: keys of GitHub, Google, Slack and Azure, and addresses with
# a password or a signature.
_SECRET_VALUE = re.compile(
    r"\bgithub_pat_\w{22}|\bAIza[\w-]{35}|\bxox[abprs]-\w{10}|AccountKey="
    r"|[a-z][a-z0-9+.-]{0,20}://[^/\s:@{]*:[^/\s@{]+@"
    r"|(?i:password|passwd|[?&;]pwd|[?&]sig|[?&]api[-_]?key)=[^\s{$&;]"
)


def find_secrets(config: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the place of each string that looks like a secret: keys and indexes.

    Args:
        config: the JSON value.
    """
    detectors: Iterable[type] = get_mapping_from_secret_type_to_class().values()
    names = [each.__name__ for each in detectors if not _LEFT_OUT.search(each.__name__)]
    settings = {"plugins_used": [{"name": name} for name in names], "filters_used": []}
    with transient_settings(settings):
        yield from _find(config, (), "")


def _find(value: Any, path: tuple[Any, ...], key: str) -> Iterator[tuple[Any, ...]]:
    """Yield the secrets in a value; `key` names it."""
    if isinstance(value, dict):
        name = value.get("name")
        for each, item in value.items():
            # Kubernetes' way to set an environment variable.
            is_variable = each == "value" and isinstance(name, str)
            yield from _find(item, (*path, each), str(name) if is_variable else each)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            # A command's option and its value.
            before = value[index - 1] if index else None
            is_option = isinstance(before, str) and before.startswith("--")
            is_value = is_option and not str(item).startswith("-")
            yield from _find(item, (*path, index), str(before) if is_value else key)
    elif isinstance(value, str) and _is_secret(key, value):
        yield path


def _is_secret(key: str, value: str) -> bool:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()
    if _SECRET_KEY.search(words) and not _SECRET_NAME.match(key):
        if not _NO_SECRET.fullmatch(value):
            return True
    return bool(_SECRET_VALUE.search(value) or [*scan_line(json.dumps(value))])
