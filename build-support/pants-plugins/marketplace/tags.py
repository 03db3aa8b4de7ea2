"""Computes the content tag of an image: the same content has the same tag on every machine.

Computing a tag builds and installs nothing, and needs no Docker engine. The content is the
Dockerfile with its arguments and the target `image_sources`: the handlers, the modules of this
repository that they import, data files, and the part of the domain's lock that they need.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Iterable

from pants.backend.docker.goals.package_image import DockerPackageFieldSet
from pants.backend.docker.target_types import (
    DockerImageSourceField,
    DockerImageTags,
    DockerImageTagsRequest,
)
from pants.backend.docker.util_rules.docker_build_args import (
    DockerBuildArgs,
    DockerBuildArgsRequest,
)
from pants.backend.docker.util_rules.docker_build_env import (
    DockerBuildEnvironment,
    DockerBuildEnvironmentRequest,
)
from pants.backend.python.pip_requirement import PipRequirement
from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.target_types import (
    PexBinary,
    PythonRequirementResolveField,
    PythonRequirementsField,
    PythonSourceField,
)
from pants.backend.python.util_rules.interpreter_constraints import (
    InterpreterConstraints,
)
from pants.backend.python.util_rules.pex_cli import PexCli
from pants.core.target_types import FileSourceField, ResourceSourceField
from pants.core.util_rules.source_files import SourceFiles, SourceFilesRequest
from pants.engine.addresses import Address, Addresses
from pants.engine.fs import (
    AddPrefix,
    CreateDigest,
    Digest,
    DigestContents,
    Directory,
    FileContent,
    MergeDigests,
    PathGlobs,
    Snapshot,
)
from pants.engine.platform import Platform
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import (
    COMMON_TARGET_FIELDS,
    Dependencies,
    DependenciesRequest,
    ExplicitlyProvidedDependencies,
    GeneratedSources,
    GenerateSourcesRequest,
    SourcesField,
    Target,
    Targets,
    TransitiveTargets,
    TransitiveTargetsRequest,
)
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel

from marketplace.graph import MarketplaceError
from maxairesources.tree import LFS_POINTER

# The folder of the files in the build context, and the name of the lock in it.
FOLDER = "sources"
LOCK = "requirements.lock"
# A comment in a lock about a package that needs another one.
_VIA = r"(?m)^    #(?: via)? +([\w.-]+)"


class ImageSourcesField(SourcesField):
    alias = "_sources"
    help = "Pants generates these sources from the dependencies."


class ImageSources(Target):
    alias = "image_sources"
    core_fields = (*COMMON_TARGET_FIELDS, Dependencies, ImageSourcesField)
    help = (
        "All sources and files of its dependencies, for a docker_image. They are in the "
        f"folder {FOLDER}/ of the build context, and {FOLDER}/{LOCK} holds the versions and "
        "hashes of all packages that they need."
    )


class GenerateImageSourcesRequest(GenerateSourcesRequest):
    input = ImageSourcesField
    output = FileSourceField


@dataclass(frozen=True)
class Contents:
    """All sources and files that a target needs, and the lock of the packages they need."""

    sources: Digest
    lock: str


async def _refuse_pointers(sources: Digest) -> None:
    for file in await Get(DigestContents, Digest, sources):
        if file.content.startswith(LFS_POINTER):
            raise MarketplaceError(
                f"{file.path}: this is a pointer of Git LFS, not the file; run `git lfs pull`"
            )


@rule
async def find_contents(address: Address, python_setup: PythonSetup) -> Contents:
    closure = await Get(TransitiveTargets, TransitiveTargetsRequest([address]))
    sources = await Get(
        SourceFiles,
        SourceFilesRequest(
            [target.get(SourcesField) for target in closure.dependencies],
            for_sources_types=(PythonSourceField, FileSourceField, ResourceSourceField),
        ),
    )
    await _refuse_pointers(sources.snapshot.digest)
    needed: dict[str, set[PipRequirement]] = defaultdict(set)
    for target in closure.dependencies:
        if target.has_field(PythonRequirementsField):
            field = target[PythonRequirementResolveField]
            path = python_setup.resolves[field.normalized_value(python_setup)]
            needed[path].update(target[PythonRequirementsField].value)
    constraints = InterpreterConstraints.create_from_targets(
        closure.dependencies, python_setup
    )
    universe = python_setup.interpreter_versions_universe
    python = constraints.minimum_python_version(universe) if constraints else None
    text = ""
    for path, requirements in sorted(needed.items()):
        (lock,) = await Get(DigestContents, PathGlobs([path]))
        text += "".join(f"# {each}\n" for each in sorted(map(str, requirements)))
        text += select(path, lock.content.decode(), requirements, python)
    return Contents(sources.snapshot.digest, text)


@rule
async def generate_image_sources(
    request: GenerateImageSourcesRequest,
) -> GeneratedSources:
    address = request.protocol_target.address
    contents = await Get(Contents, Address, address)
    # A Dockerfile copies both folders, even if they are empty.
    folders = (Directory("maxairesources"), Directory("maxaiusecases"))
    created = CreateDigest([FileContent(LOCK, contents.lock.encode()), *folders])
    others = await Get(Digest, CreateDigest, created)
    merged = await Get(Digest, MergeDigests([contents.sources, others]))
    return GeneratedSources(await Get(Snapshot, AddPrefix(merged, FOLDER)))


def select(
    path: str, lock: str, requirements: Iterable[PipRequirement], python: str | None
) -> str:
    """Return the entries of a lock for some requirements and for all packages that those need.

    A requirement whose marker is false for this version of CPython needs no package. Raise a
    MarketplaceError with the path of the lock if it lacks another one.
    """
    locked, wanted = parse_lock(lock), set()
    # As uv, with `--python-version`. Pants runs on the same system as the images.
    environment = dict(
        python_version=python, python_full_version=f"{python}.0", extra=""
    )
    for each in requirements:
        requirement = each.as_pkg_resources_requirement()
        if requirement.marker and not requirement.marker.evaluate(environment):
            continue
        # The normalized name, as PEP 503 defines it, and as it is in a lock.
        name = re.sub(r"[-_.]+", "-", requirement.project_name).lower()
        if name not in locked:
            raise MarketplaceError(
                f"{path}: the package {name} is missing; run ./pants lock"
            )
        wanted.add(name)
    users = {name: {*re.findall(_VIA, entry)} for name, entry in locked.items()}
    size = 0
    while size != len(wanted):
        size = len(wanted)
        wanted |= {name for name in locked if not wanted.isdisjoint(users[name])}
    return without_comments("".join(locked[name] for name in sorted(wanted)))


def parse_lock(text: str) -> dict[str, str]:
    """Return the entry of each package in a lock that uv has written, by name."""
    entries = re.split(r"(?m)^(?=[\w.-]+==)", text)[1:]
    return {entry.partition("==")[0]: entry for entry in entries}


def without_comments(lock: str) -> str:
    """Return a lock without its comments, which name what needs a package."""
    return re.sub(r"(?m)^ *(#.*)?\n", "", lock)


@dataclass(frozen=True)
class TaggedImage:
    """An image and its content tag, a hash of everything that the image is built from."""

    field_set: DockerPackageFieldSet
    tag: str

    @property
    def name(self) -> str:
        # By default, Pants takes the name of the target for the repository.
        field_set = self.field_set
        repository = field_set.repository.value or field_set.address.target_name
        return f"{repository}:{self.tag}"


class ContentTagRequest(DockerImageTagsRequest):
    pass


@rule(desc="Tag images by their content", level=LogLevel.DEBUG)
async def tag_image(
    address: Address, pex_cli: PexCli, platform: Platform, python_setup: PythonSetup
) -> TaggedImage:
    (image,) = await Get(Targets, Addresses([address]))
    # Inferring more from the Dockerfile would install a tool; see `add_content_tag`.
    explicit = await Get(
        ExplicitlyProvidedDependencies, DependenciesRequest(image[Dependencies])
    )
    targets = await Get(Targets, Addresses(sorted(explicit.includes)))
    if sorted(each.alias for each in targets) != [ImageSources.alias, PexBinary.alias]:
        raise MarketplaceError(
            f"{address}: an image depends on exactly one {ImageSources.alias} and one "
            f"{PexBinary.alias}; change its `dependencies` to these"
        )
    dockerfile, args, environment, *contents = await MultiGet(
        Get(SourceFiles, SourceFilesRequest([image[DockerImageSourceField]])),
        Get(DockerBuildArgs, DockerBuildArgsRequest(image)),
        Get(DockerBuildEnvironment, DockerBuildEnvironmentRequest(image)),
        *(Get(Contents, Address, each.address) for each in targets),
    )
    inputs = [
        dockerfile.snapshot.digest,
        # An argument without a value gets its value from the environment.
        *((each, environment.environment.get(each)) for each in args),
        *contents,
        *(sorted(map(str, each.field_values.values())) for each in (image, *targets)),
        # Pants makes the PEX of the packages with these.
        *(platform.value, pex_cli.version, python_setup.interpreter_constraints),
    ]
    tag = hashlib.sha256("\n".join(map(str, inputs)).encode()).hexdigest()
    return TaggedImage(DockerPackageFieldSet.create(image), tag)


@rule
async def add_content_tag(request: ContentTagRequest) -> DockerImageTags:
    image = request.target
    asked = DependenciesRequest(image[Dependencies])
    explicit, complete, tagged = await MultiGet(
        Get(ExplicitlyProvidedDependencies, DependenciesRequest, asked),
        Get(Addresses, DependenciesRequest, asked),
        Get(TaggedImage, Address, image.address),
    )
    for address in sorted({*complete} - {*explicit.includes}):
        raise MarketplaceError(
            f"{image.address}: its Dockerfile uses {address}, which the content tag does not "
            "cover; use only the packages and sources in the image's `dependencies`"
        )
    return DockerImageTags([tagged.tag])


def rules() -> Iterable[Any]:
    return [
        *collect_rules(),
        UnionRule(DockerImageTagsRequest, ContentTagRequest),
        UnionRule(GenerateSourcesRequest, GenerateImageSourcesRequest),
    ]
