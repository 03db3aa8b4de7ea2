"""Packages the release: `package //:release` writes it to dist/release/<hash>/.

The hash is that of a Git tree with the same files, so the same content has the same hash on every
machine, and Git can check it on the branch of a deployment. A release therefore excludes everything
that differs between builds or places, such as a commit, a date or a registry.
"""

from __future__ import annotations

import glob
import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, Iterable, Mapping

from pants.backend.docker.goals.package_image import DockerPackageFieldSet
from pants.backend.python.target_types import PythonSourceField
from pants.core.goals.package import (
    BuiltPackage,
    BuiltPackageArtifact,
    PackageFieldSet,
)
from pants.core.target_types import FileSourceField, ResourceSourceField
from pants.core.util_rules.source_files import SourceFiles, SourceFilesRequest
from pants.engine.addresses import Addresses
from pants.engine.fs import (
    CreateDigest,
    Digest,
    DigestContents,
    FileContent,
    PathGlobs,
)
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import (
    SourcesField,
    Targets,
    TransitiveTargets,
    TransitiveTargetsRequest,
)
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel

from marketplace.graph import (
    MarketplaceError,
    ReleaseFieldSet,
    launched_files,
    source_address,
)
from marketplace.tags import TaggedImage
from maxairesources.tree import CONFIGS, DAGS, LAUNCH_CONFIG, LIBRARY, USECASES

# Airflow does not look for DAGs in these folders of a release. The syntax is that of .gitignore.
AIRFLOWIGNORE = f"/{CONFIGS}/\n/{LIBRARY}/\n/{USECASES}/\n"

_ARG = re.compile(r"^\s*ARG\s+(\w+)=(\S+)", re.I | re.M)
_FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.I | re.M)


@dataclass(frozen=True)
class ReleasedImage:
    """The image of a domain; `base` is the image that its Dockerfile builds on."""

    domain: str
    base: str
    tagged: TaggedImage


@dataclass(frozen=True)
class Release:
    """A release: `digest` contains it at `path`, which ends with its hash."""

    path: str
    digest: Digest
    images: tuple[ReleasedImage, ...]


async def _find_images(configs: Iterable[FileContent]) -> tuple[ReleasedImage, ...]:
    """Return the images that launch configs name, with their tags."""
    named = {path for each in configs for path in launched_files(each.content)}
    globs = (glob.escape(path) for path in named if path.endswith("/Dockerfile"))
    dockerfiles = await Get(DigestContents, PathGlobs(globs))
    addresses = [source_address(each.path) for each in dockerfiles]
    targets = await Get(Targets, Addresses(addresses))
    tagged = await MultiGet(
        Get(TaggedImage, DockerPackageFieldSet, DockerPackageFieldSet.create(each))
        for each in targets
    )
    return tuple(
        ReleasedImage(file.path.split("/")[1], base_of(file.content.decode()), image)
        for file, image in zip(dockerfiles, tagged)
    )


@rule(desc="Build the release", level=LogLevel.DEBUG)
async def build_release(field_set: ReleaseFieldSet) -> Release:
    closure = await Get(
        TransitiveTargets, TransitiveTargetsRequest([field_set.address])
    )
    sources = await Get(
        SourceFiles,
        SourceFilesRequest(
            [target.get(SourcesField) for target in closure.dependencies],
            for_sources_types=(FileSourceField, PythonSourceField, ResourceSourceField),
        ),
    )
    contents = await Get(DigestContents, Digest, sources.snapshot.digest)
    images = await _find_images(
        each for each in contents if LAUNCH_CONFIG.fullmatch(each.path)
    )
    files = {".airflowignore": AIRFLOWIGNORE.encode()}
    for file in contents:
        if is_released(file.path, field_set.address.spec):
            files[file.path] = file.content
    for image in images:
        tag = {"repository": image.tagged.repository, "tag": image.tagged.tag}
        # Equal values give equal bytes.
        text = json.dumps({"base": image.base, **tag}, indent=2)
        files[f"{USECASES}/{image.domain}/image.json"] = f"{text}\n".encode()
    folder = field_set.output_path.value_or_default(file_ending=None)
    path = f"{folder}/{hash_tree(files)}"
    # All files get the same mode, so a file's mode in the repository does not matter.
    digest = await Get(
        Digest,
        CreateDigest(
            FileContent(f"{path}/{name}", content) for name, content in files.items()
        ),
    )
    return Release(path, digest, images)


@rule
async def package_release(field_set: ReleaseFieldSet) -> BuiltPackage:
    release = await Get(Release, ReleaseFieldSet, field_set)
    return BuiltPackage(release.digest, (BuiltPackageArtifact(release.path),))


def base_of(dockerfile: str) -> str:
    """Return the image that the last stage of a Dockerfile builds on, directly or by stages."""
    defaults = dict(_ARG.findall(dockerfile))
    stages: dict[str, str] = {}
    base = ""
    for image, stage in _FROM.findall(dockerfile):
        image = re.sub(
            r"\$\{?(\w+)\}?", lambda found: defaults.get(found[1], found[0]), image
        )
        base = stages.get(image, image)
        stages[stage] = base
    return base


def is_released(path: str, address: str) -> bool:
    """Return if a release holds a file that DAGs and configs depend on.

    Args:
        path: the path of the file.
        address: the address of the release, for errors.

    Raises:
        MarketplaceError: a DAG needs the file, but a release cannot hold it.
    """
    if path.startswith(f"{CONFIGS}/"):
        return path.endswith(".json")
    if path.startswith((f"{DAGS}/", f"{LIBRARY}/")):
        return True
    raise MarketplaceError(
        f"{address}: a DAG depends on {path}, which a release cannot hold; move it into "
        f"{LIBRARY}"
    )


def hash_tree(files: Mapping[str, bytes]) -> str:
    """Return the hash that Git gives to a tree with these files, none of them executable."""
    below: dict[str, dict[str, bytes]] = {}
    entries = {}
    for path, content in files.items():
        name, _, rest = path.partition("/")
        if rest:
            below.setdefault(name, {})[rest] = content
        else:
            entries[name] = f"100644 {name}", _hash_object("blob", content)
    for name, inside in below.items():
        # Git sorts a folder as if its name ended with a slash.
        entries[f"{name}/"] = f"40000 {name}", hash_tree(inside)
    return _hash_object(
        "tree",
        b"".join(
            line.encode() + b"\0" + bytes.fromhex(digest)
            for _, (line, digest) in sorted(
                entries.items(), key=lambda item: item[0].encode()
            )
        ),
    )


def _hash_object(kind: str, content: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content).hexdigest()


def rules() -> Iterable[Any]:
    return [*collect_rules(), UnionRule(PackageFieldSet, ReleaseFieldSet)]
