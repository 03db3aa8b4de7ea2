"""Merges overlays into configs, and reads the launches of tasks from launch configs.

The plugin, the library and the tools use it, so it imports only the standard library and
runs on CPython 3.9 and 3.11.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterator

from maxairesources.tree import HANDLER_FILE, IN_IMAGE, SPARK_IMAGES, json_path

SPARK, KUBEPOD = "SparkSubmitOperator", "KubernetesPodOperator"


@dataclass(frozen=True)
class Launch:
    """The launch of a task.

    Attributes:
        file: the launch config.
        path: where in that file the arguments are: keys and indexes.
        task: the task's name, or an empty string.
        operator: the name of the operator that launches it.
        arguments: the operator's arguments, with those that all tasks have.
        shared: those of them that stand in the `conf` of all tasks.
    """

    file: str
    path: tuple[Any, ...]
    task: str
    operator: str
    arguments: dict[str, Any]
    shared: frozenset[str] = frozenset()

    def place_of(self, argument: str) -> str:
        """Return where in the file an argument of the operator is."""
        folder = ("conf",) if argument in self.shared else self.path
        return json_path((*folder, argument))

    @property
    def handler(self) -> str:
        """The handler as the config names it: a module, or for Spark a path; or an empty string."""
        arguments = self.arguments.get("arguments")
        first = arguments[0] if isinstance(arguments, list) and arguments else ""
        handler = self.arguments.get("application", first)
        return handler if isinstance(handler, str) else ""

    @property
    def handler_file(self) -> str | None:
        """The path of the handler's file; None if `handler` cannot be one."""
        if self.handler.startswith(IN_IMAGE):
            path = self.handler[len(IN_IMAGE) :]
        else:
            path = f"{self.handler.replace('.', '/')}.py"
        return path if HANDLER_FILE.fullmatch(path) else None

    @property
    def images(self) -> set[str]:
        """The images of the pod, or of Spark's driver and executors."""
        conf = _object(self.arguments, "conf")
        images = [self.arguments.get("image"), *map(conf.get, SPARK_IMAGES)]
        return {each for each in images if isinstance(each, str)}


def handler_name(path: str, is_spark: bool) -> str:
    """Return the name of a handler in a launch config, from the path of its file."""
    return IN_IMAGE + path if is_spark else path[:-3].replace("/", ".")


def merge(base: Any, patch: Any) -> Any:
    """Return a config with an overlay applied; neither of them changes.

    An overlay is a JSON Merge Patch (RFC 7386), with one deviation: it merges the tasks of a
    launch config by their names, where RFC 7386 would replace the whole list.
    """
    tasks, changes = dict(named_tasks(base)), named_tasks(patch)
    if changes and all(name in tasks for name, _ in changes):
        for name, change in changes:
            tasks[name] = _apply(tasks[name], change)
        patch = {**patch, "tasks": [*tasks.values()]}
    return _apply(base, patch)


def _apply(base: Any, patch: Any) -> Any:
    """Return the result of a JSON Merge Patch."""
    if not isinstance(patch, dict):
        return patch
    merged = {**base} if isinstance(base, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _apply(merged.get(key), value)
    return merged


def named_tasks(config: Any) -> list[tuple[str | None, Any]]:
    """Return the tasks of a launch config, each after its name, or None if it has no name."""
    tasks = config.get("tasks") if isinstance(config, dict) else None
    named = []
    for task in tasks if isinstance(tasks, list) else ():
        name = task.get("name") if isinstance(task, dict) else None
        named.append((name if isinstance(name, str) else None, task))
    return named


def by_name(config: Any) -> Any:
    """Return a launch config with its tasks as an object, if each has a name of its own."""
    tasks = named_tasks(config)
    names = dict(tasks)
    is_unique = tasks and None not in names and len(names) == len(tasks)
    return {**config, "tasks": names} if is_unique else config


def read_launches(config: Any, file: str = "") -> Iterator[Launch]:
    """Yield the launch of each task of a launch config or an overlay; `file` is its name.

    Anything that does not fit is ignored; the test of a DAG reports it.
    """
    common = _object(config, "conf")
    for index, (name, task) in enumerate(named_tasks(config)):
        if isinstance(task, dict) and "spark_submit_conf" in task:
            operator, key = SPARK, "spark_submit_conf"
            own = _object(task, key)
            arguments = {**own, "conf": {**common, **_object(own, "conf")}}
        else:
            operator, key = KUBEPOD, "conf"
            own = _object(task, key)
            arguments = {**common, **own}
        path, shared = ("tasks", index, key), frozenset(common.keys() - own.keys())
        yield Launch(file, path, name or "", operator, arguments, shared)


def _object(value: Any, key: str) -> dict[str, Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}
