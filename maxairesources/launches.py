"""Merges overlays into configs, and reads which images and handlers a launch config names.

The plugin, the library and the tools use it, so it imports only the standard library and
runs on CPython 3.9 and 3.11.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterator, Mapping

from maxairesources.tree import HANDLER_FILE, IN_IMAGE, SPARK_IMAGES

Path = tuple[Any, ...]


@dataclass(frozen=True)
class Launch:
    """What a task of a launch config names, or the config itself for all of its tasks.

    Attributes:
        path: the keys and indexes that lead to the task; () for the config itself.
        task: the task's name, or an empty string.
        images: the images, each by the path of its key.
        handler: the handler as the config names it, or an empty string: a module for a pod,
            a path in the image for Spark.
    """

    path: Path
    task: str = ""
    images: Mapping[Path, str] = field(default_factory=dict)
    handler: str = ""

    @property
    def file(self) -> str | None:
        """The path of the handler's file; None if `handler` cannot be one."""
        if self.handler.startswith(IN_IMAGE):
            path = self.handler[len(IN_IMAGE) :]
        else:
            path = f"{self.handler.replace('.', '/')}.py"
        return path if HANDLER_FILE.fullmatch(path) else None


def handler_name(path: str, is_spark: bool) -> str:
    """Return the name of a handler in a launch config, from the path of its file."""
    return IN_IMAGE + path if is_spark else path[:-3].replace("/", ".")


def merge(base: Any, patch: Any) -> Any:
    """Return a config with an overlay applied; neither of them changes.

    An overlay is a JSON Merge Patch (RFC 7386), with one deviation: it merges the tasks of a
    launch config by their names, where RFC 7386 would replace the whole list.
    """
    tasks = named_tasks(base)
    names = [name for name, _ in tasks if isinstance(name, str)]
    changes = [each for each in named_tasks(patch) if each[0] in names]
    if changes and len(changes) == len(patch["tasks"]):
        for name, change in changes:
            tasks = [(n, _apply(t, change) if n == name else t) for n, t in tasks]
        patch = {**patch, "tasks": [task for _, task in tasks]}
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


def named_tasks(config: Any) -> list[tuple[Any, Any]]:
    """Return the tasks of a launch config, each after its name, or None if it has no name."""
    tasks = config.get("tasks") if isinstance(config, dict) else None
    tasks = tasks if isinstance(tasks, list) else []
    return [(t.get("name") if isinstance(t, dict) else None, t) for t in tasks]


def read_launches(config: Any) -> Iterator[Launch]:
    """Yield what a launch config or an overlay names: the config itself, then each task.

    Args:
        config: the JSON value. Anything that does not fit is ignored; `lint` reports it.
    """
    yield _launch((), config)
    for index, (_, task) in enumerate(named_tasks(config)):
        yield _launch(("tasks", index), task)


def _launch(path: Path, part: Any) -> Launch:
    conf, submit = _object(part, "conf"), _object(part, "spark_submit_conf")
    places = {
        (*path, "conf"): conf,
        (*path, "spark_submit_conf", "conf"): _object(submit, "conf"),
    }
    images = {
        (*place, key): value
        for place, values in places.items()
        for key, value in values.items()
        if key in ("image", *SPARK_IMAGES) and isinstance(value, str)
    }
    arguments, application = conf.get("arguments"), submit.get("application")
    first = arguments[0] if isinstance(arguments, list) and arguments else None
    handlers = [each for each in (application, first) if isinstance(each, str)]
    name = part.get("name") if isinstance(part, dict) else None
    task = name if isinstance(name, str) else ""
    return Launch(path, task, images, handlers[0] if handlers else "")


def _object(value: Any, key: str) -> dict[str, Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}
