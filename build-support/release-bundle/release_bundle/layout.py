"""The layout of a deployment's destination, and how what is there is read and checked.

    current                          the name of the record that is live
    records/<record>/record.json     which release, by whom, when, from which commit and why;
                                     the sha256 of the manifest and of the files beside it
    records/<record>/maxaiconfigs/   the configs as the deployment has them
    records/<record>/sboms/          the software in each image, as CycloneDX JSON
    releases/<release>/manifest.json the sha256 of each file of the release
    releases/<release>/...           those files

The name of a record ends with the hash of its record.json, and a release is named after the
hash of its manifest, so `current` alone vouches for every byte that is read from here. Only
this distribution and the standard library may be imported: it runs in Airflow, where the
release brings maxairesources.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec

POINTER = "current"
RECORD = "record.json"
MANIFEST = "manifest.json"

# What `compose` lists the files in that it writes.
_COMPOSED = ".composed.json"

# How many hex digits of a sha256 a name holds.
_DIGITS = 16
_RELEASE = re.compile(rf"[0-9a-f]{{{_DIGITS}}}")
_RECORD = re.compile(rf"[0-9]{{6}}-[0-9a-f]{{{_DIGITS}}}")


class DestinationError(Exception):
    """What is at a destination is not what was put there, or not all of it."""


class Reader:
    """Reads the files at a destination.

    Attributes:
        destination: a folder, or an address that fsspec knows, such as s3://bucket/prefix.
    """

    def __init__(self, destination: str) -> None:
        self.destination = destination.rstrip("/")
        # A file system that is kept from process to process or remembers what it listed
        # would miss what another process has written.
        options = {"use_listings_cache": False, "skip_instance_cache": True}
        self.filesystem, root = fsspec.url_to_fs(self.destination, **options)
        self.root: str = root.rstrip("/")

    def read(self, name: str) -> bytes:
        """Return the content of a file; `name` is relative to the destination.

        Raises:
            FileNotFoundError: there is none.
        """
        content: bytes = self.filesystem.cat_file(f"{self.root}/{name}")
        return content

    def read_all(self, folder: str, names: Iterable[str]) -> dict[str, bytes]:
        """Return the content of files in a folder, several at a time, by name.

        Raises:
            DestinationError: one of them is missing.
        """
        wanted = sorted(names)
        contents = self.read_those_there(folder, wanted)
        for name in wanted:
            if name not in contents:
                raise DestinationError(f"{self.shown(folder)}: {name} is missing")
        return contents

    def read_those_there(self, folder: str, names: Iterable[str]) -> dict[str, bytes]:
        """Return the content of those files in a folder that are there, by name."""
        paths = {f"{self.root}/{folder}/{name}": name for name in names}
        found = self.filesystem.cat([*paths], on_error="return") if paths else {}
        for content in found.values():
            if isinstance(content, Exception):
                if not isinstance(content, FileNotFoundError):
                    raise content
        return {
            name: found[path]
            for path, name in paths.items()
            if isinstance(found.get(path), bytes)
        }

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders in a folder, in their order."""
        try:
            found = self.filesystem.ls(f"{self.root}/{folder}", detail=False)
        except FileNotFoundError:
            return []
        return sorted(path.rstrip("/").rpartition("/")[2] for path in found)

    def names(self, folder: str) -> set[str]:
        """Return the names of all files below a folder, relative to it."""
        start = f"{self.root}/{folder}".rstrip("/") + "/"
        return {path.removeprefix(start) for path in self.filesystem.find(start)}

    def shown(self, name: str) -> str:
        """Return how a message names a file or a folder."""
        return f"{self.destination}/{name}"


def digest(content: bytes) -> str:
    """Return the sha256 of a content, as 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def release_name(manifest: bytes) -> str:
    """Return the name of the release that has this manifest."""
    return digest(manifest)[:_DIGITS]


def record_name(number: int, record: bytes) -> str:
    """Return the name of a record: its place in the history, and the hash of its content."""
    return f"{number:06}-{digest(record)[:_DIGITS]}"


def to_json(value: Any) -> bytes:
    """Return the one way in which manifests and records are written."""
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()


def checked_name(name: object, where: str) -> str:
    """Return a file's name from a manifest or a record, if it stays where it belongs.

    Raises:
        DestinationError: it is absolute, leads upwards, or is written in another way than
            the plain one.
    """
    if (
        not isinstance(name, str)
        or not name.isprintable()
        or "\\" in name
        or PurePosixPath(name).is_absolute()
        or str(PurePosixPath(name)) != name
        or not PurePosixPath(name).parts
        or ".." in PurePosixPath(name).parts
    ):
        problem = f"{name!r} is no name of a file in there"
        raise DestinationError(f"{where}: {problem}")
    return name


def read_pointer(reader: Reader) -> str | None:
    """Return the name of the current record, or None if nothing was deployed yet.

    Raises:
        DestinationError: the pointer does not hold a name.
    """
    try:
        content = reader.read(POINTER)
    except FileNotFoundError:
        return None
    return pointer_in(content, reader.shown(POINTER))


def pointer_in(content: bytes, where: str) -> str | None:
    """Return the record that the content of a pointer names, in its first line.

    A second one is the token of whoever wrote it; with it the first one may be empty.

    Raises:
        DestinationError: it does not hold a name.
    """
    name, _, token = content.decode(errors="replace").partition("\n")
    if not name and token:
        return None
    if not _RECORD.fullmatch(name):
        raise DestinationError(f"{where}: {name[:60]!r} is no record")
    return name


def read_record(reader: Reader, name: str) -> dict[str, Any]:
    """Return what a record's record.json says.

    Raises:
        DestinationError: it is missing, or is another one than its name says.
    """
    checked_record_name(name)
    content = _read_file(reader, f"records/{name}/{RECORD}")
    return parse_record(name, content, reader.shown(f"records/{name}/{RECORD}"))


def is_name(folder: str) -> bool:
    """Return whether a folder of a destination can be that of a release or a record."""
    tree, _, name = folder.partition("/")
    pattern = _RECORD if tree == "records" else _RELEASE
    return bool(pattern.fullmatch(name))


def checked_record_name(name: str) -> str:
    """Return the name of a record.

    Raises:
        DestinationError: it is none.
    """
    if not _RECORD.fullmatch(name):
        raise DestinationError(f"{name[:60]!r} is no name of a record")
    return name


def parse_record(name: str, content: bytes, where: str) -> dict[str, Any]:
    """Return what the content of a record.json says.

    Raises:
        DestinationError: it is that of another record than the name says.
    """
    record: dict[str, Any] = {}
    if name.endswith(f"-{digest(content)[:_DIGITS]}"):
        record = json.loads(content)
    if not record or record_name(record["number"], content) != name:
        raise DestinationError(f"{where} was changed: its name is of another one")
    for path in record["files"]:
        checked_name(path, where)
    return record


def read_manifest(reader: Reader, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest of a record's release.

    Raises:
        DestinationError: it is missing, or another one than the record says.
    """
    release = record["release"]
    if not _RELEASE.fullmatch(release):
        raise DestinationError(f"{release[:60]!r} is no name of a release")
    content = _read_file(reader, f"releases/{release}/{MANIFEST}")
    where = reader.shown(f"releases/{release}/{MANIFEST}")
    if digest(content) != record["manifest"] or release_name(content) != release:
        raise DestinationError(f"{where} was changed: it has another hash")
    return read_manifest_text(content, where)


def read_manifest_text(content: bytes, where: str) -> dict[str, Any]:
    """Return what a manifest says, with the names of its files checked.

    Raises:
        DestinationError: it is none.
    """
    try:
        manifest = json.loads(content)
        names = {checked_name(name, where) for name in manifest["files"]}
        hashes = {str(value) for value in manifest["files"].values()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DestinationError(f"{where} is no manifest ({error})") from None
    if wrong := next((h for h in hashes if not re.fullmatch("[0-9a-f]{64}", h)), None):
        raise DestinationError(f"{where}: {wrong[:70]!r} is no sha256")
    for name in names:
        # A file cannot be a folder too, which only some file systems would refuse.
        if not names.isdisjoint(map(str, PurePosixPath(name).parents)):
            raise DestinationError(f"{where}: {name!r} is a file in a file")
    result: dict[str, Any] = manifest
    return result


def read_files(
    reader: Reader, folder: str, hashes: Mapping[str, str]
) -> dict[str, bytes]:
    """Return files of a release or a record by name, each of them checked.

    Args:
        reader: the destination.
        folder: the folder of the release or the record.
        hashes: the sha256 of each file by its name in there.

    Raises:
        DestinationError: one of them is missing or has another hash.
    """
    contents = reader.read_all(folder, hashes)
    for name, content in contents.items():
        if digest(content) != hashes[name]:
            problem = "was changed: it has another hash"
            raise DestinationError(f"{reader.shown(folder)}/{name} {problem}")
    return contents


def is_seen(path: str, domains: Iterable[str]) -> bool:
    """Return whether Airflow gets a file of the release, in a deployment of these domains.

    It gets the DAGs of those domains and the library, but neither the configs, for which
    the record has those of the deployment, nor what says which images there are.
    """
    tree, *below = path.split("/")
    if tree == "maxaidags" and len(below) > 1:
        return below[0] in domains
    return tree not in ("maxaiconfigs", "maxaiusecases")


def compose(reader: Reader, name: str, folder: Path) -> None:
    """Write what Airflow sees of a record: the release, with the configs of the record.

    Args:
        reader: the destination.
        name: the record.
        folder: where to write it; it must not exist.

    Raises:
        DestinationError: something is missing or was changed.
    """
    record = read_record(reader, name)
    files = read_manifest(reader, record)["files"]
    seen = {
        path: value for path, value in files.items() if is_seen(path, record["domains"])
    }
    configs = {
        path: value
        for path, value in record["files"].items()
        if path.startswith("maxaiconfigs/")
    }
    contents = read_files(reader, f"releases/{record['release']}", seen)
    contents.update(read_files(reader, f"records/{name}", configs))
    contents[_COMPOSED] = to_json({p: digest(each) for p, each in contents.items()})
    for path, content in contents.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def is_whole(folder: Path) -> bool:
    """Return whether a folder has all that `compose` wrote to it, as it was then."""
    try:
        hashes = json.loads((folder / _COMPOSED).read_bytes())
        return all(
            digest((folder / path).read_bytes()) == value
            for path, value in hashes.items()
        )
    except (FileNotFoundError, ValueError):
        return False


def _read_file(reader: Reader, name: str) -> bytes:
    try:
        return reader.read(name)
    except FileNotFoundError:
        raise DestinationError(f"{reader.shown(name)} is missing") from None
