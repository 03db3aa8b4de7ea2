"""The records of a deployment: what was current in it, one after the other."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from maxairesources.errors import InputError
from release_bundle import layout
from release_bundle.layout import DestinationError, Reader

# How many records are read at the same time.
_AT_ONCE = 100


@dataclasses.dataclass(frozen=True)
class RecordedImage:
    """An image of a record.

    Attributes:
        registry: where it is.
        repository: its repository there.
        tag: its content tag.
        digest: what it is run by.
        commit: the commit that this content was deployed from first.
    """

    registry: str
    repository: str
    tag: str
    digest: str
    commit: str

    @property
    def reference(self) -> str:
        """What names it for Kubernetes: registry/repository@digest."""
        return f"{self.registry}/{self.repository}@{self.digest}"


@dataclasses.dataclass(frozen=True)
class Record:
    """A release in a deployment: all that depends on both.

    Attributes:
        number: its place in the history, from 1.
        previous: the name of the record before it, None for the first one.
        deployment: the deployment's name.
        action: what made it: deploy, promote or rollback.
        origin: the record that was promoted or rolled back to, if any.
        release: the release's name.
        manifest: the sha256 of the release's manifest.
        commit: the commit that it was deployed from.
        dirty: whether there was anything that was not committed.
        who: who deployed it.
        when: the time in UTC, as ISO 8601 has it.
        reason: why, if that was told.
        overridden: the rules of the policy that --force passed over.
        domains: the domains that the deployment carries.
        images: the image of each domain.
        files: the sha256 of each file of the record, rendered configs and SBOMs.
        configs: the hash of all rendered configs.
    """

    number: int
    previous: str | None
    deployment: str
    action: str
    origin: str | None
    release: str
    manifest: str
    commit: str
    dirty: bool
    who: str
    when: str
    reason: str | None
    overridden: list[str]
    domains: list[str]
    images: dict[str, RecordedImage]
    files: dict[str, str]
    configs: str

    def to_json(self) -> bytes:
        """Return the content of record.json."""
        return layout.to_json(dataclasses.asdict(self))

    @property
    def name(self) -> str:
        """The record's name, which holds the hash of its content."""
        return layout.record_name(self.number, self.to_json())

    @property
    def folder(self) -> str:
        """Where it is at the destination."""
        return f"records/{self.name}"


def parse(told: dict[str, Any]) -> Record:
    """Return the record that a record.json tells.

    Raises:
        DestinationError: it tells other things than this tool knows.
    """
    try:
        images = {name: RecordedImage(**each) for name, each in told["images"].items()}
        return Record(**{**told, "images": images})
    except (AttributeError, KeyError, TypeError) as error:
        problem = f"a record is of another version of this tool ({error})"
        raise DestinationError(problem) from None


def read_current(reader: Reader) -> Record | None:
    """Return the current record, None if nothing was deployed yet.

    Raises:
        DestinationError: it is missing or was changed.
    """
    name = layout.read_pointer(reader)
    return parse(layout.read_record(reader, name)) if name else None


def read_history(reader: Reader) -> Iterator[Record]:
    """Yield the records from the current one back to the first.

    Raises:
        DestinationError: one of them is missing or was changed.
    """
    name = layout.read_pointer(reader)
    there = reader.folders("records")
    contents: dict[str, bytes] = {}
    while name:
        file = f"{layout.checked_record_name(name)}/{layout.RECORD}"
        if file not in contents:
            # They are read many at a time, since a history can be long.
            before = [each for each in there if each < name][-_AT_ONCE:]
            files = [f"{each}/{layout.RECORD}" for each in before]
            contents = reader.read_those_there("records", [file, *files])
        where = reader.shown(f"records/{file}")
        if file not in contents:
            raise DestinationError(f"{where} is missing")
        record = parse(layout.parse_record(name, contents[file], where))
        yield record
        name = record.previous


def pick(deployment: str, history: list[Record], told: str) -> Record:
    """Return the newest record that is told by its number, or by its name or release.

    Raises:
        InputError: there is none, or there are several with such a name or release.
    """
    remedy = f"see which there are: history {deployment}"
    if told.isdecimal() and len(told) <= 6:
        found = [each for each in history if each.number == int(told)]
    else:
        found = [
            each
            for each in history
            if told and (each.name.startswith(told) or each.release.startswith(told))
        ]
    if not found:
        raise InputError(
            f"there is no such record or release, {told!r}", remedy, deployment
        )
    if len({each.release for each in found}) > 1:
        problem = f"{told!r} is how several records or releases begin"
        raise InputError(problem, remedy, deployment)
    return found[0]


def hash_configs(files: dict[str, str]) -> str:
    """Return the hash of all rendered configs, from the sha256 of each file of a record."""
    configs = {p: value for p, value in files.items() if p.startswith("maxaiconfigs/")}
    return layout.digest(layout.to_json(configs))


def find_drift(reader: Reader, record: Record) -> list[str]:
    """Return a line for each file of a record and its release that is not what it was."""
    drift = []
    folders = [(record.folder, record.files, layout.RECORD)]
    try:
        manifest = layout.read_manifest(reader, dataclasses.asdict(record))
        folders.append(
            (f"releases/{record.release}", manifest["files"], layout.MANIFEST)
        )
    except DestinationError as error:
        drift.append(str(error))
    for folder, hashes, index in folders:
        there = reader.names(folder) - {index}
        for name in sorted(there - {*hashes}):
            drift.append(f"{reader.shown(folder)}/{name} was not deployed")
        for name in sorted({*hashes} - there):
            drift.append(f"{reader.shown(folder)}/{name} is missing")
        contents = reader.read_all(folder, there & {*hashes})
        for name, content in contents.items():
            if layout.digest(content) != hashes[name]:
                drift.append(f"{reader.shown(folder)}/{name} was changed")
    if hash_configs(record.files) != record.configs:
        drift.append(f"{reader.shown(record.folder)}: the configs have another hash")
    return drift
