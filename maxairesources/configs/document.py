"""Parses and validates JSON configs, with errors that name the file and the place."""

import json
import re
from collections.abc import Container
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

# A part of pydantic, which Pants does not know.
from pydantic_core import from_json  # pants: no-infer-dep

from maxairesources.errors import InputError, raise_all
from maxairesources.tree import json_path, nearest

Model = TypeVar("Model", bound="ConfigModel")
# The keys and indexes that lead to a value of a config.
Place = tuple[Any, ...]

# The beginning of a Jinja expression, block or comment.
_TEMPLATE = re.compile(r"\{[{%#]")


class ConfigModel(BaseModel):
    """A JSON object of a config, without unknown keys and without type conversions."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @classmethod
    def advice(cls, place: Place, key: str) -> str | None:
        """Return what to do with an unknown key at a place, if that is known."""
        return None


class Config(ConfigModel):
    """A whole config.

    Attributes:
        schema_: the JSON Schema of the config, for editors.
        allow_secret: JSON paths of values that only look like secrets.
    """

    schema_: Annotated[str | None, Field(alias="$schema")] = None
    allow_secret: Annotated[list[str] | None, Field(alias="$allow_secret")] = None


def parse(text: str, subject: object = None) -> dict[str, Any]:
    """Return the JSON object in the text of a config; `subject` is its name, for errors.

    Raises:
        InputError: it is not a JSON object, or defines a key twice.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        for key in keys:
            if keys.count(key) > 1:
                raise ValueError(f"key {key!r} is defined twice")
        return dict(pairs)

    try:
        data = json.loads(text, object_pairs_hook=unique)
        # Python accepts NaN, and half of a Unicode character.
        from_json(text, allow_inf_nan=False)
    except (RecursionError, ValueError) as error:
        problem = f"is not valid JSON ({error})"
        raise InputError(problem, "fix it there", subject) from error
    if not isinstance(data, dict):
        raise InputError("is not a JSON object", "put the content in braces", subject)
    return data


def validate(
    model: type[Model],
    data: Any,
    subject: object = None,
    path: Place = (),
    strict: bool = True,
    templates: bool = False,
) -> Model:
    """Return an instance of a model from JSON data.

    Args:
        model: the pydantic model.
        data: the result of `parse`, or a part of it.
        subject: the file's name, for errors; see `InputError`.
        path: where in the file that part stands.
        strict: if a string that stands for a number or a boolean is an error.
        templates: if a string with a template is accepted in place of any value.

    Raises:
        InputError: the data does not match the model. The message has a line for each
            mistake, with its place and the nearest valid name.
    """
    try:
        # As JSON, because strict validation then accepts a string for a date.
        return model.model_validate_json(json.dumps(data), strict=strict)
    except ValidationError as invalid:
        errors = [(*_place_of(error, data), error) for error in invalid.errors()]
    # A misspelt key first: it explains the missing key.
    errors.sort(key=lambda each: each[2]["type"] != "extra_forbidden")
    if templates:
        errors = [
            each
            for each in errors
            if each[2]["type"] == "extra_forbidden" or not has_template(each[1])
        ]
    found: dict[Place, InputError] = {}
    for place, value, error in errors:
        problem, remedy = _explain(model, error, (*path, *place), value)
        # A union of types has an error for each of them, all of the same place; and a misspelt
        # key that is reported is not missing.
        found.setdefault(place, InputError(problem, remedy, subject))
        if remedy.startswith("did you mean"):
            for key in re.findall(r"\w+", remedy[12:]):
                found.setdefault((*place[:-1], key), found[place])
    raise_all(found.values())
    return model.model_construct(**data)


def _explain(
    model: type[ConfigModel], error: Any, where: Place, value: Any
) -> tuple[str, str]:
    """Return the problem and the remedy of an error of pydantic about a value."""
    kind, context = error["type"], error.get("ctx", {})
    problem = f"{json_path(where)} is {shown(value)}"
    remedy = re.sub(r"^\w+ should", "it should", error["msg"])
    if kind == "missing":
        problem, remedy = f"{json_path(where)} is missing", "add it"
    elif kind == "extra_forbidden":
        problem = f"{json_path(where[:-1])} has an unknown key {where[-1]!r}"
        known, (*place, unknown) = _known_keys(model, error["loc"][:-1]), where
        remedy = nearest(unknown, known, model.advice((*place,), unknown))
        for key in (key for key, below in known.items() if unknown in below):
            remedy = f"move it to {json_path((*place, key))}"
    elif isinstance(wrong := context.get("error"), InputError):
        problem, remedy = f"{json_path(where)}: {wrong.problem}", wrong.remedy
    elif kind == "literal_error" and isinstance(value, str):
        remedy = nearest(value, re.findall(r"'([^']*)'", context["expected"]))
    return problem, remedy


def _place_of(error: Any, data: Any) -> tuple[Place, Any]:
    """Return the keys and indexes that lead to the place of an error, and the value there.

    The value of a missing key is the object that lacks it.
    """
    path: Place = ()
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


def _known_keys(
    model: type[BaseModel], loc: tuple[Any, ...]
) -> dict[str, Container[str]]:
    """Return the valid keys of the object at a place of a model's data, and those below each."""

    def follow(part: Any) -> Any:
        return schema["$defs"].get(part.get("$ref", "").rpartition("/")[2], part)

    part = schema = {"$defs": {}, **model.model_json_schema()}
    for key in loc:
        inner = "items" if isinstance(key, int) else "additionalProperties"
        part = follow(part.get("properties", {}).get(key) or part[inner])
    below = {key: follow(each) for key, each in part["properties"].items()}
    return {key: each.get("properties", ()) for key, each in below.items()}
