"""The files of a release, and the files that a deployment runs.

`./pants package //:release` writes a release, which is the same for every deployment. Its
id is the start of the SHA-256 of manifest.json, which holds the SHA-256 of each other file.
A commit on the branch of a deployment has the files that the deployment runs: each
image.json there also has the digest of the image.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from maxairesources.errors import InputError
from maxairesources.tree import (
    CONFIGS,
    DAG_FILE,
    DAGS,
    LIBRARY,
    NAME,
    TREES,
    USECASES,
    dag_id,
    domain_of,
    nearest,
)
from maxaitools.deployments.repository import Tree

PACKAGED = Path("dist/release")
MANIFEST = "manifest.json"
FACTS = "release.json"
# The newest format of release.json that this tool reads.
FORMAT = 1
UNKNOWN_DIGEST = "sha256:" + "0" * 64

# The group is the domain.
_IMAGE = re.compile(rf"{USECASES}/({NAME.pattern})/image\.json")
# A repository without a registry: a host would have a dot, a colon or a capital letter.
_REPOSITORY = re.compile(r"[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9_-]*)+")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_FOLDERS = tuple(f"{tree}/" for tree in (*TREES, LIBRARY))
_AGAIN = "package it again: ./pants package //:release"


@dataclass(frozen=True)
class Image:
    """An image.

    Attributes:
        repository: in a release maxai/<domain>, in a deployment with its registry.
        tag: its content tag.
        digest: the digest of its manifest; a release does not know it.
        commit: the source commit that its content was first deployed from.
    """

    repository: str
    tag: str
    digest: str = UNKNOWN_DIGEST
    commit: str = ""

    @property
    def reference(self) -> str:
        """Its name with the digest, for Kubernetes: registry/repository@digest."""
        return f"{self.repository}@{self.digest}"

    @property
    def name(self) -> str:
        """Its name with the tag, for Docker: repository:tag."""
        return f"{self.repository}:{self.tag}"


@dataclass(frozen=True)
class Release:
    """A release, or the files that are live in a deployment.

    Attributes:
        id: the id of the release.
        files: the content of each file.
        images: the image of each domain.
        facts: the content of release.json, unknown keys too; empty for a release.
    """

    id: str
    files: Tree
    images: Mapping[str, Image]
    facts: Mapping[str, Any]

    @property
    def dags(self) -> list[str]:
        """The ids of its DAGs."""
        dags = map(DAG_FILE.fullmatch, self.files)
        return [dag_id(*dag.groups()) for dag in dags if dag]

    @property
    def domains(self) -> set[str]:
        """The domains that have an image or a DAG."""
        return {*self.images, *(dag.split(".")[0] for dag in self.dags)}

    def source_of(self, domain: str) -> str:
        """Return the source commit of a domain."""
        return str((self.facts.get("domains") or {}).get(domain, self.facts)["commit"])

    @property
    def sources(self) -> list[tuple[str, bool]]:
        """The source commits, each with True if all files were committed."""
        of_domains = (self.facts.get("domains") or {}).values()
        return [(each["commit"], each["clean"]) for each in (self.facts, *of_domains)]


def to_json(value: Any) -> bytes:
    """Return a value as JSON; equal values give equal bytes."""
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()


def parse_image(content: bytes) -> Image:
    """Return the image that an image.json describes.

    Raises:
        AttributeError, TypeError, ValueError: the content does not describe an image.
    """
    given, known = json.loads(content), {field.name for field in fields(Image)}
    return Image(**{key: str(value) for key, value in given.items() if key in known})


def parse_release(files: Tree, where: object) -> Release:
    """Return the release that has these files; errors name it `where`.

    Raises:
        InputError: the files do not match the manifest, or do not belong in a release.
    """
    content = {path: each for path, each in files.items() if path != MANIFEST}
    images = _parse_images(content, where, _AGAIN)
    for image in images.values():
        if not (_REPOSITORY.fullmatch(image.repository) and _TAG.fullmatch(image.tag)):
            raise InputError(f"{image.name!r} is not a valid image", _AGAIN, where)
    for path in content:
        if not path.startswith(_FOLDERS) and path != ".airflowignore":
            raise InputError(f"unexpected file {path}", _AGAIN, where)
    if files.get(MANIFEST) != write_manifest(content, images):
        raise InputError(f"its files do not match {MANIFEST}", _AGAIN, where)
    return Release(_hash(files[MANIFEST])[:16], files, images, {})


def parse_live(files: Tree, where: object) -> Release:
    """Return the release that the files of a commit make live; errors name it `where`.

    Raises:
        InputError: a file is missing or damaged, or release.json has a newer format.
    """
    remedy = "roll back: ./pants deployments rollback NAME --to HASH"
    images = _parse_images(files, where, remedy)
    try:
        facts = json.loads(files[FACTS])
        if facts["format"] > FORMAT:
            problem = f"format {facts['format']} of {FACTS} is too new for this tool"
            raise InputError(problem, "update this clone: git pull", where)
        live = Release(facts["release"], files, images, facts)
        if live.sources and facts["deployment"]:
            return live
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        problem = f"{FACTS} is missing or damaged ({error!r})"
        raise InputError(problem, remedy, where) from None
    raise InputError(f"{FACTS} does not name a deployment", remedy, where)


def read_folder(folder: Path | None) -> Release:
    """Return the release in a folder; None means the newest one in dist/release.

    Raises:
        InputError: the folder is missing, its name or files do not match the release, or the
            release has no DAG.
    """
    if folder is None:
        found = [path.parent for path in PACKAGED.glob(f"*/{MANIFEST}")]
        if not found:
            remedy = "package one: ./pants package //:release"
            raise InputError("contains no release", remedy, PACKAGED)
        folder = max(found, key=lambda path: (path / MANIFEST).stat().st_mtime_ns)
    if not folder.is_dir():
        raise InputError("the folder does not exist", _AGAIN, folder)
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise InputError(f"{path.name} is a symbolic link", _AGAIN, folder)
        if path.is_file():
            files[path.relative_to(folder).as_posix()] = path.read_bytes()
    release = parse_release(files, folder)
    if release.id != folder.name:
        raise InputError(f"{MANIFEST} was changed", _AGAIN, folder)
    if not release.dags:
        remedy = "add a DAG: ./pants new usecase --help"
        raise InputError("the release has no DAG", remedy, folder)
    return release


def check_sources(release: Release) -> None:
    """Raise an InputError if the DAGs, configs or library changed since packaging."""
    folders = (f"{DAGS}/", f"{LIBRARY}/")
    paths = {path for path in release.files if path.startswith(folders)}
    for pattern in (f"{DAGS}/*/*/*/dag.py", f"{CONFIGS}/**/*.json"):
        paths.update(path.as_posix() for path in Path().glob(pattern))
    for path in sorted(paths):
        content = Path(path).read_bytes() if Path(path).is_file() else None
        if release.files.get(path) != content:
            problem = f"{path} has changed since the release was packaged"
            raise InputError(problem, _AGAIN, f"release {release.id}")


def replace_domains(base: Release, other: Release, domains: Collection[str]) -> Release:
    """Return a release with some of its domains replaced by those of another release.

    Raises:
        InputError: the other release lacks a domain, or has a different library.
    """
    for domain in sorted({*domains} - other.domains):
        remedy = nearest(domain, other.domains)
        where = f"release {other.id}"
        raise InputError(f"domain {domain!r} is missing", remedy, where)
    shared = [
        {path: each for path, each in release.files.items() if domain_of(path) is None}
        for release in (base, other)
    ]
    if any({**each, MANIFEST: b""} != {**shared[0], MANIFEST: b""} for each in shared):
        problem = f"its {LIBRARY}, which all domains share, is not that of {base.id}"
        remedy = "leave out --domain to change all domains"
        raise InputError(problem, remedy, f"release {other.id}")
    files = replace_files(base.files, other.files, domains)
    content = {path: each for path, each in files.items() if path != MANIFEST}
    where = f"release {base.id} with {', '.join(sorted(domains))} of {other.id}"
    files[MANIFEST] = write_manifest(content, _parse_images(content, where, _AGAIN))
    return parse_release(files, where)


def replace_files(base: Tree, other: Tree, domains: Collection[str]) -> Tree:
    """Return the files of `base`, but those of some domains from `other`."""
    kept = {path: each for path, each in base.items() if domain_of(path) not in domains}
    return kept | {p: each for p, each in other.items() if domain_of(p) in domains}


def mix(live: Release, other: Release, id: str, domains: Collection[str]) -> Release:
    """Return the live files, with some domains replaced by those of another commit.

    release.json records the source commit of each of these domains, and `id`, the id of
    the resulting release.
    """
    files = replace_files(live.files, other.files, domains)
    whole = {key: other.facts[key] for key in ("release", "commit", "clean")}
    earlier = other.facts.get("domains") or {}
    origins = {domain: earlier.get(domain, whole) for domain in domains}
    facts = {**live.facts, "release": id}
    facts["domains"] = {**(live.facts.get("domains") or {}), **origins}
    return parse_live({**files, FACTS: to_json(facts)}, f"release {id}")


def write_manifest(content: Tree, images: Mapping[str, Image]) -> bytes:
    """Return the manifest.json for the other files of a release."""
    dags = [found.groups() for found in map(DAG_FILE.fullmatch, content) if found]
    return to_json(
        {
            "dags": {"/".join(names): dag_id(*names) for names in dags},
            "files": {path: _hash(each) for path, each in content.items()},
            "images": {domain: image.tag for domain, image in images.items()},
        }
    )


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _parse_images(files: Tree, where: object, remedy: str) -> dict[str, Image]:
    images = {}
    for path, content in files.items():
        if found := _IMAGE.fullmatch(path):
            try:
                images[found[1]] = parse_image(content)
            except (AttributeError, TypeError, ValueError) as error:
                problem = f"{path} does not describe an image ({error})"
                raise InputError(problem, remedy, where) from None
    return images
