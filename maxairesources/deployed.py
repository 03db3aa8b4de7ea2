"""What differs between deployments: images, the data root, and if DAGs start paused.

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
from maxairesources.tree import repository_of

FILE = "deployment.json"
DATA_ROOT = "MAXAI_DATA_ROOT"


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

    def with_data_root(self, variables: Any) -> Any:
        """Return the environment variables of a pod, with the data root if they lack it.

        Args:
            variables: an object, a list of Kubernetes' variables, or None.
        """
        if not isinstance(variables, list):
            return {DATA_ROOT: self.data_root, **(variables or {})}
        added = {"name": DATA_ROOT, "value": self.data_root}
        names = [e["name"] if isinstance(e, dict) else e.name for e in variables]
        return variables if DATA_ROOT in names else [*variables, added]

    @property
    def spark_conf(self) -> dict[str, str]:
        """The keys of Spark that pass the data root to the driver and the executors."""
        keys = ("spark.kubernetes.driverEnv", "spark.executorEnv")
        root = self.data_root
        return {f"{key}.{DATA_ROOT}": root for key in keys} if root else {}


def image(domain: str) -> str:
    """Return the image of a domain, for a task that a DAG makes without DAGFactory.

    It is `maxai/<domain>` on a laptop, and the reference by digest in a deployment.
    """
    return Deployed.read(Path(__file__).parents[1]).image(domain)
