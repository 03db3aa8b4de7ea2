"""A release, as it was packaged or as a destination has it."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maxairesources.errors import InputError
from release_bundle import layout
from release_bundle.layout import DestinationError, Reader

# Where `./pants package //:release` puts releases.
PACKAGED = Path("dist/release")

_TREES = ("maxaiconfigs", "maxaidags", "maxairesources", "maxaiusecases")
_DOMAIN = r"[a-z][a-z0-9_]*"
# As Docker has them; a registry's host would have a dot, a colon or a capital.
_REPOSITORY = re.compile(r"[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9_-]*)+")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True)
class Image:
    """An image of a release: its repository without a registry, and its content tag."""

    repository: str
    tag: str


@dataclass(frozen=True)
class Release:
    """A complete set of DAGs, configs with all overlays, and content tags.

    Attributes:
        name: the hash of the manifest.
        manifest: the content of its manifest.json.
        files: the content of all other files by their paths.
        images: the image of each domain.
        dags: the id of each objective's DAG.
    """

    name: str
    manifest: bytes
    files: dict[str, bytes]
    images: dict[str, Image]
    dags: dict[str, str]


def read_packaged(folder: Path) -> Release:
    """Return the release in a folder.

    Args:
        folder: such as dist/release/<id>.

    Raises:
        InputError: it is no release, or not what its manifest says.
    """
    remedy = "package it again: ./pants package //:release"
    files: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise InputError(f"{name} is no plain file", remedy, folder)
        if path.is_file():
            files[name] = path.read_bytes()
    if layout.MANIFEST not in files:
        raise InputError("there is no release in here", remedy, folder)
    manifest = files.pop(layout.MANIFEST)
    if layout.release_name(manifest) != folder.name:
        raise InputError(f"{layout.MANIFEST} was changed", remedy, folder)
    try:
        told = layout.read_manifest_text(manifest, str(folder / layout.MANIFEST))
        hashes = told["files"]
        for name in sorted({*files} ^ {*hashes}):
            state = "is missing" if name in hashes else "is not in the manifest"
            raise InputError(f"{name} {state}", remedy, folder)
        for name, content in files.items():
            if layout.digest(content) != hashes[name]:
                raise InputError(f"{name} was changed", remedy, folder)
        return _release(manifest, told, files, str(folder))
    except DestinationError as error:
        raise InputError(str(error), remedy, "release") from None


def read_deployed(reader: Reader, record: dict[str, Any]) -> Release:
    """Return the release of a record, every byte of it checked.

    Raises:
        DestinationError: something is missing or was changed.
    """
    told = layout.read_manifest(reader, record)
    folder = f"releases/{record['release']}"
    manifest = reader.read(f"{folder}/{layout.MANIFEST}")
    files = layout.read_files(reader, folder, told["files"])
    return _release(manifest, told, files, reader.shown(folder))


def newest_packaged(folder: Path = PACKAGED) -> Path:
    """Return the folder of the release that was packaged last.

    Raises:
        InputError: there is none.
    """
    found = [path.parent for path in folder.glob(f"*/{layout.MANIFEST}")]
    if not found:
        remedy = "package one: ./pants package //:release"
        raise InputError("there is no release", remedy, folder)
    return max(found, key=lambda path: (path / layout.MANIFEST).stat().st_mtime_ns)


def _release(
    manifest: bytes, told: dict[str, Any], files: dict[str, bytes], where: str
) -> Release:
    for name in files:
        tree, _, below = name.partition("/")
        if tree not in _TREES if below else not name.startswith("."):
            raise DestinationError(f"{where}: {name} has no place in a release")
    for key in ("dags", "images"):
        if not isinstance(told.get(key), dict):
            raise DestinationError(f"{where}: the manifest has no {key}")
    dags: dict[str, str] = told["dags"]
    for objective, dag in dags.items():
        if (
            not re.fullmatch(rf"{_DOMAIN}/\w+/\w+", objective)
            or not objective.isascii()
        ):
            raise DestinationError(f"{where}: {objective!r} is no objective")
        if dag != objective.replace("/", "."):
            raise DestinationError(f"{where}: {objective!r} has the DAG {dag!r}")
    images: dict[str, Image] = {}
    for domain, tag in told["images"].items():
        place = f"maxaiusecases/{domain}/image.json"
        if not re.fullmatch(_DOMAIN, domain) or place not in files:
            raise DestinationError(f"{where}: there is no {place}")
        try:
            image = json.loads(files[place])
            repository, same = str(image["repository"]), image["tag"] == tag
        except (KeyError, TypeError, ValueError) as error:
            problem = f"{place} names no image ({error})"
            raise DestinationError(f"{where}: {problem}") from None
        if not same or not _TAG.fullmatch(tag):
            raise DestinationError(f"{where}: {place} and the manifest do not agree")
        if not _REPOSITORY.fullmatch(repository):
            raise DestinationError(f"{where}: {place}: {repository!r} is no repository")
        images[domain] = Image(repository, tag)
    return Release(layout.release_name(manifest), manifest, files, images, dags)
