"""Packages the release: `package //:release` writes it to dist/release/<hash>/.

The hash is that of a Git tree with the same files, so the same content has the same hash on every
machine, and Git can check it on the branch of a deployment. A release therefore excludes everything
that differs between builds or places, such as a commit, a date or a registry.
"""

from __future__ import annotations

import glob
import hashlib
from collections import defaultdict
from typing import Any, Iterable, Mapping

from pants.core.goals.package import (
    BuiltPackage,
    BuiltPackageArtifact,
    PackageFieldSet,
)
from pants.engine.addresses import Address
from pants.engine.fs import (
    CreateDigest,
    Digest,
    DigestContents,
    FileContent,
    PathGlobs,
    Paths,
)
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel

from marketplace.graph import (
    MarketplaceError,
    ReleaseFieldSet,
    launched_files,
    source_address,
)
from marketplace.tags import Contents, TaggedImage
from maxairesources.tree import CONFIGS, DAGS, LAUNCH_CONFIG, LIBRARY, USECASES

# Airflow does not look for DAGs in these folders of a release. The syntax is that of .gitignore.
AIRFLOWIGNORE = f"/{CONFIGS}/\n/{LIBRARY}/\n/{USECASES}/\n"


@rule(desc="Build the release", level=LogLevel.DEBUG)
async def package_release(field_set: ReleaseFieldSet) -> BuiltPackage:
    closure = await Get(Contents, Address, field_set.address)
    contents = await Get(DigestContents, Digest, closure.sources)
    configs = (each for each in contents if LAUNCH_CONFIG.fullmatch(each.path))
    named = {path for each in configs for path in launched_files(each.content)}
    dockerfiles = (glob.escape(path) for path in named if path.endswith("/Dockerfile"))
    existing = await Get(Paths, PathGlobs(dockerfiles))
    tagged = await MultiGet(
        Get(TaggedImage, Address, source_address(path)) for path in existing.files
    )
    files = {".airflowignore": AIRFLOWIGNORE.encode()}
    for image in tagged:
        path = f"{image.field_set.address.spec_path}/image.json"
        name = image.name.rpartition(":")[0]
        files[path] = f'{{"name": "{name}", "tag": "{image.tag}"}}\n'.encode()
    for file in contents:
        if not file.path.startswith((f"{CONFIGS}/", f"{DAGS}/", f"{LIBRARY}/")):
            raise MarketplaceError(
                f"{field_set.address}: a DAG depends on {file.path}, which a release cannot hold; "
                f"move it into {LIBRARY}"
            )
        files[file.path] = file.content
    folder = field_set.output_path.value_or_default(file_ending=None)
    path = f"{folder}/{hash_tree(files)}"
    # All files get the same mode, so a file's mode in the repository does not matter.
    release = CreateDigest(FileContent(f"{path}/{name}", files[name]) for name in files)
    return BuiltPackage(
        await Get(Digest, CreateDigest, release), (BuiltPackageArtifact(path),)
    )


def hash_tree(files: Mapping[str, bytes]) -> str:
    """Return the hash that Git gives to a tree with these files, none of them executable."""
    entries: dict[str, dict[str, bytes]] = defaultdict(dict)
    for path, content in files.items():
        name, slash, below = path.partition("/")
        entries[name + slash][below] = content
    tree = b""
    # Git sorts a folder as if its name ended with a slash.
    for name in sorted(entries):
        if name.endswith("/"):
            mode, digest = "40000", hash_tree(entries[name])
        else:
            mode, digest = "100644", _hash_object("blob", entries[name][""])
        tree += f"{mode} {name.rstrip('/')}\0".encode() + bytes.fromhex(digest)
    return _hash_object("tree", tree)


def _hash_object(kind: str, content: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content).hexdigest()


def rules() -> Iterable[Any]:
    return [*collect_rules(), UnionRule(PackageFieldSet, ReleaseFieldSet)]
