"""The targets of the three trees and of the root, and the dependencies that no import shows.

- A launch config names an image, and a handler in the image for each task. The dependencies on
  both are in a special-cased field: they belong to the domain's resolve and the DAG to Airflow's,
  and Pants refuses to mix two resolves. `--changed-since` and `paths` follow the field, sandboxes
  do not.
- A module can read a data file of its package by any name, so it depends on all of them: those
  in its folder, and in the folders below that hold no Python file. A DAG may also read the files
  in the folder of its usecase. Only tests and their helpers read what is below `fixtures/`.
- A dag.py depends on its configs: the DAG factory reads them from the folders with the same
  names, and refuses a dag.py that names others. It also depends on the configs of each objective
  that it names, such as in `after("bank/credit_risk/score")`. Its tests and helpers depend on the
  dag.py and what stands beside it, and a run_test.py on the sample data of its domain.
"""

from __future__ import annotations

import glob
import json
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Container, Iterable

from pants.backend.python.target_types import PythonSourceField
from pants.core.goals.package import OutputPathField, PackageFieldSet
from pants.core.target_types import FilesGeneratingSourcesField, FileSourceField
from pants.engine.addresses import Address
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.fs import Digest, DigestContents, PathGlobs, Paths
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import (
    COMMON_TARGET_FIELDS,
    Dependencies,
    FieldSet,
    GeneratedTargets,
    GenerateTargetsRequest,
    HydratedSources,
    HydrateSourcesRequest,
    InferDependenciesRequest,
    InferredDependencies,
    SpecialCasedDependencies,
    Target,
    TargetGenerator,
)
from pants.engine.unions import UnionMembership, UnionRule

from maxairesources.launches import read_launches
from maxairesources.tree import (
    CONFIGS,
    DAGS,
    LAUNCH_CONFIG,
    PROBLEMS,
    USECASES,
    domain_of,
    path_of,
)

PYTHON = (".py", ".pyi")
# The names of files that are not data files; the macro `data_files` reads them, too.
NO_DATA = ("*.py", "*.pyi", "BUILD", "README*", ".*")
# The files of a domain that are for its tests; the macro `marketplace_domain` has them, too.
FOR_TESTS = re.compile(
    rf"{USECASES}/.+/((test_[^/]*|[^/]*_(test|helper)|conftest)\.py)"
    rf"|{USECASES}/[^/]+/[^/]+/(.+/)?fixtures/.+"
)


class MarketplaceError(Exception):
    """The sources or arguments are wrong; the message gives the reason and a fix."""


def is_data(path: str) -> bool:
    """Return if a file of maxaidags or maxaiusecases is a data file, which modules read."""
    name = path.rpartition("/")[2]
    return not any(fnmatchcase(name, pattern) for pattern in NO_DATA)


def find_named_objectives(dag: bytes) -> set[str]:
    """Return the strings in the source of a dag.py that may name an objective."""
    found = re.findall(rb"[\"'](\w+/\w+/\w+)[\"']", dag)
    return {name.decode() for name in found}


def source_address(path: str) -> Address:
    """Return the address of a config, a Python file of a DAG, a handler or a data file.

    For the Dockerfile and the sample_data.py of a domain, it is that of their output.
    """
    tree, domain, below = path.split("/", 2)
    folder = f"{USECASES}/{domain}"
    outputs = {"Dockerfile": "image", "sample_data.py": "sample_data"}
    if tree == USECASES and below in outputs:
        return Address(folder, target_name=outputs[below])
    # Pants escapes the names of generated targets like globs.
    below = glob.escape(below)
    kind = "data" if is_data(path) else "handlers" if tree == USECASES else "dags"
    if tree == USECASES:
        return Address(folder, target_name=kind, relative_file_path=below)
    kind = domain if tree == CONFIGS else kind
    return Address(tree, target_name=kind, relative_file_path=f"{domain}/{below}")


def domain_of_address(
    address: Address, known: Container[str | None] = ()
) -> str | None:
    """Return the domain of an address, from its folder or else from its resolve.

    Args:
        address: the address of a target.
        known: the domains whose resolves count.
    """
    if address.spec_path == CONFIGS and not address.is_file_target:
        # One target generates the configs of each domain.
        return address.target_name
    path = address.filename if address.is_file_target else f"{address.spec_path}/"
    resolve = address.parameters.get("resolve")
    return domain_of(path) or (resolve if resolve in known else None)


class LaunchesField(SpecialCasedDependencies):
    alias = "launches"
    help = "The image that a launch config names and the handlers that its tasks run."


class ConfigTarget(Target):
    alias = "marketplace_config"
    core_fields = (*COMMON_TARGET_FIELDS, Dependencies, FileSourceField, LaunchesField)
    help = "A py_config.json, spark_config.json or kubepod_config.json, or an overlay."


class ConfigsTarget(TargetGenerator):
    alias = "marketplace_configs"
    core_fields = (*COMMON_TARGET_FIELDS, FilesGeneratingSourcesField)
    generated_target_cls = ConfigTarget
    copied_fields = COMMON_TARGET_FIELDS
    moved_fields = ()
    help = "Generates a `marketplace_config` target for each config and overlay."


class GenerateConfigsRequest(GenerateTargetsRequest):
    generate_from = ConfigsTarget


def launched_files(content: bytes) -> set[str]:
    """Return the Dockerfiles of the images and the handlers that a launch config names.

    `lint` reports what does not fit.
    """
    try:
        launches = [*read_launches(json.loads(content))]
    except (ValueError, RecursionError):
        return set()
    named = {launch.handler_file for launch in launches if launch.handler_file}
    files = {path for path in named if not FOR_TESTS.fullmatch(path)}
    for image in set().union(*(launch.images for launch in launches)):
        # The test of a DAG checks the prefix.
        if found := re.fullmatch(r"(?:[^:@]*/)?(\w[\w.-]*)(?::.*)?", image):
            files.add(f"{USECASES}/{found[1]}/Dockerfile")
    return files


@rule
async def generate_configs(
    request: GenerateConfigsRequest, union_membership: UnionMembership
) -> GeneratedTargets:
    generator = request.generator
    sources = await Get(
        HydratedSources, HydrateSourcesRequest(generator[FilesGeneratingSourcesField])
    )
    contents = await Get(DigestContents, Digest, sources.snapshot.digest)
    launched = {
        file.path: launched_files(file.content)
        for file in contents
        if LAUNCH_CONFIG.fullmatch(file.path)
    }
    # `lint` reports an image or a handler that does not exist.
    named = sorted(set().union(*launched.values()))
    existing = {*(await Get(Paths, PathGlobs(map(glob.escape, named)))).files}

    def make(path: str) -> Target:
        # As Pants escapes the names of the targets that it generates.
        name = glob.escape(path[len(f"{generator.address.spec_path}/") :])
        launches = map(source_address, launched.get(path, set()) & existing)
        return ConfigTarget(
            {
                **request.template,
                FileSourceField.alias: name,
                LaunchesField.alias: sorted(address.spec for address in launches),
            },
            request.template_address.create_file(name),
            union_membership,
            residence_dir=path.rpartition("/")[0],
        )

    return GeneratedTargets(generator, map(make, sources.snapshot.files))


@dataclass(frozen=True)
class TreeFieldSet(FieldSet):
    required_fields = (PythonSourceField,)

    source: PythonSourceField

    @classmethod
    def opt_out(cls, target: Target) -> bool:
        path = target[PythonSourceField].file_path
        return not domain_of(path) or path.count("/") < 3


class InferTreeDependenciesRequest(InferDependenciesRequest):
    infer_from = TreeFieldSet


async def _without_problems() -> list[str]:
    """Return globs that exclude the domains with a problem, which have no targets."""
    variables = await Get(EnvironmentVars, EnvironmentVarsRequest([PROBLEMS]))
    paths = (
        each.partition(":")[0] for each in variables.get(PROBLEMS, "").splitlines()
    )
    return [f"!*/{domain_of(f'{path}/')}/**" for path in paths]


@rule
async def infer_dependencies(
    request: InferTreeDependenciesRequest,
) -> InferredDependencies:
    folder, _, name = request.field_set.source.file_path.rpartition("/")
    here, parent = glob.escape(folder), folder.rpartition("/")[0]
    is_objective = folder.startswith(f"{DAGS}/") and folder.count("/") == 3
    # As the macro `data_files`, which skips the notebooks of usecases.
    globs, more = [f"{here}/**", f"!{USECASES}/*/*/notebooks/**"], []
    if is_objective:
        globs.append(f"{glob.escape(parent)}/*")
        more = _objective_globs(folder, name)
    if is_objective and name == "dag.py":
        (dag,) = await Get(DigestContents, PathGlobs([f"{here}/{name}"]))
        named = find_named_objectives(dag.content)
        more += (f"{CONFIGS}/{each}/*.json" for each in named)
        more += await _without_problems()
    near, others = await MultiGet(Get(Paths, PathGlobs(g)) for g in (globs, more))
    modules = (path for path in near.files if path.endswith(PYTHON))
    # Tests also read the data beside modules in `fixtures/`.
    python = {each.rpartition("/")[0] for each in modules if "/fixtures/" not in each}
    is_for_tests = FOR_TESTS.fullmatch(request.field_set.source.file_path)

    def is_read(path: str) -> bool:
        if FOR_TESTS.fullmatch(path) and not is_for_tests:
            return False
        beside = path.rpartition("/")[0]
        while beside not in (*python, parent):
            beside = beside.rpartition("/")[0]
        return beside in (folder, parent)

    data = filter(is_read, filter(is_data, near.files))
    return InferredDependencies(map(source_address, (*data, *others.files)))


def _objective_globs(folder: str, name: str) -> list[str]:
    """Return the globs of what a file in the folder of a DAG depends on."""
    here = glob.escape(folder)
    if name == "dag.py":
        names = here.split("/")[1:]
        return [path_of(CONFIGS, names[:depth], "*.json") for depth in (1, 2, 3)]
    tests = (f"!{here}/{each}" for each in ("*_test.py", "test_*.py", "conftest.py"))
    data = [f"{USECASES}/{here.split('/')[1]}/sample_data.py"]
    return [f"{here}/*.py", *tests, *(data if name == "run_test.py" else ())]


class ReleaseDependenciesField(Dependencies):
    pass


class MarketplaceRelease(Target):
    alias = "marketplace_release"
    core_fields = (*COMMON_TARGET_FIELDS, OutputPathField, ReleaseDependenciesField)
    help = (
        "The release: all DAGs, all configs with their overlays, and the content tags of the "
        "images. `package` writes it to a folder that is named after its content. All "
        "deployments use the same release."
    )


@dataclass(frozen=True)
class ReleaseFieldSet(PackageFieldSet):
    required_fields = (ReleaseDependenciesField,)

    output_path: OutputPathField


class InferReleaseDependenciesRequest(InferDependenciesRequest):
    infer_from = ReleaseFieldSet


@rule
async def infer_release_dependencies(
    request: InferReleaseDependenciesRequest,
) -> InferredDependencies:
    # It depends on each DAG and config directly, not on the targets that gather them for tests.
    globs = [f"{CONFIGS}/**/*.json", f"{DAGS}/*/*/*/dag.py"]
    paths = await Get(Paths, PathGlobs([*globs, *await _without_problems()]))
    return InferredDependencies(map(source_address, paths.files))


def rules() -> Iterable[Any]:
    return [
        *collect_rules(),
        UnionRule(GenerateTargetsRequest, GenerateConfigsRequest),
        UnionRule(InferDependenciesRequest, InferReleaseDependenciesRequest),
        UnionRule(InferDependenciesRequest, InferTreeDependenciesRequest),
    ]
