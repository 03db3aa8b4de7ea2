"""The files of a release, and the files that a deployment runs.

`./pants package //:release` writes the former, the same for every deployment: its id is the
beginning of the SHA-256 of manifest.json, which holds that of each other file. A commit on
a deployment's branch has the latter, with the digest of each image in its image.json.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from maxairesources.errors import InputError
from maxaitools.deployments.repository import NAME, TREES, Tree

PACKAGED = Path("dist/release")
MANIFEST = "manifest.json"
FACTS = "release.json"
# The newest format of release.json that this tool reads.
FORMAT = 1
UNKNOWN_DIGEST = "sha256:" + "0" * 64

_DAG = re.compile(r"maxaidags/(\w+)/(\w+)/(\w+)/dag\.py", re.ASCII)
_IMAGE = re.compile(rf"maxaiusecases/({NAME.pattern})/image\.json")
# As Docker has them; a registry's host would have a dot, a colon or a capital.
_REPOSITORY = re.compile(r"[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9_-]*)+")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_AGAIN = "package it again: ./pants package //:release"


@dataclass(frozen=True)
class Image:
    """An image.

    Attributes:
        repository: in a release maxai/<domain>, in a deployment with its registry.
        tag: its content tag.
        digest: the digest that it runs by; a release has none.
        commit: the source commit that its content was first deployed from.
    """

    repository: str
    tag: str
    digest: str = UNKNOWN_DIGEST
    commit: str = ""

    @property
    def reference(self) -> str:
        """What names it for Kubernetes: registry/repository@digest."""
        return f"{self.repository}@{self.digest}"

    @property
    def name(self) -> str:
        """What names it for Docker: repository:tag."""
        return f"{self.repository}:{self.tag}"


@dataclass(frozen=True)
class Release:
    """A release, or what is live in a deployment.

    Attributes:
        id: the id of the release.
        files: the content of each file.
        images: the image of each domain.
        facts: the content of release.json, with unknown keys; a release has none.
    """

    id: str
    files: Tree
    images: Mapping[str, Image]
    facts: Mapping[str, Any]

    @property
    def dags(self) -> list[str]:
        """The ids of its DAGs."""
        return [
            ".".join(dag.groups()) for dag in map(_DAG.fullmatch, self.files) if dag
        ]

    @property
    def domains(self) -> set[str]:
        """The domains that have an image or a DAG."""
        return {*self.images, *(dag.split(".")[0] for dag in self.dags)}

    def source_of(self, domain: str) -> str:
        """Return the source commit that a domain is made from."""
        return str((self.facts.get("domains") or {}).get(domain, self.facts)["commit"])

    @property
    def sources(self) -> list[tuple[str, bool]]:
        """Each source commit that it is made from, and whether that was clean."""
        of_domains = (self.facts.get("domains") or {}).values()
        return [(each["commit"], each["clean"]) for each in (self.facts, *of_domains)]


def to_json(value: Any) -> bytes:
    """Return the one JSON text of a value."""
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()


def domain_of(path: str) -> str | None:
    """Return the domain that a file belongs to, if any."""
    tree, *names = path.split("/")
    return names[0] if tree in TREES and len(names) > 1 else None


def parse_image(content: bytes) -> Image:
    """Return the image that an image.json describes.

    Raises:
        AttributeError, TypeError, ValueError: it does not describe one.
    """
    given, known = json.loads(content), {field.name for field in fields(Image)}
    return Image(**{key: str(value) for key, value in given.items() if key in known})


def parse_release(files: Tree, where: object) -> Release:
    """Return the release that has these files.

    Raises:
        InputError: they are not those that its manifest lists, or have no place in it.
    """
    content = {path: each for path, each in files.items() if path != MANIFEST}
    images = _parse_images(content, where, _AGAIN)
    for image in images.values():
        if not (_REPOSITORY.fullmatch(image.repository) and _TAG.fullmatch(image.tag)):
            raise InputError(f"{image.name!r} is not a valid image", _AGAIN, where)
    for path in content:
        if not re.match(rf"(maxairesources|{'|'.join(TREES)})/|\.airflowignore$", path):
            raise InputError(f"unexpected file {path}", _AGAIN, where)
    if files.get(MANIFEST) != write_manifest(content, images):
        problem = f"its files are not those that {MANIFEST} lists"
        raise InputError(problem, _AGAIN, where)
    return Release(_hash(files[MANIFEST])[:16], files, images, {})


def parse_live(files: Tree, where: object) -> Release:
    """Return what a commit on a deployment's branch makes live.

    Args:
        files: the files of the commit, or only release.json and those of maxaiusecases/.
        where: the commit, for errors.

    Raises:
        InputError: a file is missing or damaged, or release.json is of a newer format.
    """
    advice = "roll back to an earlier commit: `rollback` with --to"
    images = _parse_images(files, where, advice)
    try:
        facts = json.loads(files[FACTS])
        if facts["format"] > FORMAT:
            problem = (
                f"{FACTS} has format {facts['format']}, which is newer than this tool"
            )
            raise InputError(problem, "pull", where)
        live = Release(facts["release"], files, images, facts)
        if live.sources and facts["deployment"]:
            return live
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        problem = f"{FACTS} is missing or damaged ({error!r})"
        raise InputError(problem, advice, where) from None
    raise InputError(f"{FACTS} names no deployment", advice, where)


def read_folder(folder: Path | None) -> Release:
    """Return the release in a folder; None means the one that was packaged last.

    Raises:
        InputError: it is not a release, or not the one that the folder is named after.
    """
    if folder is None:
        found = [path.parent for path in PACKAGED.glob(f"*/{MANIFEST}")]
        if not found:
            advice = "package one: ./pants package //:release"
            raise InputError("there is no release", advice, PACKAGED)
        folder = max(found, key=lambda path: (path / MANIFEST).stat().st_mtime_ns)
    if not folder.is_dir():
        raise InputError("there is no such folder", _AGAIN, folder)
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise InputError(f"{path.name} is a symbolic link", _AGAIN, folder)
        if path.is_file():
            files[path.relative_to(folder).as_posix()] = path.read_bytes()
    release = parse_release(files, folder)
    if release.id != folder.name:
        raise InputError(f"{MANIFEST} was changed", _AGAIN, folder)
    return release


def check_sources(release: Release) -> None:
    """Raise an InputError if a release was packaged from other files than the clone has."""
    paths = {
        path for path in release.files if path.startswith(("maxaidags", "maxairesou"))
    }
    for pattern in ("maxaidags/*/*/*/dag.py", "maxaiconfigs/**/*.json"):
        paths.update(path.as_posix() for path in Path().glob(pattern))
    for path in sorted(paths):
        content = Path(path).read_bytes() if Path(path).is_file() else None
        if release.files.get(path) != content:
            problem = f"{path} has changed since it was packaged"
            raise InputError(problem, _AGAIN, f"release {release.id}")


def replace_domains(base: Release, other: Release, domains: Collection[str]) -> Release:
    """Return a release with some domains of another one.

    Raises:
        InputError: the other lacks a domain, or the two have different libraries.
    """
    for domain in sorted({*domains} - other.domains):
        raise InputError(f"there is no domain {domain!r}", "check --domain", other.id)
    shared = [
        {path: each for path, each in release.files.items() if domain_of(path) is None}
        for release in (base, other)
    ]
    if any({**each, MANIFEST: b""} != {**shared[0], MANIFEST: b""} for each in shared):
        problem = (
            f"release {other.id} has another maxairesources, which all domains share"
        )
        raise InputError(problem, "leave out --domain", f"release {base.id}")
    files = replace_files(base.files, other.files, domains)
    content = {path: each for path, each in files.items() if path != MANIFEST}
    where = f"release {base.id} with {', '.join(sorted(domains))} of {other.id}"
    files[MANIFEST] = write_manifest(content, _parse_images(content, where, _AGAIN))
    return parse_release(files, where)


def replace_files(base: Tree, other: Tree, domains: Collection[str]) -> Tree:
    """Return the files of one tree with those of some domains from another one."""
    kept = {path: each for path, each in base.items() if domain_of(path) not in domains}
    return kept | {p: each for p, each in other.items() if domain_of(p) in domains}


def mix(live: Release, other: Release, id: str, domains: Collection[str]) -> Release:
    """Return what is live with some domains of what another commit makes live.

    release.json keeps the source commit of each of these domains.
    """
    files = replace_files(live.files, other.files, domains)
    whole = {key: other.facts[key] for key in ("release", "commit", "clean")}
    earlier = other.facts.get("domains") or {}
    origins = {domain: earlier.get(domain, whole) for domain in domains}
    facts = {**live.facts, "release": id}
    facts["domains"] = {**(live.facts.get("domains") or {}), **origins}
    return parse_live({**files, FACTS: to_json(facts)}, f"release {id}")


def write_manifest(content: Tree, images: Mapping[str, Image]) -> bytes:
    """Return the manifest.json of a release that has these other files."""
    dags = [found.groups() for found in map(_DAG.fullmatch, content) if found]
    return to_json(
        {
            "dags": {"/".join(names): ".".join(names) for names in dags},
            "files": {path: _hash(each) for path, each in content.items()},
            "images": {domain: image.tag for domain, image in images.items()},
        }
    )


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _parse_images(files: Tree, where: object, advice: str) -> dict[str, Image]:
    images = {}
    for path, content in files.items():
        if found := _IMAGE.fullmatch(path):
            try:
                images[found[1]] = parse_image(content)
            except (AttributeError, TypeError, ValueError) as error:
                problem = f"{path} does not describe an image ({error})"
                raise InputError(problem, advice, where) from None
    return images
