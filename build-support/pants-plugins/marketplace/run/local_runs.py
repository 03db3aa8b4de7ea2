"""The goal `run`: runs an objective, or an Airflow with all objectives, on this machine.

It provides the images in the same session, and passes their names to the runner in
build-support/tools/maxaitools/local.
"""

from __future__ import annotations

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
    COMMON_TARGET_FIELDS,
    FieldSetsPerTarget,
    FieldSetsPerTargetRequest,
    StringField,
    Target,
    Targets,
)

from marketplace.run.provided_images import ProvidedImage
from maxairesources.tree import DAG_FILE, DAGS, USECASES

RUNNER = Address("build-support/tools/maxaitools/local", relative_file_path="main.py")


class AirflowField(StringField):
    alias = "_airflow"
    help = "Distinguishes the target from others."


class MarketplaceAirflow(Target):
    alias = "marketplace_airflow"
    core_fields = (*COMMON_TARGET_FIELDS, AirflowField)
    help = "`run` starts Airflow on this machine, with all DAGs."


@dataclass(frozen=True)
class ObjectiveFieldSet(RunFieldSet):
    """The dag.py of an objective."""

    required_fields = (PythonSourceField,)
    run_in_sandbox_behavior = RunInSandboxBehavior.NOT_SUPPORTED

    source: PythonSourceField

    @classmethod
    def opt_out(cls, tgt: Target) -> bool:
        return not DAG_FILE.fullmatch(tgt[PythonSourceField].file_path)


@dataclass(frozen=True)
class AirflowFieldSet(RunFieldSet):
    required_fields = (AirflowField,)
    run_in_sandbox_behavior = RunInSandboxBehavior.NOT_SUPPORTED

    airflow: AirflowField


async def _run_locally(folder: str, domain: str) -> RunRequest:
    """Run the DAGs below a folder; the domain is a name or `*`."""
    paths, tools = await MultiGet(
        Get(Paths, PathGlobs([f"{USECASES}/{domain}/Dockerfile"])),
        Get(Targets, Addresses([RUNNER])),
    )
    addresses = (
        Address(path.rpartition("/")[0], target_name="image") for path in paths.files
    )
    images, runners = await MultiGet(
        Get(Targets, Addresses(addresses)),
        Get(FieldSetsPerTarget, FieldSetsPerTargetRequest(RunFieldSet, tools)),
    )
    (runnable,) = runners.field_sets
    # All images at the same time.
    runner, *provided = await MultiGet(
        Get(RunRequest, RunFieldSet, runnable),
        *(
            Get(
                ProvidedImage,
                DockerPackageFieldSet,
                DockerPackageFieldSet.create(image),
            )
            for image in images
        ),
    )
    names = (f"--image={each.name}" for each in provided)
    return replace(runner, args=(*runner.args, folder, *names))


@rule
async def run_objective(field_set: ObjectiveFieldSet) -> RunRequest:
    folder = field_set.source.file_path.rpartition("/")[0]
    return await _run_locally(folder, folder.split("/")[1])


@rule
async def run_airflow(field_set: AirflowFieldSet) -> RunRequest:
    return await _run_locally(DAGS, "*")


def _is_in_dags(cls: type[PythonSourceFieldSet], tgt: Target) -> bool:
    return tgt[PythonSourceField].file_path.startswith(f"{DAGS}/")


def install() -> None:
    """Exclude the other Python files of maxaidags, so that a folder names its objective."""
    PythonSourceFieldSet.opt_out = classmethod(_is_in_dags)  # type: ignore[assignment]


def rules() -> Iterable[Any]:
    return [*collect_rules(), *AirflowFieldSet.rules(), *ObjectiveFieldSet.rules()]
