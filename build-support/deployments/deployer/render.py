"""Makes the configs of a deployment from a release: overlays merged in, images by digest."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deployer.deployment import Deployment
from deployer.release import Release
from maxairesources.config_store.document import ConfigModel, json_path
from maxairesources.config_store.launch_config import KubepodConfig, SparkConfig
from maxairesources.config_store.objective import read_config
from maxairesources.config_store.py_config import PyConfig
from maxairesources.errors import InputError, nearest
from release_bundle import layout

_DATA_ROOT = "MAXAI_DATA_ROOT"
_MODELS: dict[str, type[ConfigModel]] = {
    "kubepod_config.json": KubepodConfig,
    "py_config.json": PyConfig,
    "spark_config.json": SparkConfig,
}

# What `DAGFactory` reads of the deployment.
DEPLOYMENT = "maxaiconfigs/deployment.json"


def carried(release: Release, deployment: Deployment) -> list[str]:
    """Return the domains of a release that a deployment carries.

    Raises:
        InputError: the release has no such domain, or the deployment carries none.
    """
    known = sorted({*release.images, *(name.split("/")[0] for name in release.dags)})
    where = f"BUILD, //:{deployment.name}"
    domains = known if deployment.domains is None else sorted(deployment.domains)
    for domain in domains:
        if domain not in known:
            raise InputError(f"no domain {domain!r}", nearest(domain, known), where)
    if not domains:
        raise InputError("it carries no domain", "name one, or drop `domains`", where)
    return domains


def render(
    release: Release,
    root: Path,
    deployment: Deployment,
    references: Mapping[str, str],
) -> dict[str, bytes]:
    """Return the configs of a deployment by their paths.

    Args:
        release: the release.
        root: a folder with the release's files.
        deployment: the deployment.
        references: what stands for the image of each domain: registry/repository@digest.

    Raises:
        InputError: a config does not fit its overlay, or names an image that is not its
            domain's.
    """
    rendered = {
        DEPLOYMENT: layout.to_json(
            {"deployment": deployment.name, "paused": deployment.paused}
        )
    }
    for path in sorted(release.files):
        tree, *names = path.split("/")
        if tree != "maxaiconfigs" or names[0] not in references:
            continue
        model = _MODELS.get(names[-1])
        if model is None:
            continue
        data, _, shown = read_config(model, root, root / path, deployment.name)
        if model is not PyConfig:
            image = release.images[names[0]].repository
            for place, holder, key in _images(data, ()):
                if holder[key] != image:
                    problem = f"{json_path(place)} is {holder[key]!r}"
                    raise InputError(problem, f"use {image}, the domain's", shown)
                holder[key] = references[names[0]]
            if deployment.data_root:
                _set_data_root(data, deployment.data_root)
        # In the order of the file, which people have given it.
        rendered[path] = (json.dumps(data, indent=2) + "\n").encode()
    return rendered


def _images(
    value: Any, path: tuple[Any, ...]
) -> Iterator[tuple[tuple[Any, ...], dict[str, Any], str]]:
    """Yield each place in a launch config that names an image, wherever it stands."""
    if isinstance(value, dict):
        for key, item in value.items():
            is_image = key == "image" or (
                key.startswith("spark.kubernetes.") and key.endswith("container.image")
            )
            if is_image:
                yield (*path, key), value, key
            else:
                yield from _images(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _images(item, (*path, index))


def _set_data_root(config: dict[str, Any], data_root: str) -> None:
    """Hand the data root to all tasks of a launch config that do not name another."""
    if "conf" in config:
        for key in (f"driverEnv.{_DATA_ROOT}", f"executorEnv.{_DATA_ROOT}"):
            prefix = "spark.kubernetes." if key.startswith("driver") else "spark."
            config["conf"].setdefault(prefix + key, data_root)
        return
    for task in config["tasks"]:
        variables = task["conf"].setdefault("env_vars", {})
        if isinstance(variables, dict):
            variables.setdefault(_DATA_ROOT, data_root)
        elif not any(each.get("name") == _DATA_ROOT for each in variables):
            variables.append({"name": _DATA_ROOT, "value": data_root})
