"""Tests of overlays, and of the images and handlers that a launch config names."""

import copy
import json
from typing import Any

import json_merge_patch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maxairesources.launches import KUBEPOD, SPARK, handler_name, merge, read_launches

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

IMAGE = "spark.kubernetes.driver.container.image"
HANDLER = "maxaiusecases/shop/churn/handlers/rank.py"


def test_spark_config() -> None:
    submit: dict[str, Any] = {
        "application": handler_name(HANDLER, True),
        "conf": {IMAGE: "maxai/driver:1", "spark.a": "b"},
    }
    tasks = [{"name": "rank", "spark_submit_conf": submit}]
    common = {"spark.kubernetes.container.image": "maxai/shop", "spark.a": "c"}
    (launch,) = read_launches({"conf": common, "tasks": tasks}, "spark_config.json")
    assert launch.arguments == {**submit, "conf": {**common, **submit["conf"]}}
    assert launch.images == {"maxai/shop", "maxai/driver:1"}
    assert (launch.operator, launch.file) == (SPARK, "spark_config.json")
    assert launch.path == ("tasks", 0, "spark_submit_conf")
    assert (launch.task, launch.handler_file) == ("rank", HANDLER)


def test_kubepod_config() -> None:
    conf = {"labels": {"a": "b"}, "arguments": [handler_name(HANDLER, False), "-v"]}
    config = {
        "conf": {"image": "maxai/shop", "labels": {"c": "d"}},
        "tasks": [{"name": "rank", "conf": conf}],
    }
    (launch,) = read_launches(config)
    assert launch.arguments == {"image": "maxai/shop", **conf}
    assert (launch.operator, launch.path) == (KUBEPOD, ("tasks", 0, "conf"))
    assert launch.images == {"maxai/shop"}
    assert launch.handler == "maxaiusecases.shop.churn.handlers.rank"
    assert launch.handler_file == HANDLER


@pytest.mark.parametrize(
    "handler",
    ["/opt/run.sh", "maxaiconfigs.shop.churn.handlers.b", "local:///opt/maxai/../a"],
)
def test_another_command_has_no_handler_file(handler: str) -> None:
    (launch,) = read_launches({"tasks": [{"conf": {"arguments": [handler]}}]})
    assert (launch.handler, launch.handler_file) == (handler, None)


@pytest.mark.parametrize(
    "text",
    [
        *("[]", '"a"', "1", '{"tasks": 1}', '{"tasks": [1, {"conf": []}]}'),
        '{"conf": 1, "tasks": [{"name": [], "conf": {"arguments": [], "image": null}}]}',
        '{"tasks": [{"spark_submit_conf": {"conf": [], "application": 1}}]}',
    ],
)
def test_a_malformed_config_names_nothing(text: str) -> None:
    for launch in read_launches(json.loads(text)):
        assert (launch.task, launch.handler, launch.handler_file) == ("", "", None)
        assert launch.images == set()


def test_tasks_are_merged_by_name() -> None:
    base = {"tasks": [{"name": "a", "conf": {"x": 1, "y": 2}}, {"name": "b"}]}
    change = {"tasks": [{"name": "a", "conf": {"x": None, "z": [3]}}]}
    merged = {"name": "a", "conf": {"y": 2, "z": [3]}}
    assert merge(base, change) == {"tasks": [merged, {"name": "b"}]}
    other = {"tasks": [{"name": "c"}]}
    assert merge(base, other) == other


KEYS = st.sampled_from("abcd")
LEAVES = st.none() | st.booleans() | st.integers() | st.text("xy", max_size=2)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)


@given(OBJECTS, OBJECTS)
def test_an_overlay_is_a_json_merge_patch(base: Any, patch: Any) -> None:
    before = copy.deepcopy((base, patch))
    merged = merge(base, patch)
    assert (base, patch) == before
    assert merged == json_merge_patch.merge(base, patch)
