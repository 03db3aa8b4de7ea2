"""Makes the configs of a deployment from a release: overlays merged in, images by digest."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
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

# The keys of Kubernetes, of Airflow's operator and of Spark.
_IMAGE_KEY = re.compile(
    r"image|pod_template_file"
    r"|spark\.kubernetes\.([a-z]+\.)?(container\.image|podTemplateFile)"
)

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
    domains: Collection[str],
    references: Mapping[str, str],
) -> dict[str, bytes]:
    """Return the configs of a deployment by their paths.

    Args:
        release: the release.
        root: a folder with the release's files.
        deployment: the deployment.
        domains: the domains that it carries.
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
        if tree != "maxaiconfigs" or names[0] not in domains:
            continue
        model = _MODELS.get(names[-1])
        if model is None:
            continue
        data, _, shown = read_config(model, root, root / path, deployment.name)
        if model is not PyConfig:
            domain = names[0]
            image = release.images[domain].repository if domain in references else None
            for place, holder, key in _images(data, ()):
                if key.lower().replace("_", "").endswith("podtemplatefile"):
                    problem = f"{json_path(place)}: a template may name any image"
                    raise InputError(problem, "say in the config what it says", shown)
                if holder[key] != image:
                    problem = f"{json_path(place)} is {holder[key]!r}"
                    raise InputError(problem, f"use {image}, the domain's", shown)
                holder[key] = references[domain]
            if deployment.data_root:
                _set_data_root(data, deployment.data_root, shown)
        # In the order of the file, which people have given it.
        rendered[path] = (json.dumps(data, indent=2) + "\n").encode()
    return rendered


def _images(
    value: Any, path: tuple[Any, ...]
) -> Iterator[tuple[tuple[Any, ...], dict[str, Any], str]]:
    """Yield each place in a launch config that names an image, or a file that may.

    Names that people give, such as those of environment variables, are none.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            if _IMAGE_KEY.fullmatch(key):
                yield (*path, key), value, key
            elif key not in ("annotations", "env_vars", "labels"):
                yield from _images(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _images(item, (*path, index))


def _set_data_root(config: dict[str, Any], data_root: str, shown: str) -> None:
    """Hand the data root to all tasks of a launch config that do not name another."""
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
            raise InputError(problem, "give an object of names and values", shown)
