"""Parses and validates JSON configs, with errors that name the file and the place."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

# A part of pydantic, which Pants does not know.
from pydantic_core import from_json  # pants: no-infer-dep

from maxairesources.errors import InputError
from maxairesources.tree import json_path, nearest

Model = TypeVar("Model", bound=BaseModel)

# The beginning of a Jinja expression, block or comment.
_TEMPLATE = re.compile(r"\{[{%#]")


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
        InputError: it is not a JSON object, or defines a key twice.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        for key in keys:
            if keys.count(key) > 1:
                raise InputError(f"key {key!r} is defined twice", "remove one", subject)
        return dict(pairs)

    try:
        data = json.loads(text, object_pairs_hook=unique)
        # Python accepts NaN, and half of a Unicode character.
        from_json(text, allow_inf_nan=False)
    except InputError:
        raise
    except (RecursionError, ValueError) as error:
        problem = f"is not valid JSON ({error})"
        raise InputError(problem, "fix the syntax there", subject) from error
    if not isinstance(data, dict):
        raise InputError("is not a JSON object", "put the content in braces", subject)
    return data


def walk(
    value: Any, path: tuple[Any, ...] = ()
) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield each key, and each value that is not an object or a list, with its place."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key), key
            yield from walk(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from walk(item, (*path, index))
    else:
        yield path, value


def validate(
    model: type[Model],
    data: Any,
    subject: object = None,
    path: tuple[Any, ...] = (),
    strict: bool = True,
) -> Model:
    """Return an instance of a model from JSON data.

    Args:
        model: the pydantic model.
        data: the result of `parse`, or a part of it.
        subject: the file's name, for errors; see `InputError`.
        path: where in the file that part stands: keys and indexes.
        strict: if a string that stands for a number or a boolean is an error.

    Raises:
        InputError: the data does not match the model. The message has the first place,
            the nearest valid name, and the number of further mistakes.
    """
    try:
        # As JSON, because strict validation then accepts a string for a date.
        return model.model_validate_json(json.dumps(data), strict=strict)
    except ValidationError as errors:
        raise _explain(errors.errors(), model, data, subject, path) from None


def check_without_templates(
    model: type[BaseModel], data: Any, path: tuple[Any, ...]
) -> None:
    """Validate JSON data as `validate` does, except for values that have a template."""
    try:
        model.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as found:
        errors = [
            error
            for error in found.errors()
            if error["type"] == "extra_forbidden"
            or not has_template(_place_of(error, data)[1])
        ]
        if errors:
            raise _explain(errors, model, data, None, path) from None


def _place_of(error: Any, data: Any) -> tuple[tuple[Any, ...], Any]:
    """Return the keys and indexes that lead to the place of an error, and the value there.

    The value of a missing key is the object that lacks it.
    """
    path: tuple[Any, ...] = ()
    for key in error["loc"]:
        # A union of types adds their names to the place; the data has no such keys.
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            if key != error["loc"][-1] or error["type"] != "missing":
                continue
        path += (key,)
    return path, data


def has_template(value: Any) -> bool:
    """Return if a value is a string with a template of Airflow."""
    return isinstance(value, str) and bool(_TEMPLATE.search(value))


def shown(value: Any) -> str:
    """Return a JSON value as messages show it."""
    text = "null" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _explain(
    errors: Sequence[Any],
    model: type[BaseModel],
    data: Any,
    subject: object,
    path: tuple[Any, ...],
) -> InputError:
    """Return the error for the first of pydantic's errors; see `validate`."""
    # A misspelt key first: it explains the missing key.
    first, *others = sorted(errors, key=lambda e: e["type"] != "extra_forbidden")
    found, value = _place_of(first, data)
    where, kind, context = (*path, *found), first["type"], first.get("ctx", {})
    problem = f"{json_path(where)} is {shown(value)}"
    remedy = re.sub(r"^\w+ should", "it should", first["msg"])
    if kind == "missing":
        problem, remedy = f"{json_path(where)} is missing", "add it"
    elif kind == "extra_forbidden":
        problem = f"{json_path(where[:-1])} has an unknown key {where[-1]!r}"
        remedy = nearest(where[-1], _known_keys(model, first["loc"][:-1]))
    elif isinstance(wrong := context.get("error"), InputError):
        problem = f"{json_path((*where, *wrong.path))}: {wrong.problem}"
        remedy = wrong.remedy
    elif kind == "literal_error" and isinstance(value, str):
        remedy = nearest(value, re.findall(r"'([^']*)'", context["expected"]))
    # A union of types has an error for each of them, all of the same place.
    if more := {_place_of(error, data)[0] for error in others} - {found}:
        problem += f" (and {len(more)} more)"
    return InputError(problem, remedy, subject)


def _known_keys(model: type[BaseModel], loc: tuple[Any, ...]) -> set[str]:
    """Return the valid keys of the object at a place of a model's data."""
    part = schema = model.model_json_schema()
    for key in loc:
        inner = "items" if isinstance(key, int) else "additionalProperties"
        part = part.get("properties", {}).get(key) or part[inner]
        part = schema["$defs"].get(part.get("$ref", "").rpartition("/")[2], part)
    return set(part["properties"])
