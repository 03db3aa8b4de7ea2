"""Checks the configs of an objective, alone and with the overlays of a deployment."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from maxairesources.configs.document import ConfigModel, validate
from maxairesources.configs.objective import (
    ObjectiveConfigs,
    overlay_of,
    read_config,
    read_file,
    read_objective,
)
from maxairesources.configs.py_config import PyConfig
from maxairesources.deployed import Deployed
from maxairesources.errors import InputError
from maxairesources.launches import KUBEPOD, named_tasks
from maxairesources.testing.launch_config import (
    KubepodArguments,
    KubepodConfig,
    SparkConfig,
)
from maxairesources.tree import CONFIGS, KUBEPOD_CONFIG, PY_CONFIG, SPARK_CONFIG
from maxairesources.tree import json_path, nearest, path_of

_MODELS: dict[str, type[ConfigModel]] = {
    PY_CONFIG: PyConfig,
    SPARK_CONFIG: SparkConfig,
    KUBEPOD_CONFIG: KubepodConfig,
}
# The largest argument of a Linux process, in bytes: 32 pages of 4 KiB.
_LARGEST_ARGUMENT = 128 * 1024


def check_configs(
    root: Path, names: Sequence[str], deployment: str | None = None
) -> ObjectiveConfigs:
    """Return the configs of an objective, if they are valid.

    Args:
        root: the marketplace's folder, which holds maxaiconfigs.
        names: the domain, the usecase and the objective.
        deployment: the deployment whose overlays apply; None means no overlays.

    Raises:
        InputError: a config is missing or wrong, with its file and place.
    """
    launched: dict[str, str] = {}
    for name, model in _MODELS.items():
        path = path_of(CONFIGS, names if model is PyConfig else names[:2], name)
        overlay = overlay_of(path, deployment)
        base, patch = read_file(root, path), read_file(root, overlay)
        for place, known in _not_in_base(_by_name(base), _by_name(patch)):
            problem = f"{json_path(place)}: {name} has no {place[-1]!r}"
            raise InputError(problem, nearest(place[-1], known), overlay)
        data, file = read_config(root, path, deployment)
        if (root / path).exists():
            validate(model, data, file)
        elif any(root.glob(overlay_of(path, "*"))):
            raise InputError("is missing", "add it: its overlays need it", path)
        for task, _ in named_tasks(data):
            if task in launched:
                problem = f"task {task!r} is also in {launched[task]}"
                raise InputError(problem, "keep one of them", file)
            launched[str(task)] = file
    configs = read_objective(root, names, Deployed(deployment))
    for launch in configs.launches.values():
        if launch.operator == KUBEPOD:
            # The image and the arguments may be in the common conf.
            validate(KubepodArguments, launch.arguments, launch.file, launch.path)
    if len(json.dumps(configs.py_config)) >= _LARGEST_ARGUMENT:
        problem = "has more than 128 KiB, too large for an argument"
        remedy = "move large values into a table that the handlers read"
        raise InputError(problem, remedy, configs.py_config_file)
    return configs


def _by_name(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config in which the tasks of a launch config are an object, by name."""
    tasks = {name or "": task for name, task in named_tasks(config)}
    return {**config, "tasks": tasks} if tasks else config


def _not_in_base(
    base: Any, patch: dict[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Yield the keys that a patch removes, or the arguments and tasks that it sets, in vain.

    RFC 7386 allows it, but here the key is misspelt or the overlay is out of date. The models
    know all other keys, except those of Spark and Kubernetes.

    Yields:
        The place, and the keys that the base has there.
    """
    base = base if isinstance(base, dict) else {}
    for key, value in patch.items():
        place = (*path, key)
        must_exist = path == ("tasks",) or path[1:3] == ("function", "args")
        if key not in base and (must_exist or value is None):
            yield place, [*base]
        elif isinstance(value, dict):
            yield from _not_in_base(base.get(key), value, place)
