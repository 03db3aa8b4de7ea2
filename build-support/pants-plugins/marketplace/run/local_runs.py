"""The goal `run`: runs an objective, or an Airflow with all objectives, on this machine.

It provides the images in the same session, and passes their names to the runner in
build-support/tools/maxaitools/local.
"""

from __future__ import annotations

from dataclasses import dataclass
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

from marketplace.release.provided_images import ProvidedImage
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


@dataclass(frozen=True)
class LocalRun:
    """Asks for a run of the DAGs in a folder.

    Attributes:
        folder: the folder.
        dockerfiles: a glob of the Dockerfiles of their images.
    """

    folder: str
    dockerfiles: str


@rule
async def run_locally(request: LocalRun) -> RunRequest:
    paths, tools = await MultiGet(
        Get(Paths, PathGlobs([request.dockerfiles])),
        Get(Targets, Addresses([RUNNER])),
    )
    addresses = [
        Address(path.rpartition("/")[0], target_name="image") for path in paths.files
    ]
    images, runners = await MultiGet(
        Get(Targets, Addresses(addresses)),
        Get(FieldSetsPerTarget, FieldSetsPerTargetRequest(RunFieldSet, tools)),
    )
    field_sets = [DockerPackageFieldSet.create(image) for image in images]
    (runnable,) = runners.field_sets
    # All images at the same time.
    runner, *provided = await MultiGet(
        Get(RunRequest, RunFieldSet, runnable),
        *(Get(ProvidedImage, DockerPackageFieldSet, each) for each in field_sets),
    )
    names = (f"--image={each.name}" for each in provided)
    return RunRequest(
        digest=runner.digest,
        args=(*runner.args, request.folder, *names),
        extra_env=runner.extra_env,
        immutable_input_digests=runner.immutable_input_digests,
        append_only_caches=runner.append_only_caches,
    )


@rule
async def run_objective(field_set: ObjectiveFieldSet) -> RunRequest:
    folder = field_set.source.file_path.rpartition("/")[0]
    domain = folder.split("/")[1]
    return await Get(RunRequest, LocalRun(folder, f"{USECASES}/{domain}/Dockerfile"))


@rule
async def run_airflow(field_set: AirflowFieldSet) -> RunRequest:
    return await Get(RunRequest, LocalRun(DAGS, f"{USECASES}/*/Dockerfile"))


def _is_in_dags(cls: type[PythonSourceFieldSet], tgt: Target) -> bool:
    return tgt[PythonSourceField].file_path.startswith(f"{DAGS}/")


def install() -> None:
    """Exclude the other Python files of maxaidags, so that a folder names its objective."""
    PythonSourceFieldSet.opt_out = classmethod(_is_in_dags)  # type: ignore[assignment]


def rules() -> Iterable[Any]:
    return [
        *collect_rules(),
        *AirflowFieldSet.rules(),
        *ObjectiveFieldSet.rules(),
    ]
