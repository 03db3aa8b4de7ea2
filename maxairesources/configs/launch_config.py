"""The models of spark_config.json and kubepod_config.json: how tasks are launched."""

import difflib
from collections.abc import Sequence
from typing import Any

from pydantic import Field, field_validator, model_validator

from maxairesources.configs.document import Config, ConfigModel, Wrong
from maxairesources.configs.spark_keys import mistake_in
from maxairesources.tree import nearest

Path = tuple[Any, ...]


class _LaunchTask(ConfigModel):
    """The launch of one task.

    Attributes:
        id: the task's place in the order of the tasks.
        name: the task's name, the same as in the DAG and in the py_config.
    """

    id: int
    name: str = Field(min_length=1)


class SparkTask(_LaunchTask):
    """The launch of one task by SparkSubmitOperator.

    Attributes:
        spark_submit_conf: the operator's arguments; its `conf` overrides the common one
            key by key.
    """

    spark_submit_conf: dict[str, Any]

    @field_validator("spark_submit_conf")
    @classmethod
    def _check(cls, value: dict[str, Any]) -> dict[str, Any]:
        conf = value.get("conf", {})
        if not isinstance(conf, dict):
            remedy = "use a JSON object of Spark's keys"
            raise Wrong(f"is {_shown(conf)}", remedy, ("conf",))
        _check_conf(conf, ("conf",))
        _check_text(
            value, "application", "set it to the path of the handler in the image"
        )
        return value


class KubepodTask(_LaunchTask):
    """The launch of one task by KubernetesPodOperator.

    Attributes:
        conf: the operator's arguments, which override the common ones; the first of its
            `arguments` is the handler's module.
    """

    conf: dict[str, Any]


def _check_pod(conf: dict[str, Any], path: Path) -> None:
    """Raise a Wrong if the merged arguments of a pod lack the handler or the image."""
    _check_given(conf, "arguments", "use a list; the first item is the module", path)
    arguments = conf["arguments"]
    if (
        not isinstance(arguments, list)
        or not arguments
        or not all(argument and isinstance(argument, str) for argument in arguments)
    ):
        remedy = "use a list of strings; the first is the module"
        raise Wrong(f"is {_shown(arguments)}", remedy, (*path, "arguments"))
    _check_text(conf, "image", "set it to the domain's image, maxai/<domain>", path)


def _check_text(
    arguments: dict[str, Any], name: str, remedy: str, path: Path = ()
) -> None:
    _check_given(arguments, name, remedy, path)
    value = arguments[name]
    if not value or not isinstance(value, str):
        raise Wrong(f"is {_shown(value)}", remedy, (*path, name))


def _check_given(
    arguments: dict[str, Any], name: str, remedy: str, path: Path = ()
) -> None:
    if name in arguments:
        return
    if close := difflib.get_close_matches(name, arguments, 1):
        problem = f"has {close[0]!r}, but not {name!r}"
        raise Wrong(problem, nearest(close[0], [name]), path)
    raise Wrong("is missing", remedy, (*path, name))


def _shown(value: object) -> str:
    return "null" if value is None else repr(value)


def _check_conf(conf: dict[str, Any], path: tuple[str, ...] = ()) -> dict[str, Any]:
    for key, value in conf.items():
        if mistake := mistake_in(key, value):
            raise Wrong(*mistake, path)
    return conf


def _check_tasks(tasks: Sequence[_LaunchTask]) -> None:
    for field in ("id", "name"):
        seen: set[object] = set()
        for index, task in enumerate(tasks):
            value = getattr(task, field)
            if value in seen:
                problem = f"an earlier task also has the {field} {value!r}"
                remedy = "use another one"
                raise Wrong(problem, remedy, ("tasks", index, field))
            seen.add(value)


class SparkConfig(Config):
    """How SparkSubmitOperator launches a usecase's tasks.

    Attributes:
        conf: Spark's configuration for all tasks.
        tasks: the launch of each task.
    """

    conf: dict[str, Any]
    tasks: list[SparkTask] = Field(min_length=1)

    @field_validator("conf")
    @classmethod
    def _check_common(cls, value: dict[str, Any]) -> dict[str, Any]:
        return _check_conf(value)

    @model_validator(mode="after")
    def _check(self) -> "SparkConfig":
        _check_tasks(self.tasks)
        return self


class KubepodConfig(Config):
    """How KubernetesPodOperator launches a usecase's tasks.

    Attributes:
        conf: the operator's arguments for all tasks.
        tasks: the launch of each task.
    """

    conf: dict[str, Any] = {}
    tasks: list[KubepodTask] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> "KubepodConfig":
        for index, task in enumerate(self.tasks):
            _check_pod({**self.conf, **task.conf}, ("tasks", index, "conf"))
        _check_tasks(self.tasks)
        return self
