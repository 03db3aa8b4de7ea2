"""What differs from deployment to deployment: images, the data root, and if DAGs start paused.

A deployment branch has the file deployment.json beside the three trees. Without it, as on a
laptop or in CI, an image is the repository `maxai/<domain>`.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maxairesources.errors import InputError
from maxairesources.tree import SPARK_IMAGES, json_path, repository_of

FILE = "deployment.json"
DATA_ROOT = "MAXAI_DATA_ROOT"

_IMAGES = ("image", *SPARK_IMAGES)
_POD_TEMPLATES = (
    "pod_template_file",
    "spark.kubernetes.driver.podTemplateFile",
    "spark.kubernetes.executor.podTemplateFile",
)
# Objects whose keys people choose.
_FREE = ("annotations", "env_vars", "labels")


@dataclass(frozen=True)
class Deployed:
    """The deployment that runs here.

    Attributes:
        name: the deployment whose overlays apply; None means no overlays.
        paused: if new DAGs start paused; None leaves it to Airflow.
        data_root: the data root of all handlers; None leaves it to the configs.
        registry: the registry of the images; empty on a laptop.
        images: the tag and the digest of the image of each domain.
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
        """Return the reference of a domain's image.

        Raises:
            InputError: the deployment has no image of the domain.
        """
        if not self.registry:
            return repository_of(domain)
        if domain not in self.images:
            problem = f"$.images: has no image of the domain {domain!r}"
            raise InputError(problem, "deploy a release that has it", FILE)
        digest = self.images[domain]["digest"]
        return f"{self.registry}/{repository_of(domain)}@{digest}"

    def with_images(
        self, value: Any, domain: str, file: str, path: tuple[Any, ...] = ()
    ) -> Any:
        """Return a part of a launch config in which each image is the deployment's.

        Args:
            value: the JSON value.
            domain: the domain of the config.
            file: the config's file, for errors.
            path: where in the file the part stands: keys and indexes.

        Raises:
            InputError: it names another image than the domain's, or a pod template, which
                could name any image.
        """
        if isinstance(value, list):
            parts = enumerate(value)
            return [self.with_images(p, domain, file, (*path, i)) for i, p in parts]
        if not isinstance(value, dict):
            return value
        for key in value.keys() & {*_IMAGES, *_POD_TEMPLATES}:
            problem, own = json_path((*path, key)), repository_of(domain)
            if key in _POD_TEMPLATES:
                problem += ": a pod template could name any image"
                raise InputError(problem, "put its content into the config", file)
            if value[key] != own:
                problem += f" is {value[key]!r}"
                raise InputError(problem, f"use {own}, the image of the domain", file)
        return {
            key: (
                self.image(domain)
                if key in _IMAGES
                else (
                    item
                    if key in _FREE
                    else self.with_images(item, domain, file, (*path, key))
                )
            )
            for key, item in value.items()
        }

    def with_data_root(self, variables: Any) -> Any:
        """Return the environment variables of a pod, with the data root if they lack it.

        Args:
            variables: an object, a list of Kubernetes' variables, or None.
        """
        if not isinstance(variables, list):
            return {DATA_ROOT: self.data_root, **(variables or {})}
        names = [each["name"] for each in variables if isinstance(each, dict)]
        names += [each.name for each in variables if not isinstance(each, dict)]
        added = {"name": DATA_ROOT, "value": self.data_root}
        return variables if DATA_ROOT in names else [*variables, added]

    def with_spark_data_root(self, conf: Mapping[str, Any]) -> dict[str, Any]:
        """Return Spark's configuration with the data root, if it lacks it."""
        keys = ("spark.kubernetes.driverEnv", "spark.executorEnv")
        return {**{f"{key}.{DATA_ROOT}": self.data_root for key in keys}, **conf}


def image(domain: str) -> str:
    """Return the image of a domain, for a task that a DAG makes without DAGFactory.

    It is `maxai/<domain>` on a laptop, and the reference by digest in a deployment.
    """
    return Deployed.read(Path(__file__).parents[1]).image(domain)
