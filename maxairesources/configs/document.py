"""Parses and validates JSON configs, with errors that name the file and the place."""

import json
import math
import re
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from maxairesources.errors import InputError
from maxairesources.tree import json_path, nearest

Model = TypeVar("Model", bound=BaseModel)

# A string, or a number, which may be one that JSON lacks, such as NaN.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?(?:Infinity|NaN|[0-9][-+.0-9eE]*)', re.S)
# A half of a character that needs two escapes, such as an emoji.
_SURROGATE = re.compile("[\ud800-\udfff]")
# The beginning of a Jinja expression, block or comment.
_TEMPLATE = re.compile(r"\{[{%#]")
# More levels than any config needs, and few enough for recursive functions.
_DEEPEST = 50
# The most digits that Python reads.
_MOST_DIGITS = 4300


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


class Config(ConfigModel):
    """A whole config.

    Attributes:
        schema_: the JSON Schema of the config, for editors.
        allow_secret: JSON paths of values that only look like secrets.
    """

    schema_: Annotated[str | None, Field(alias="$schema")] = None
    allow_secret: Annotated[list[str] | None, Field(alias="$allow_secret")] = None


def parse(text: str, subject: object = None) -> dict[str, Any]:
    """Return the JSON object in the text of a config.

    Args:
        text: the JSON text.
        subject: the file's name, for errors; see `InputError`.

    Raises:
        InputError: it is not a JSON object, defines a key twice, or has a string or a number
            that is not valid.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        for key in keys:
            if keys.count(key) > 1:
                raise InputError(f"key {key!r} is defined twice", "remove one", subject)
        return dict(pairs)

    try:
        data = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        problem = f"is not valid JSON ({error.msg}, line {error.lineno}, column {error.colno})"
        raise InputError(problem, "fix the syntax there", subject) from error
    except RecursionError as error:
        raise InputError("is nested too deeply", "flatten it", subject) from error
    except ValueError:
        # Python reads integers of up to 4300 digits.
        data = {}
    for token in _TOKEN.finditer(text):
        if mistake := _mistake_in_token(token[0]):
            lines = text[: token.start()].split("\n")
            place = f"line {len(lines)}, column {len(lines[-1]) + 1}"
            problem = f"is not valid JSON ({mistake[0]}, {place})"
            raise InputError(problem, mistake[1], subject)
    if not isinstance(data, dict):
        raise InputError("is not a JSON object", "put the content in braces", subject)
    if _depth(data) > _DEEPEST:
        raise InputError("is nested too deeply", "flatten it", subject)
    return data


def _mistake_in_token(token: str) -> tuple[str, str] | None:
    """Return the problem and the remedy of a string or number that is not valid JSON."""
    if token.startswith('"'):
        if _SURROGATE.search(json.loads(token)):
            return "half of a Unicode character", "write the character itself"
    elif len(token) > _MOST_DIGITS:
        return "a number has too many digits", "write it as a string"
    elif not math.isfinite(float(token)):
        return f"{token} is not a number", "use a finite number"
    return None


def _depth(value: Any) -> int:
    """Return the number of nested objects and lists."""
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, (dict, list))]:
        depth += 1
        items = (e.values() if isinstance(e, dict) else e for e in level)
        level = [item for each in items for item in each]
    return depth


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
        raise explain(errors.errors(), model, data, subject, path) from None


def find_errors(model: type[BaseModel], data: Any) -> list[Any]:
    """Return the errors of pydantic for JSON data; an empty list if the data is valid."""
    try:
        model.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as errors:
        return list(errors.errors())
    return []


def place_of(error: Any, data: Any) -> tuple[tuple[Any, ...], Any]:
    """Return the keys and indexes that lead to the place of an error, and the value there.

    The place of a missing key is the object that lacks it.
    """
    path: tuple[Any, ...] = ()
    for key in error["loc"]:
        # A union of types adds their names to the place; the data has no such keys.
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            continue
        path += (key,)
    return path, data


def has_template(value: Any) -> bool:
    """Return if a value is a string with a template of Airflow."""
    return isinstance(value, str) and bool(_TEMPLATE.search(value))


def explain(
    errors: list[Any],
    model: type[BaseModel],
    data: Any,
    subject: object = None,
    path: tuple[Any, ...] = (),
) -> InputError:
    """Return the error for the first of pydantic's errors; see `validate`."""
    # A misspelt key first: it explains the missing key.
    first, *others = sorted(
        errors, key=lambda error: error["type"] != "extra_forbidden"
    )
    problem, remedy = _explain(first, model, data, path)
    if others:
        problem += f" (and {len(others)} more)"
    return InputError(problem, remedy, subject)


def _explain(
    error: Any, model: type[BaseModel], data: Any, path: tuple[Any, ...]
) -> tuple[str, str]:
    """Return the problem and the remedy of one error of pydantic."""
    found, value = place_of(error, data)
    where = path + found
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
