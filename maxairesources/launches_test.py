"""Tests of overlays, and of the images and handlers that a launch config names."""

import copy
import json
from typing import Any

import json_merge_patch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maxairesources.launches import handler_name, merge, read_launches

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

IMAGE = "spark.kubernetes.driver.container.image"
HANDLER = "maxaiusecases/shop/churn/handlers/rank.py"


def test_spark_config() -> None:
    submit = {
        "application": handler_name(HANDLER, True),
        "conf": {IMAGE: "maxai/driver:1", "spark.a": "b"},
    }
    tasks = [{"name": "rank", "spark_submit_conf": submit}]
    whole, task = read_launches({"conf": {IMAGE: "maxai/shop"}, "tasks": tasks})
    assert whole.images == {("conf", IMAGE): "maxai/shop"}
    assert (whole.task, whole.handler, whole.file) == ("", "", None)
    place = ("tasks", 0, "spark_submit_conf", "conf", IMAGE)
    assert task.images == {place: "maxai/driver:1"}
    assert (task.path, task.task, task.file) == (("tasks", 0), "rank", HANDLER)


def test_kubepod_config() -> None:
    conf = {"image": "maxai/shop", "arguments": [handler_name(HANDLER, False), "-v"]}
    _, task = read_launches({"tasks": [{"name": "rank", "conf": conf}]})
    assert task.images == {("tasks", 0, "conf", "image"): "maxai/shop"}
    assert task.handler == "maxaiusecases.shop.churn.handlers.rank"
    assert task.file == HANDLER


@pytest.mark.parametrize(
    "handler",
    ["/opt/run.sh", "maxaiconfigs.shop.churn.handlers.b", "local:///opt/maxai/../a"],
)
def test_another_command_has_no_handler_file(handler: str) -> None:
    _, task = read_launches({"tasks": [{"conf": {"arguments": [handler]}}]})
    assert (task.handler, task.file) == (handler, None)


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
        assert (launch.task, launch.handler, launch.file) == ("", "", None)
        assert launch.images == {}


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
