"""Make the files that a deployment runs: a release with its overlays and image digests."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from maxairesources.configs.document import ConfigModel
from maxairesources.configs.launch_config import KubepodConfig, SparkConfig
from maxairesources.configs.objective import read_config
from maxairesources.configs.py_config import PyConfig
from maxairesources.errors import InputError
from maxairesources.tree import (
    CONFIGS,
    DAGS,
    KUBEPOD_CONFIG,
    LIBRARY,
    PY_CONFIG,
    SPARK_CONFIG,
    SPARK_IMAGES,
    domain_of,
    json_path,
    nearest,
    repository_of,
)
from maxaitools.deployments.deployment import Deployment
from maxaitools.deployments.release import Image, Release, to_json
from maxaitools.deployments.repository import Tree, write_files

_DATA_ROOT = "MAXAI_DATA_ROOT"
_MODELS: dict[str, type[ConfigModel]] = {
    KUBEPOD_CONFIG: KubepodConfig,
    PY_CONFIG: PyConfig,
    SPARK_CONFIG: SparkConfig,
}
_IMAGE_KEYS = ("image", *SPARK_IMAGES)
_TEMPLATE_KEYS = (
    "pod_template_file",
    "spark.kubernetes.driver.podTemplateFile",
    "spark.kubernetes.executor.podTemplateFile",
)

# `DAGFactory` reads this file.
DEPLOYMENT = f"{CONFIGS}/deployment.json"


def render(release: Release, to: Deployment, images: Mapping[str, Image]) -> Tree:
    """Return the files that a deployment runs, without release.json and the SBOMs.

    Args:
        release: the release.
        to: the deployment.
        images: the image of each domain, in the registry of the deployment.

    Raises:
        InputError: the release lacks a domain of the deployment, a config does not fit its
            overlay, or a config names an image that does not belong to its domain.
    """
    domains = find_domains(release, to)
    files = {DEPLOYMENT: to_json({"deployment": to.name, "paused": to.paused})}
    configs = {p: c for p, c in release.files.items() if p.startswith(f"{CONFIGS}/")}
    with tempfile.TemporaryDirectory(prefix="maxai-release-") as root:
        write_files(Path(root), configs)
        for path, content in release.files.items():
            domain, name = domain_of(path), Path(path).name
            if domain not in (None, *domains):
                continue
            if domain and name == "image.json":
                files[path] = to_json(vars(images[domain]))
            elif domain and path in configs and name in _MODELS:
                image = images.get(domain)
                files[path] = _render_config(Path(root), path, to, domain, image)
            elif path.startswith((f"{DAGS}/", f"{LIBRARY}/", ".")):
                files[path] = content
    return files


def find_domains(release: Release, to: Deployment) -> list[str]:
    """Return the domains of a release that a deployment carries.

    Raises:
        InputError: the release lacks one of them.
    """
    known, where = sorted(release.domains), f"BUILD, //:{to.name}"
    for domain in to.domains or ():
        if domain not in known:
            problem = f"domain {domain!r} does not exist"
            raise InputError(problem, nearest(domain, known), where)
    return known if to.domains is None else sorted(to.domains)


def _render_config(
    root: Path, path: str, to: Deployment, domain: str, image: Image | None
) -> bytes:
    model = _MODELS[Path(path).name]
    data, _, shown = read_config(model, root, root / path, to.name)
    if model is not PyConfig:
        for place, holder, key in _images(data, ()):
            if key in _TEMPLATE_KEYS:
                problem = f"{json_path(place)}: a pod template could name any image"
                remedy = "remove it, and put its content into the config"
                raise InputError(problem, remedy, shown)
            if not image or holder[key] != repository_of(domain):
                problem = f"{json_path(place)} is {holder[key]!r}"
                remedy = f"use {repository_of(domain)}, the image of the domain"
                raise InputError(problem, remedy, shown)
            holder[key] = image.reference
        if to.data_root:
            _set_data_root(data, to.data_root, shown)
    # The keys keep the order of the config.
    return (json.dumps(data, indent=2) + "\n").encode()


def _images(
    value: Any, path: tuple[Any, ...]
) -> Iterator[tuple[tuple[Any, ...], dict[str, Any], str]]:
    """Yield each place in a launch config that names an image or a pod template.

    `launches.read_launches` finds the images of the tasks. This must find all others too,
    such as those of init containers, or a deployment could run any image. Environment
    variables, labels and annotations are ignored: people choose their names.

    Yields:
        The path of the key, the object that has the key, and the key.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            if key in (*_IMAGE_KEYS, *_TEMPLATE_KEYS):
                yield (*path, key), value, key
            elif key not in ("annotations", "env_vars", "labels"):
                yield from _images(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _images(item, (*path, index))


def _set_data_root(config: dict[str, Any], data_root: str, shown: str) -> None:
    """Pass the data root to each task of a launch config that does not set its own."""
    if "conf" in config:
        for key in (f"driverEnv.{_DATA_ROOT}", f"executorEnv.{_DATA_ROOT}"):
            prefix = "spark.kubernetes." if key.startswith("driver") else "spark."
            config["conf"].setdefault(prefix + key, data_root)
        return
    added = {"name": _DATA_ROOT, "value": data_root}
    for index, task in enumerate(config["tasks"]):
        conf = task["conf"]
        variables = conf.get("env_vars") or {}
        if isinstance(variables, dict):
            conf["env_vars"] = {_DATA_ROOT: data_root, **variables}
        elif isinstance(variables, list) and all(
            isinstance(each, dict) for each in variables
        ):
            if not any(each.get("name") == _DATA_ROOT for each in variables):
                conf["env_vars"] = [*variables, added]
        else:
            problem = f"$.tasks[{index}].conf.env_vars is {variables!r}"
            raise InputError(problem, "use an object of names and values", shown)
