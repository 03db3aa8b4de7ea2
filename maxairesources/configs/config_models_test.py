"""Properties of all models of configs: what is right is taken, and nothing ends in a traceback."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from maxairesources.configs.document import ConfigModel, parse, validate
from maxairesources.configs.launch_config import KubepodConfig, SparkConfig
from maxairesources.configs.py_config import PyConfig
from maxairesources.errors import InputError

# How long an example takes is a matter of the machine.
_SLOW = HealthCheck.too_slow
settings.register_profile("untimed", deadline=None, suppress_health_check=[_SLOW])
settings.load_profile("untimed")

# By one of these keys, an object is one whose keys the models know.
KNOWN = {"port", "source", "input", "id"}
# Names that people choose could be the same, which would mislead only the tests.
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True).filter(
    lambda name: name not in KNOWN
)
TEXTS = st.text(min_size=1).filter(lambda text: "://" not in text)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.text().filter(lambda key: key not in KNOWN), inner, max_size=3
    ),
    max_leaves=10,
)


def ports() -> st.SearchStrategy[list[dict[str, Any]]]:
    details = st.fixed_dictionaries(
        {
            "source": st.just("file"),
            "fileFormat": st.sampled_from(["csv", "json", "parquet"]),
            "filePath": TEXTS,
        }
    )
    port: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {
            "port": st.integers(1, 99),
            "type": st.sampled_from(["pandas", "spark"]),
            "sourceDetails": details,
        }
    )
    return st.lists(port, max_size=3, unique_by=lambda port: port["port"])


def launches(
    key: str, **arguments: st.SearchStrategy[Any]
) -> st.SearchStrategy[list[dict[str, Any]]]:
    task: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {"id": st.integers(), "name": NAMES, key: st.fixed_dictionaries(arguments)}
    )
    unique = (lambda task: task["id"], lambda task: task["name"])
    return st.lists(task, min_size=1, max_size=4, unique_by=unique)


PY_CONFIGS = st.dictionaries(
    NAMES,
    st.fixed_dictionaries(
        {
            "input": ports(),
            "output": ports(),
            "function": st.fixed_dictionaries(
                {"args": st.dictionaries(NAMES, st.integers())}
            ),
        }
    ),
    min_size=1,
    max_size=3,
)
KUBEPOD_CONFIGS = st.fixed_dictionaries(
    {
        "tasks": launches(
            "conf", image=TEXTS, arguments=st.lists(TEXTS, min_size=1, max_size=3)
        )
    }
)
SPARK_CONFIGS = st.fixed_dictionaries(
    {
        "conf": st.dictionaries(
            st.sampled_from(["spark.executor.cores", "spark.executor.instances"]),
            st.integers(1, 9),
        ),
        "tasks": launches("spark_submit_conf", application=TEXTS),
    }
)
MODELS: list[tuple[type[ConfigModel], st.SearchStrategy[dict[str, Any]]]] = [
    (KubepodConfig, KUBEPOD_CONFIGS),
    (PyConfig, PY_CONFIGS),
    (SparkConfig, SPARK_CONFIGS),
]
each_model = pytest.mark.parametrize(("model", "configs"), MODELS)


@each_model
@given(data=st.data())
def test_right_config_is_taken_as_it_is(
    model: type[ConfigModel], configs: Any, data: st.DataObject
) -> None:
    config = data.draw(configs)
    taken = validate(model, config).model_dump(by_alias=True, exclude_unset=True)
    assert taken == config


@each_model
@given(data=st.data())
def test_unknown_key_anywhere_is_reported_with_its_place(
    model: type[ConfigModel], configs: Any, data: st.DataObject
) -> None:
    config = data.draw(configs)
    objects = [part for part in walk(config) if isinstance(part, dict)]
    # Handlers and operators say which arguments there are, and not these models.
    closed = [part for part in objects if part.keys() & KNOWN]
    if closed:
        data.draw(st.sampled_from(closed))["unknwn"] = 1
        with pytest.raises(InputError, match=r"c\.json: \$.* has an unknown key 'unk"):
            validate(model, config, "c.json")


@each_model
@given(content=JSON)
@example(content={})
@example(content={"tasks": [], "conf": {}})
def test_any_value_ends_in_one_line(
    model: type[ConfigModel], configs: Any, content: Any
) -> None:
    try:
        validate(model, parse(json.dumps(content), "c.json"), "c.json")
    except InputError as error:
        assert str(error).startswith("c.json: ")
        assert "\n" not in str(error)
    else:
        # Only the least that each model asks for can come up by chance.
        assert content or model is PyConfig


@given(text=st.text())
@example(text="[" * 100_000)
@example(text='{"a": 1e999}')
def test_text_that_is_no_config_ends_in_one_line(text: str) -> None:
    with pytest.raises(InputError) as error:
        validate(KubepodConfig, parse(text, "c.json"), "c.json")
    assert str(error.value).startswith("c.json: ")
    assert "\n" not in str(error.value)


def walk(value: Any) -> Any:
    """Yield a JSON value and all within it."""
    yield value
    if isinstance(value, dict):
        for item in value.values():
            yield from walk(item)
    elif isinstance(value, list):
        for item in value:
            yield from walk(item)
