"""The configs of an objective as a deployment runs them, and what else differs between them.

A deployment branch has the file deployment.json beside the three trees. Without it, as on a
laptop or in CI, an image is a repository without a digest, `<prefix>/<domain>`.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maxairesources.configs.document import parse
from maxairesources.errors import InputError
from maxairesources.launches import SPARK, Launch, merge, read_launches
from maxairesources.settings import repository_of
from maxairesources.tree import CONFIGS, LAUNCHED_FROM, PY_CONFIG, path_of

FILE = "deployment.json"
DATA_ROOT = "MAXAI_DATA_ROOT"


@dataclass(frozen=True)
class ObjectiveConfigs:
    """The py_config of an objective, as handlers get it, and the launches of its usecase.

    `py_config_file` is the name of the py_config, and a launch has the name of its task.
    """

    py_config: dict[str, Any]
    py_config_file: str
    launches: dict[str, Launch]


@dataclass(frozen=True)
class Deployed:
    """The deployment that runs here.

    Attributes:
        name: the deployment whose overlays apply; None means no overlays.
        paused: if new DAGs start paused; None leaves it to Airflow.
        data_root: the data root of all handlers; None leaves it to the configs.
        registry: the registry of the images; empty on a laptop.
        images: the name, the tag and the digest of the image of each domain.
    """

    name: str | None = None
    paused: bool | None = None
    data_root: str | None = None
    registry: str = ""
    images: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Path) -> "Deployed":
        """Return the deployment of a folder with the three trees.

        Without deployment.json, the environment variable MAXAI_DEPLOYMENT may name the
        deployment whose overlays apply.
        """
        path = root / FILE
        if not path.exists():
            return cls(os.environ.get("MAXAI_DEPLOYMENT") or None)
        data = json.loads(path.read_text(encoding="utf-8"))
        keys = ("name", "paused", "data_root", "registry", "images")
        return cls(*(data[key] for key in keys))

    def image(self, domain: str) -> str:
        """Return the reference of a domain's image in a deployment.

        Raises:
            InputError: the deployment has no image of the domain.
        """
        if domain not in self.images:
            problem = f"$.images: has no image of the domain {domain!r}"
            raise InputError(problem, "deploy a release that has it", FILE)
        image = self.images[domain]
        return f"{self.registry}/{image['name']}@{image['digest']}"

    def with_data_root(self, variables: Any) -> Any:
        """Return the variables of a pod (an object, a list or None) with the data root.

        If they have a data root, they keep it.
        """
        if not isinstance(variables, list):
            return {DATA_ROOT: self.data_root, **(variables or {})}
        added = {"name": DATA_ROOT, "value": self.data_root}
        names = [e["name"] if isinstance(e, dict) else e.name for e in variables]
        return variables if DATA_ROOT in names else [*variables, added]

    def read_objective(self, root: Path, names: Sequence[str]) -> ObjectiveConfigs:
        """Read the configs of one objective, in the folder that holds maxaiconfigs.

        `testing.config_checks` checks them; this trusts them, because Airflow's scheduler
        calls it twice a minute. `names` are the domain, the usecase and the objective.
        """
        # An objective whose tasks run no handler needs none.
        path = path_of(CONFIGS, names, PY_CONFIG)
        data, file = read_config(root, path, self.name)
        py_config = {key: data[key] for key in data if not key.startswith("$")}
        launches: dict[str, Launch] = {}
        for config in LAUNCHED_FROM.values():
            path = path_of(CONFIGS, names[:2], config)
            data, launch_file = read_config(root, path, self.name)
            # A domain whose tasks run no handler has no image.
            if data and self.registry:
                image = self.image(names[0])
                own = self.images[names[0]]["name"]
                text = json.dumps(data).replace(f'"{own}"', f'"{image}"')
                data = json.loads(text)
            for launch in read_launches(data, launch_file):
                launches[launch.task] = launch
                if launch.operator == SPARK and self.data_root:
                    for key in ("spark.kubernetes.driverEnv", "spark.executorEnv"):
                        conf = launch.arguments["conf"]
                        conf.setdefault(f"{key}.{DATA_ROOT}", self.data_root)
        return ObjectiveConfigs(py_config, file, launches)


def image(domain: str) -> str:
    """Return the image of a domain, for a task that a DAG makes without DAGFactory.

    It is `<prefix>/<domain>` on a laptop, and the reference by digest in a deployment.
    """
    root = Path(__file__).parents[1]
    deployed = Deployed.read(root)
    return deployed.image(domain) if deployed.registry else repository_of(domain, root)


def find_deployments(folder: Path) -> Iterator[str]:
    """Yield the deployment of each overlay in a folder of configs and below."""
    for path in folder.rglob("*_config.*.json"):
        yield path.name.split(".")[1]


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
