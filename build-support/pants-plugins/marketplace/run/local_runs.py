"""The goal `run`: runs an objective, or an Airflow with all objectives, on this machine.

It provides the images in the same session, and passes their names to the runner in
build-support/tools/maxaitools/local.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace
from typing import Any, Iterable

from pants.backend.docker.goals.package_image import DockerPackageFieldSet
from pants.backend.python.goals.run_python_source import PythonSourceFieldSet
from pants.backend.python.target_types import PythonSourceField
from pants.core.goals.run import RunFieldSet, RunInSandboxBehavior, RunRequest
from pants.engine.addresses import Address, Addresses
from pants.engine.fs import PathGlobs, Paths
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import (
    FieldSetsPerTarget,
    FieldSetsPerTargetRequest,
    SingleSourceField,
    Target,
    Targets,
)

from marketplace.graph.addresses import image_address
from marketplace.run.provided_images import ProvidedImage
from maxairesources.tree import DAG_FILE, DAGS, USECASES

RUNNER = Address(
    "build-support/tools/maxaitools/local", relative_file_path="run_dags.py"
)
# The file of the target maxaidags:airflow.
ALL_DAGS = f"{DAGS}/.airflowignore"


@dataclass(frozen=True)
class LocalRunFieldSet(RunFieldSet):
    """A file whose folder has the DAGs to run: the dag.py of an objective, or ALL_DAGS."""

    required_fields = (SingleSourceField,)
    run_in_sandbox_behavior = RunInSandboxBehavior.NOT_SUPPORTED

    source: SingleSourceField

    @classmethod
    def opt_out(cls, tgt: Target) -> bool:
        path = tgt[SingleSourceField].file_path
        return path != ALL_DAGS and not DAG_FILE.fullmatch(path)


@rule
async def run_locally(field_set: LocalRunFieldSet) -> RunRequest:
    path = field_set.source.file_path
    domain = "*" if path == ALL_DAGS else path.split("/")[1]
    dockerfiles, tools = await MultiGet(
        Get(Paths, PathGlobs([f"{USECASES}/{domain}/Dockerfile"])),
        Get(Targets, Addresses([RUNNER])),
    )
    addresses = (image_address(each.split("/")[1]) for each in dockerfiles.files)
    images, runners = await MultiGet(
        Get(Targets, Addresses(addresses)),
        Get(FieldSetsPerTarget, FieldSetsPerTargetRequest(RunFieldSet, tools)),
    )
    (runnable,) = runners.field_sets
    field_sets = [DockerPackageFieldSet.create(image) for image in images]
    # All images at the same time.
    runner, *provided = await MultiGet(
        Get(RunRequest, RunFieldSet, runnable),
        *(Get(ProvidedImage, DockerPackageFieldSet, each) for each in field_sets),
    )
    names = (f"--image={each.name}" for each in provided)
    return replace(runner, args=(*runner.args, posixpath.dirname(path), *names))


def _is_in_dags(cls: type[PythonSourceFieldSet], tgt: Target) -> bool:
    return tgt[PythonSourceField].file_path.startswith(f"{DAGS}/")


def install() -> None:
    """Exclude the other Python files of maxaidags, so that a folder names its objective."""
    PythonSourceFieldSet.opt_out = classmethod(_is_in_dags)  # type: ignore[assignment]


def rules() -> Iterable[Any]:
    return [*collect_rules(), *LocalRunFieldSet.rules()]
