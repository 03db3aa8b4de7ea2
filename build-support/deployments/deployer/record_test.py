"""Tests of `record`: the history is a chain, in which each record vouches for the last."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from deployer import record as module
from deployer.record import Record, parse, pick, read_current, read_history
from maxairesources.errors import InputError
from release_bundle import layout
from release_bundle.layout import DestinationError, Reader

IMAGE = {
    "registry": "registry.test:5000/a",
    "repository": "maxai/lab",
    "tag": "f00",
    "digest": "sha256:1",
    "commit": "c0ffee",
}
TOLD: dict[str, Any] = {
    **dict.fromkeys(("previous", "origin", "reason")),
    **{"deployment": "dev", "action": "deploy", "release": "0" * 16, "manifest": "0"},
    **{"commit": "c0ffee", "dirty": False, "who": "somebody", "when": "now"},
    **{"overridden": [], "domains": ["lab"], "files": {}, "configs": "0"},
    "images": {"lab": IMAGE},
}


def write(root: Path, number: int, previous: str | None) -> Record:
    record = parse({**TOLD, "number": number, "previous": previous})
    folder = root / record.folder
    folder.mkdir(parents=True)
    (folder / "record.json").write_bytes(record.to_json())
    (root / "current").write_text(record.name)
    return record


@pytest.fixture
def chain(tmp_path: Path) -> list[Record]:
    """Seven records, with what two killed deploys left among them."""
    found: list[Record] = []
    for number in range(1, 8):
        found.append(write(tmp_path, number, found[-1].name if found else None))
    (tmp_path / "records" / "000003-0123456789abcdef").mkdir()
    write(tmp_path, 8, found[-1].name)
    (tmp_path / "current").write_text(found[-1].name)
    return found


def test_an_image_is_named_by_its_digest() -> None:
    (image,) = parse({**TOLD, "number": 1}).images.values()
    assert image.reference == "registry.test:5000/a/maxai/lab@sha256:1"


def test_what_is_written_is_read(chain: list[Record], tmp_path: Path) -> None:
    reader = Reader(str(tmp_path))
    assert read_current(reader) == chain[-1]
    told = layout.read_record(reader, chain[2].name)
    assert parse(told) == chain[2] and dataclasses.asdict(chain[2]) == told


@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
def test_the_history_is_what_was_live(
    chain: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", at_once)
    assert [*read_history(Reader(str(tmp_path)))] == [*reversed(chain)]


def test_a_long_history_is_read_many_at_a_time(
    chain: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, reads = Reader(str(tmp_path)), []
    stock = reader.read_those_there

    def read(*arguments: Any) -> Any:
        reads.append(arguments)
        return stock(*arguments)

    monkeypatch.setattr(reader, "read_those_there", read)
    assert len([*read_history(reader)]) == 7 and len(reads) == 1


def test_without_a_deploy_there_is_none(tmp_path: Path) -> None:
    reader = Reader(str(tmp_path))
    assert read_current(reader) is None and [*read_history(reader)] == []


def test_a_record_that_is_gone_or_changed_is_told(
    chain: list[Record], tmp_path: Path
) -> None:
    file = tmp_path / chain[3].folder / "record.json"
    text = file.read_text()
    file.write_text(text.replace('"somebody"', '"nobody"'))
    with pytest.raises(DestinationError, match=f"{chain[3].name}.*was changed"):
        [*read_history(Reader(str(tmp_path)))]
    file.unlink()
    with pytest.raises(DestinationError, match=f"{chain[3].name}.*is missing"):
        [*read_history(Reader(str(tmp_path)))]


@pytest.mark.parametrize("change", [{"images": None}, {"release": ...}, {"more": 1}])
def test_a_record_of_another_version_is_told(change: dict[str, Any]) -> None:
    told = {**TOLD, "number": 1, **change}
    told = {key: value for key, value in told.items() if value is not ...}
    with pytest.raises(DestinationError, match="another version of this tool"):
        parse(told)


def test_no_pointer_leads_out_of_the_records(tmp_path: Path) -> None:
    write(tmp_path, 1, "../../elsewhere")
    with pytest.raises(DestinationError, match="is no name of a record"):
        [*read_history(Reader(str(tmp_path)))]


def test_a_record_is_told_by_its_number_name_or_release(chain: list[Record]) -> None:
    history = [*reversed(chain)]
    for told in ("3", "000003", chain[2].name, chain[2].name[:12]):
        assert pick("dev", history, told) == chain[2]
    # All of them have the same release, of which the newest is meant.
    assert pick("dev", history, TOLD["release"]) == chain[-1]
    for told in ("", "8", "xyz", "00000009"):
        with pytest.raises(
            InputError, match="no such record or release, .*history dev"
        ):
            pick("dev", history, told)


def test_what_several_begin_with_is_told(chain: list[Record]) -> None:
    releases = ("abc0" * 4, "abc1" * 4)
    history = [
        dataclasses.replace(record, release=release)
        for record, release in zip(chain, releases)
    ]
    assert pick("dev", history, "abc1") == history[1]
    with pytest.raises(
        InputError, match="'abc' is how several records or releases beg"
    ):
        pick("dev", history, "abc")
