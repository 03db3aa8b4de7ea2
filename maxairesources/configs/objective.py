"""Reads the configs of one objective, with the overlays and images of a deployment."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maxairesources.configs.document import parse
from maxairesources.deployed import Deployed
from maxairesources.errors import InputError
from maxairesources.launches import SPARK, Launch, merge, read_launches
from maxairesources.tree import CONFIGS, LAUNCHED_FROM, PY_CONFIG
from maxairesources.tree import path_of, repository_of


@dataclass(frozen=True)
class ObjectiveConfigs:
    """The py_config of an objective, as handlers get it, and the launches of its usecase.

    `py_config_file` is the name of the py_config, and a launch has the name of its task.
    """

    py_config: dict[str, Any]
    py_config_file: str
    launches: dict[str, Launch]


def find_deployments(folder: Path) -> Iterator[str]:
    """Yield the deployment of each overlay in a folder of configs and below."""
    for path in folder.rglob("*_config.*.json"):
        yield path.name.split(".")[1]


def read_objective(
    root: Path, names: Sequence[str], deployed: Deployed
) -> ObjectiveConfigs:
    """Read the configs of one objective, in the folder that holds maxaiconfigs.

    `testing.config_checks` checks them; this trusts them, because Airflow's scheduler calls
    it twice a minute. `names` are the domain, the usecase and the objective.
    """
    # An objective whose tasks run no handler needs none.
    path = path_of(CONFIGS, names, PY_CONFIG)
    data, file = read_config(root, path, deployed.name)
    py_config = {key: data[key] for key in data if not key.startswith("$")}
    own = json.dumps(repository_of(names[0]))
    launches: dict[str, Launch] = {}
    for config in LAUNCHED_FROM.values():
        path = path_of(CONFIGS, names[:2], config)
        data, launch_file = read_config(root, path, deployed.name)
        # A domain whose tasks run no handler has no image.
        if data and deployed.registry:
            image = json.dumps(deployed.image(names[0]))
            data = json.loads(json.dumps(data).replace(own, image))
        for launch in read_launches(data, launch_file):
            launches[launch.task] = launch
            if launch.operator == SPARK:
                conf = {**deployed.spark_conf, **launch.arguments["conf"]}
                launch.arguments["conf"] = conf
    return ObjectiveConfigs(py_config, file, launches)


def read_config(
    root: Path, path: str, deployment: str | None
) -> tuple[dict[str, Any], str]:
    """Return a config with the deployment's overlay, and the names of both for errors."""
    data, overlay = read_file(root, path), overlay_of(path, deployment)
    if deployment and (patch := read_file(root, overlay)):
        return merge(data, patch), f"{path} with {overlay.rpartition('/')[2]}"
    return data, path


def overlay_of(path: str, deployment: str | None) -> str:
    """Return the path of the overlay of a config for a deployment."""
    return f"{path.removesuffix('.json')}.{deployment}.json"


def read_file(root: Path, path: str) -> dict[str, Any]:
    """Return the JSON object in a config or an overlay.

    A missing file is an empty object: not every objective needs each config.
    """
    try:
        with open(root / path, encoding="utf-8") as file:
            return parse(file.read(), path)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read ({error})", "use UTF-8", path) from error
