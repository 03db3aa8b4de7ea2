"""Make what a deployment runs from a release: overlays merged in, images by digest."""

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from maxairesources.configs.document import ConfigModel
from maxairesources.configs.launch_config import KubepodConfig, SparkConfig
from maxairesources.configs.objective import read_config
from maxairesources.configs.py_config import PyConfig
from maxairesources.errors import InputError
from maxairesources.tree import json_path, nearest
from maxaitools.deployments.deployment import Deployment
from maxaitools.deployments.release import Image, Release, domain_of, to_json
from maxaitools.deployments.repository import Tree, write_files

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

# The file that `DAGFactory` reads about the deployment.
DEPLOYMENT = "maxaiconfigs/deployment.json"


def render(release: Release, to: Deployment, images: Mapping[str, Image]) -> Tree:
    """Return the files that a deployment runs, but for release.json and the SBOMs.

    Args:
        release: the release.
        to: the deployment.
        images: the image of each domain, as the deployment runs it.

    Raises:
        InputError: the release lacks a domain of the deployment, a config does not fit its
            overlay, or a config names an image that is not its domain's.
    """
    domains = find_domains(release, to)
    files = {DEPLOYMENT: to_json({"deployment": to.name, "paused": to.paused})}
    configs = {p: c for p, c in release.files.items() if p.startswith("maxaiconfigs/")}
    with tempfile.TemporaryDirectory(prefix="maxai-release-") as root:
        write_files(Path(root), configs)
        for path, content in release.files.items():
            domain, name = domain_of(path), Path(path).name
            if domain not in (None, *domains):
                continue
            if domain and name == "image.json":
                files[path] = to_json(vars(images[domain]))
            elif domain and path in configs and name in _MODELS:
                names = (release.images.get(domain), images.get(domain))
                files[path] = _render_config(Path(root), path, to, *names)
            elif path.startswith(("maxaidags/", "maxairesources/", ".")):
                files[path] = content
    return files


def find_domains(release: Release, to: Deployment) -> list[str]:
    """Return the domains of a release that a deployment carries; see `render`."""
    known, where = sorted(release.domains), f"BUILD, //:{to.name}"
    for domain in to.domains or ():
        if domain not in known:
            raise InputError(f"no domain {domain!r}", nearest(domain, known), where)
    return known if to.domains is None else sorted(to.domains)


def _render_config(
    root: Path, path: str, to: Deployment, image: Image | None, deployed: Image | None
) -> bytes:
    model = _MODELS[Path(path).name]
    data, _, shown = read_config(model, root, root / path, to.name)
    if model is not PyConfig:
        repository = image.repository if image else None
        for place, holder, key in _images(data, ()):
            if key.lower().replace("_", "").endswith("podtemplatefile"):
                problem = f"{json_path(place)}: a template may name any image"
                advice = "give its content in the config instead"
                raise InputError(problem, advice, shown)
            if not deployed or holder[key] != repository:
                problem = f"{json_path(place)} is {holder[key]!r}"
                raise InputError(problem, f"use {repository}, the domain's", shown)
            holder[key] = deployed.reference
        if to.data_root:
            _set_data_root(data, to.data_root, shown)
    # In the order of the file, which people have given it.
    return (json.dumps(data, indent=2) + "\n").encode()


def _images(
    value: Any, path: tuple[Any, ...]
) -> Iterator[tuple[tuple[Any, ...], dict[str, Any], str]]:
    """Yield each place in a launch config that names an image, or a file that may.

    Names that people choose, such as those of environment variables, do not count.
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
