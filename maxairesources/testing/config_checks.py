"""Checks the configs of an objective, alone and with the overlays of a deployment."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from maxairesources.configs.document import ConfigModel, shown, validate, walk
from maxairesources.configs.objective import (
    KUBEPOD,
    ObjectiveConfigs,
    overlay_of,
    read_config,
    read_file,
    read_objective,
)
from maxairesources.configs.py_config import PyConfig
from maxairesources.deployed import Deployed
from maxairesources.errors import InputError
from maxairesources.launches import named_tasks
from maxairesources.testing.launch_config import (
    KubepodArguments,
    KubepodConfig,
    SparkConfig,
)
from maxairesources.tree import (
    CONFIGS,
    KUBEPOD_CONFIG,
    PY_CONFIG,
    SPARK_CONFIG,
    SPARK_IMAGES,
    json_path,
    nearest,
    path_of,
    repository_of,
)

_MODELS: dict[str, type[ConfigModel]] = {
    PY_CONFIG: PyConfig,
    SPARK_CONFIG: SparkConfig,
    KUBEPOD_CONFIG: KubepodConfig,
}
# The largest argument of a Linux process, in bytes: 32 pages of 4 KiB.
_LARGEST_ARGUMENT = 128 * 1024
_POD_TEMPLATES = (
    "pod_template_file",
    "spark.kubernetes.driver.podTemplateFile",
    "spark.kubernetes.executor.podTemplateFile",
)
# Objects whose keys people choose.
_FREE = {"annotations", "env_vars", "labels"}


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
    for file, model in _MODELS.items():
        folder = names if model is PyConfig else names[:2]
        path = path_of(CONFIGS, folder, file)
        overlay = overlay_of(path, deployment)
        base, patch = read_file(root, path), read_file(root, overlay)
        for place, name, known in _not_in_base(base, patch, ()):
            problem = f"{json_path(place)}: {path.rpartition('/')[2]} has no {name!r}"
            raise InputError(problem, nearest(str(name), known), overlay)
        if (root / path).exists():
            data, file = read_config(root, path, deployment)
            validate(model, data, file)
            if model is not PyConfig:
                _check_images(data, names[0], file)
            for task, _ in named_tasks(data):
                if task in launched:
                    problem = f"task {task!r} is also in {launched[task]}"
                    raise InputError(problem, "keep one of them", file)
                launched[task] = file
        elif any(root.glob(overlay_of(path, "*"))):
            raise InputError("is missing", "add it: its overlays need it", path)
    configs = read_objective(root, names, Deployed(deployment))
    for launch in configs.launches.values():
        if launch.operator == KUBEPOD:
            # The image and the arguments may be in the common conf.
            validate(KubepodArguments, launch.arguments, launch.file, launch.path)
    for name in sorted(configs.py_config.keys() - launched.keys()):
        problem = f"$.{name}: no launch config has a task {name!r}"
        remedy = nearest(name, launched, "add it there")
        raise InputError(problem, remedy, configs.py_config_file)
    if len(json.dumps(configs.py_config)) >= _LARGEST_ARGUMENT:
        problem = "has more than 128 KiB, too large for an argument"
        remedy = "move large values into a table that the handlers read"
        raise InputError(problem, remedy, configs.py_config_file)
    return configs


def _check_images(data: dict[str, Any], domain: str, file: str) -> None:
    """Raise an InputError if a launch config names another image than the domain's."""
    own = repository_of(domain)
    for path, value in walk(data):
        # `walk` yields each key too, at the same place.
        if _FREE & {*path} or value == path[-1]:
            continue
        if path[-1] in _POD_TEMPLATES:
            problem = f"{json_path(path)}: a pod template could name any image"
            raise InputError(problem, "put its content into the config", file)
        if path[-1] in ("image", *SPARK_IMAGES) and value != own:
            problem = f"{json_path(path)} is {shown(value)}"
            raise InputError(problem, f"use {own}, the image of the domain", file)


def _not_in_base(
    base: Any, patch: dict[str, Any], path: tuple[Any, ...]
) -> Iterator[tuple[tuple[Any, ...], Any, list[str]]]:
    """Yield the keys that a patch removes, or the arguments and tasks that it sets, in vain.

    RFC 7386 allows it, but here the key is misspelt or the overlay is out of date. The models
    know all other keys, except those of Spark and Kubernetes.

    Yields:
        The place, the key or the name of the task, and those that the base has there.
    """
    siblings = base if isinstance(base, dict) else {}
    for key, value in patch.items():
        place, tasks = (*path, key), named_tasks(patch)
        if place == ("tasks",) and tasks:
            known = {str(name): task for name, task in named_tasks(base)}
            for index, (name, task) in enumerate(tasks):
                if str(name) not in known:
                    yield (*place, index, "name"), name, [*known]
                else:
                    yield from _not_in_base(known[name], task, (*place, index))
        elif key not in siblings and (
            value is None or path[1:3] == ("function", "args")
        ):
            yield place, key, [*siblings]
        elif isinstance(value, dict):
            yield from _not_in_base(siblings.get(key), value, place)
