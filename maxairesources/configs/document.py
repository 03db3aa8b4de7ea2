"""Parses and validates JSON configs, with errors that name the file and the place."""

import json
import math
import re
from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from maxairesources.errors import InputError
from maxairesources.tree import json_path, nearest

Model = TypeVar("Model", bound=BaseModel)

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
# Values that are secrets under any key: keys of AWS, GitHub, GitLab, Google, Slack and Azure,
# private keys, JSON web tokens, and strings or addresses that contain a password.
_SECRET_VALUE = re.compile(
    r"\b(AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[0-9A-Za-z]{36}|\bgithub_pat_\w{22}"
    r"|\bglpat-[\w-]{20}|\bAIza[\w-]{35}|\bxox[abprs]-\w{10}|AccountKey="
    r"|-----BEGIN [A-Z ]*PRIVATE KEY|\beyJ[\w-]{10,300}\.eyJ[\w-]{10,}\."
    r"|[a-z][a-z0-9+.-]{0,20}://[^/\s:@{]*:[^/\s@{]+@"
    r"|(?i:password|passwd|[?&;]pwd|[?&]sig|[?&]api[-_]?key)=[^\s{$&;]"
)
_TEMPLATE = re.compile(r"\s*\{\{.*\}\}\s*", re.DOTALL)
# More levels than any config needs, and few enough for recursive functions.
_DEEPEST = 50


class Wrong(ValueError):
    """A mistake that a validator of a model finds; `validate` adds the file and the place.

    Args:
        problem: the mistake.
        remedy: how to fix it.
        path: where in the value that the validator checks: keys and indexes.
    """

    def __init__(self, problem: str, remedy: str, path: tuple[Any, ...] = ()) -> None:
        super().__init__(problem, remedy, path)
        self.problem = problem
        self.remedy = remedy
        self.path = path


class ConfigModel(BaseModel):
    """A JSON object of a config, without unknown keys and without type conversions."""

    model_config = ConfigDict(extra="forbid", strict=True)


def parse(text: str, subject: object = None) -> dict[str, Any]:
    """Return the JSON object in the text of a committed config.

    Args:
        text: the JSON text.
        subject: the file's name, for errors; see `InputError`.

    Raises:
        InputError: it is not a JSON object, defines a key twice, or contains a secret.
    """
    data = parse_rendered(text, subject)
    for path in _secrets(data, ()):
        if len(path) > _DEEPEST:
            raise InputError("is nested too deeply", "flatten it", subject)
        raise InputError(
            f"{json_path(path)} looks like a secret",
            "remove it, revoke it, and pass it in the environment",
            subject,
        )
    return data


def parse_rendered(text: str, subject: object = None) -> dict[str, Any]:
    """Return the JSON object in a config whose templates Airflow has rendered.

    It may contain a value that looks like a secret: an earlier task may have returned it.

    Args:
        text: the JSON text.
        subject: the file's name, for errors; see `InputError`.

    Raises:
        InputError: it is not a JSON object, or defines a key twice.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        for key in keys:
            if keys.count(key) > 1:
                raise InputError(f"key {key!r} is defined twice", "remove one", subject)
        return dict(pairs)

    def number(digits: str) -> float:
        # NaN, Infinity, or a number that becomes infinite, such as 1e999.
        if not math.isfinite(value := float(digits)):
            remedy = "use a finite number"
            raise InputError(f"{digits} is not a JSON number", remedy, subject)
        return value

    try:
        data = json.loads(
            text, object_pairs_hook=unique, parse_constant=number, parse_float=number
        )
    except json.JSONDecodeError as error:
        problem = f"is not valid JSON ({error.msg}, line {error.lineno}, column {error.colno})"
        raise InputError(problem, "fix the syntax there", subject) from error
    except RecursionError as error:
        raise InputError("is nested too deeply", "flatten it", subject) from error
    except ValueError as error:
        # Python reads integers of up to 4300 digits.
        problem = "is not valid JSON (a number has too many digits)"
        raise InputError(problem, "write it as a string", subject) from error
    if not isinstance(data, dict):
        raise InputError("is not a JSON object", "put the content in braces", subject)
    return data


def validate(
    model: type[Model], data: Any, subject: object = None, path: tuple[Any, ...] = ()
) -> Model:
    """Return an instance of a model from JSON data.

    Args:
        model: the pydantic model.
        data: the result of `parse`, or a part of it.
        subject: the file's name, for errors; see `InputError`.
        path: where in the file that part stands: keys and indexes.

    Raises:
        InputError: the data does not match the model. The message has the first place,
            the nearest valid name, and the number of further mistakes.
    """
    try:
        # As JSON, because strict validation then accepts a string for a date.
        return model.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as errors:
        # A misspelt key first: it explains the missing key.
        first, *others = sorted(
            errors.errors(include_url=False),
            key=lambda error: error["type"] != "extra_forbidden",
        )
        problem, remedy = _explain(first, model, data, path)
        if others:
            problem += f" (and {len(others)} more)"
        raise InputError(problem, remedy, subject) from None


def _explain(
    error: Any, model: type[BaseModel], data: Any, path: tuple[Any, ...]
) -> tuple[str, str]:
    """Return the problem and the remedy of one error of pydantic."""
    where, value = path, data
    for key in error["loc"]:
        # A union of types adds their names to the place; the data has no such keys.
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            continue
        where += (key,)
    place = json_path(where)
    kind, context = error["type"], error.get("ctx", {})
    if kind == "missing":
        return f"{json_path((*where, error['loc'][-1]))} is missing", "add it"
    if kind == "extra_forbidden":
        siblings = _known_keys(model, error["loc"][:-1])
        problem = f"{json_path(where[:-1])} has an unknown key {where[-1]!r}"
        return problem, nearest(where[-1], siblings)
    if isinstance(context.get("error"), Wrong):
        wrong = context["error"]
        return f"{json_path((*where, *wrong.path))}: {wrong.problem}", wrong.remedy
    shown = "null" if value is None else repr(value)
    if len(shown) > 60:
        shown = f"{shown[:57]}..."
    if kind == "literal_error" and isinstance(value, str):
        expected = re.findall(r"'([^']*)'", context["expected"])
        return f"{place} is {shown}", nearest(value, expected)
    return f"{place} is {shown}", re.sub(r"^\w+ should", "it should", error["msg"])


def _known_keys(model: type[BaseModel], loc: tuple[Any, ...]) -> set[str]:
    """Return the valid keys of the object at a place of a model's data."""
    schema = model.model_json_schema()

    def resolve(part: dict[str, Any]) -> dict[str, Any]:
        name = part.get("$ref", "").rpartition("/")[2]
        return schema["$defs"][name] if name else part

    part = resolve(schema)
    for key in loc:
        if isinstance(key, int):
            part = resolve(part["items"])
        else:
            known = part.get("properties", {})
            part = resolve(known[key] if key in known else part["additionalProperties"])
    return set(part["properties"])


def _secrets(value: Any, path: tuple[Any, ...]) -> Iterable[tuple[Any, ...]]:
    """Yield the places of strings that look like secrets, or that are nested too deeply.

    A template is not a secret; it only names one.
    """
    if len(path) > _DEEPEST:
        yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _secrets(item, (*path, key))
        # Kubernetes' way to set an environment variable.
        name, text = value.get("name"), value.get("value")
        if isinstance(name, str) and isinstance(text, str):
            yield from ((*path, "value") for _ in _secrets(text, (name,)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _secrets(item, (*path, index))
            # A command's option and its value.
            option = value[index - 1] if index else None
            if isinstance(option, str) and option.startswith("--"):
                if isinstance(item, str) and not item.startswith("-"):
                    yield from ((*path, index) for _ in _secrets(item, (option,)))
    elif isinstance(value, str) and value and not _TEMPLATE.fullmatch(value):
        key = next((k for k in reversed(path) if isinstance(k, str)), "")
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()
        names_secret = _SECRET_KEY.search(words) and not _SECRET_NAME.match(key)
        if names_secret or _SECRET_VALUE.search(value):
            yield path
