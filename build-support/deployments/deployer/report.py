"""What is told of deployments: where they stand, what was before, what one would get."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deployer import commit
from deployer.record import Record, RecordedImage
from maxairesources.config_store.document import json_path
from release_bundle import layout
from release_bundle.layout import Reader


@dataclasses.dataclass(frozen=True)
class State:
    """What is, or would be, in a deployment.

    Attributes:
        name: the release's name, or a record's.
        images: the image of each domain.
        files: the sha256 of each file of the release.
        dags: the id of each objective's DAG.
        configs: the effective configs by their paths.
    """

    name: str
    images: Mapping[str, RecordedImage]
    files: Mapping[str, str]
    dags: Mapping[str, str]
    configs: Mapping[str, bytes]


NOTHING = State("nothing", {}, {}, {}, {})


def read_state(reader: Reader, record: Record) -> State:
    """Return what is current in a deployment.

    Raises:
        DestinationError: something is missing or was changed.
    """
    hashes = {p: h for p, h in record.files.items() if p.startswith("maxaiconfigs/")}
    configs = layout.read_files(reader, record.folder, hashes)
    manifest = layout.read_manifest(reader, dataclasses.asdict(record))
    return state_of(record.release, record.domains, record.images, manifest, configs)


def state_of(
    release: str,
    domains: Sequence[str],
    images: Mapping[str, RecordedImage],
    manifest: Mapping[str, Any],
    configs: Mapping[str, bytes],
) -> State:
    """Return what a release is in a deployment of these domains."""
    dags = {
        objective: dag
        for objective, dag in manifest["dags"].items()
        if objective.split("/")[0] in domains
    }
    shown = {p: each for p, each in configs.items() if p.startswith("maxaiconfigs/")}
    return State(release, images, manifest["files"], dags, shown)


def compare(old: State, new: State) -> Iterator[str]:
    """Yield the lines that tell what differs: images, DAGs, the library, configs."""
    yield f"release  {old.name} -> {new.name}"
    for title, lines in (
        ("images", _images(old, new)),
        ("DAGs", _dags(old, new)),
        ("configs", _configs(old.configs, new.configs)),
    ):
        yield ""
        yield title
        yield from [*lines] or ["  the same"]


def tell_history(history: Sequence[Record]) -> Iterator[str]:
    """Yield a line for each record, and one for whatever it tells beyond that."""
    for record in history:
        dirty = " dirty" if record.dirty else ""
        yield (
            f"{record.name}  {record.when}  {record.who}  {record.action}  "
            f"release {record.release}  commit {record.commit[:12]}{dirty}"
        )
        if record.origin:
            yield f"        from {record.origin}"
        for line in record.overridden:
            yield f"        overridden: {line}"
        if record.reason:
            yield f"        reason: {record.reason}"


def _images(old: State, new: State) -> Iterator[str]:
    for domain in sorted({*old.images, *new.images}):
        before, after = old.images.get(domain), new.images.get(domain)
        if before and after and before.digest == after.digest:
            continue
        if not after or not before:
            image = after or before
            assert image
            sign = "+" if after else "-"
            told = f"{image.repository}:{image.tag[:12]}"
            yield f"  {sign} {told}  commit {image.commit[:12]}"
            continue
        yield (
            f"  ~ {after.repository}:{before.tag[:12]} -> {after.tag[:12]}  "
            f"commit {before.commit[:12]} -> {after.commit[:12]}"
        )
        folders = (f"maxaiusecases/{domain}", "maxairesources")
        for line in commit.commits_between(before.commit, after.commit, *folders):
            yield f"      {line}"


def _dags(old: State, new: State) -> Iterator[str]:
    for objective in sorted({*old.dags, *new.dags}):
        if objective not in old.dags:
            yield f"  + {new.dags[objective]}"
        elif objective not in new.dags:
            yield f"  - {old.dags[objective]}"
        else:
            folder = f"maxaidags/{objective}/"
            if _below(old.files, folder) != _below(new.files, folder):
                yield f"  ~ {new.dags[objective]}"
    library = "maxairesources/"
    if old.files and _below(old.files, library) != _below(new.files, library):
        yield "  ~ all of them: maxairesources"


def _below(files: Mapping[str, str], folder: str) -> dict[str, str]:
    return {path: value for path, value in files.items() if path.startswith(folder)}


def _configs(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> Iterator[str]:
    for path in sorted({*old, *new}):
        before, after = _values(old.get(path)), _values(new.get(path))
        changed = sorted(
            key
            for key in {*before, *after}
            if before.get(key, _ABSENT) != after.get(key, _ABSENT)
        )
        if changed:
            yield f"  {path}"
        for key in changed:
            if key not in before:
                yield f"    + {key}: {after[key]}"
            elif key not in after:
                yield f"    - {key}: {before[key]}"
            else:
                yield f"    ~ {key}: {before[key]} -> {after[key]}"


_ABSENT = object()


def _values(content: bytes | None) -> dict[str, str]:
    """Return each value of a JSON document by its path, as JSON."""
    found: dict[str, str] = {}

    def walk(value: Any, path: tuple[Any, ...]) -> None:
        if isinstance(value, dict) and value:
            for key, item in value.items():
                walk(item, (*path, key))
        elif isinstance(value, list) and value:
            for index, item in enumerate(value):
                walk(item, (*path, index))
        else:
            found[json_path(path)] = json.dumps(value)

    if content is not None:
        walk(json.loads(content), ())
    return found
