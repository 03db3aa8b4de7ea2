import json
from typing import Any

import pytest

from maxairesources.launches import handler_name, lacks_spark_image, read_launches

IMAGE, DRIVER, EXECUTOR = (
    f"spark.kubernetes.{part}container.image" for part in ("", "driver.", "executor.")
)
HANDLER = "maxaiusecases/shop/churn/handlers/rank.py"


def test_spark_config() -> None:
    submit = {
        "application": handler_name(HANDLER, True),
        "conf": {DRIVER: "maxai/driver:1", "spark.a": "b"},
    }
    tasks = [{"name": "rank", "spark_submit_conf": submit}]
    whole, task = read_launches({"conf": {IMAGE: "maxai/shop"}, "tasks": tasks})
    assert whole.images == {("conf", IMAGE): "maxai/shop"}
    assert (whole.task, whole.handler, whole.file) == ("", "", None)
    place = ("tasks", 0, "spark_submit_conf", "conf", DRIVER)
    assert task.images == {place: "maxai/driver:1"}
    assert (task.path, task.task, task.file) == (("tasks", 0), "rank", HANDLER)


def test_kubepod_config() -> None:
    conf = {"image": "maxai/shop", "arguments": [handler_name(HANDLER, False), "-v"]}
    _, task = read_launches({"tasks": [{"name": "rank", "conf": conf}]})
    assert task.images == {("tasks", 0, "conf", "image"): "maxai/shop"}
    assert (task.handler, task.file) == (
        "maxaiusecases.shop.churn.handlers.rank",
        HANDLER,
    )


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


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ((IMAGE,), False),
        ((DRIVER, EXECUTOR), False),
        ((DRIVER,), True),
        ((EXECUTOR,), True),
        ((), True),
    ],
)
def test_the_driver_and_the_executors_need_an_image(keys: Any, expected: bool) -> None:
    assert lacks_spark_image(dict.fromkeys(keys, "maxai/shop")) is expected
