"""Finds values in a config that look like secrets.

detect-secrets knows the tokens of many services. It does not know the keys of Spark, Hadoop and
Kubernetes, so the names of keys are judged here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.ip_public import IPPublicDetector

_PLUGINS: Iterable[Any] = get_mapping_from_secret_type_to_class().values()
# Without those that measure entropy: they take hashes and ids for secrets.
_DETECTORS = [
    each()
    for each in _PLUGINS
    if issubclass(each, RegexBasedDetector) and each is not IPPublicDetector
]
# Names of keys whose values are secrets, in lowercase with separated words. The plurals of these
# words, such as image_pull_secrets, name Kubernetes objects, which are allowed. Hadoop's key of an
# Azure storage account ends with the account's address.
_SECRET_KEY = re.compile(
    r"(password|passwd|passphrase)$|\.azure\.account\.key\."
    r"|(^|[^a-z])(pwd|secret|token|credentials?|connection[-_.]?string"
    r"|(access|account|api|private|secret)[-_.]?key)$"
)
# Values of such keys that are not secrets: a path, an option, a mark such as [PAD] or </s>, a
# reference such as $HOME, or a part of a template.
_NO_SECRET = re.compile(r"\.{0,2}/.*|-.*|[\[<(].*[\])>]|\$.*|.*\{[{%].*|", re.DOTALL)
# Secrets that the detectors lack: keys of GitHub, Google, Slack and Azure, and addresses with a
# password or a signature.
_SECRET_VALUE = re.compile(
    r"\bgithub_pat_\w{22}|\bAIza[\w-]{35}|\bxox[abprs]-\w{10}|AccountKey="
    r"|[a-z][a-z0-9+.-]{0,20}://[^/\s:@{]*:[^/\s@{]+@"
    r"|(?i:password|passwd|[?&;]pwd|[?&]sig|[?&]api[-_]?key)=[^\s{$&;]"
)


def find_secrets(
    value: Any, path: tuple[Any, ...] = (), key: str = ""
) -> Iterator[tuple[Any, ...]]:
    """Yield the places in a JSON value, keys and indexes, of strings that look like secrets.

    The path leads to the value, and the key is the name that the config gives to it.
    """
    if isinstance(value, dict):
        for each, item in value.items():
            # Kubernetes' way to set an environment variable.
            name = value.get("name") if each == "value" else each
            yield from find_secrets(item, (*path, each), str(name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            # A command's option and its value.
            before = str(value[index - 1]) if index else ""
            name = before if before.startswith("--") else key
            yield from find_secrets(item, (*path, index), name)
    elif isinstance(value, str):
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()
        # Spark names a key of a Kubernetes Secret in secretKeyRef.
        is_named = _SECRET_KEY.search(words) and ".secretKeyRef." not in key
        if (
            (is_named and not _NO_SECRET.fullmatch(value))
            or _SECRET_VALUE.search(value)
            or any([*each.analyze_string(value)] for each in _DETECTORS)
        ):
            yield path
