"""Tests of `layout`: what is read from a destination is what was put there, or an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from release_bundle import layout
from release_bundle.layout import DestinationError, Reader

FILES = {
    ".airflowignore": b"maxairesources/\n",
    "maxaidags/finance/a/b/dag.py": b"finance",
    "maxaidags/retail/a/b/dag.py": b"retail",
    "maxaidags/shared.py": b"shared",
    "maxaiconfigs/finance/a/kubepod_config.json": b"{}",
    "maxaiusecases/finance/image.json": b"{}",
    "maxairesources/__init__.py": b"",
}
RENDERED = {
    "maxaiconfigs/finance/a/kubepod_config.json": b'{"rendered": true}',
    "sboms/finance.json": b"{}",
}


class Place:
    """A destination with one release and one record of it, both to be tampered with."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.reader = Reader(str(root))
        self.release = self.put_release({})
        self.record = self.put_record({})

    def write(self, name: str, content: bytes) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_bytes(content)

    def put_release(self, more: dict[str, str]) -> str:
        hashes = {name: layout.digest(content) for name, content in FILES.items()}
        self.manifest = layout.to_json({"files": {**hashes, **more}})
        name = layout.release_name(self.manifest)
        for path, content in FILES.items():
            self.write(f"releases/{name}/{path}", content)
        self.write(f"releases/{name}/manifest.json", self.manifest)
        return name

    def put_record(self, more: dict[str, str]) -> str:
        hashes = {name: layout.digest(content) for name, content in RENDERED.items()}
        content = layout.to_json(
            {
                "number": 1,
                "release": self.release,
                "manifest": layout.digest(self.manifest),
                "domains": ["finance"],
                "files": {**hashes, **more},
            }
        )
        name = layout.record_name(1, content)
        for path, rendered in RENDERED.items():
            self.write(f"records/{name}/{path}", rendered)
        self.write(f"records/{name}/record.json", content)
        return name

    def compose(self, folder: Path) -> dict[str, bytes]:
        layout.compose(self.reader, self.record, folder)
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and path.name != ".composed.json"
        }


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "destination")


def test_airflow_sees_the_domains_dags_the_library_and_the_records_configs(
    place: Place, tmp_path: Path
) -> None:
    assert place.compose(tmp_path / "seen") == {
        ".airflowignore": b"maxairesources/\n",
        "maxaidags/finance/a/b/dag.py": b"finance",
        "maxaidags/shared.py": b"shared",
        "maxaiconfigs/finance/a/kubepod_config.json": b'{"rendered": true}',
        "maxairesources/__init__.py": b"",
    }


def test_what_was_composed_is_whole_until_something_is_gone(
    place: Place, tmp_path: Path
) -> None:
    assert not layout.is_whole(tmp_path / "seen")
    files = place.compose(tmp_path / "seen")
    (tmp_path / "seen/maxaidags/__pycache__").mkdir()
    assert layout.is_whole(tmp_path / "seen")
    for name, content in files.items():
        (tmp_path / "seen" / name).unlink()
        assert not layout.is_whole(tmp_path / "seen")
        (tmp_path / "seen" / name).write_bytes(content + b" ")
        assert not layout.is_whole(tmp_path / "seen")
        (tmp_path / "seen" / name).write_bytes(content)
        assert layout.is_whole(tmp_path / "seen")
    (tmp_path / "seen/.composed.json").unlink()
    assert not layout.is_whole(tmp_path / "seen")


@pytest.mark.parametrize(
    "name",
    [
        "records/{record}/record.json",
        "records/{record}/maxaiconfigs/finance/a/kubepod_config.json",
        "releases/{release}/manifest.json",
        "releases/{release}/maxaidags/finance/a/b/dag.py",
    ],
)
@pytest.mark.parametrize("change", ["edit", "remove"])
def test_whatever_is_not_as_it_was_is_named(
    place: Place, tmp_path: Path, name: str, change: str
) -> None:
    path = place.root / name.format(record=place.record, release=place.release)
    if change == "edit":
        path.write_bytes(path.read_bytes().replace(b"f", b"F", 1) + b" ")
    else:
        path.unlink()
    state = "was changed" if change == "edit" else "is missing"
    with pytest.raises(DestinationError, match=state) as error:
        place.compose(tmp_path / "seen")
    assert "/".join(path.relative_to(place.root).parts[2:]) in str(error.value)


NAMES = [
    "/etc/cron.d/x",
    "../x",
    "maxaidags/../../x",
    "maxaidags//x",
    "./x",
    "maxaidags/./x",
    "maxaidags\\..\\x",
    "maxaidags/x\n",
    "maxaidags/x/",
    "",
    ".",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_leads_elsewhere_is_refused(
    place: Place, tmp_path: Path, name: str
) -> None:
    told = "is no name of a file in there"
    with pytest.raises(DestinationError, match=told):
        layout.read_manifest_text(layout.to_json({"files": {name: "0" * 64}}), "m")
    place.record = place.put_record({name: layout.digest(b"")})
    with pytest.raises(DestinationError, match=told):
        place.compose(tmp_path / "seen")
    assert not (tmp_path / "seen").exists()


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        (b"", "is no manifest"),
        (b"[]", "is no manifest"),
        (b'{"files": []}', "is no manifest"),
        (b'{"files": {"a": "0"}}', "'0' is no sha256"),
        (b'{"files": {"a": null}}', "'None' is no sha256"),
        (
            json.dumps({"files": {"a": "0" * 64, "a/b": "0" * 64}}).encode(),
            "'a/b' is a file in a file",
        ),
    ],
)
def test_what_is_no_manifest_is_refused(manifest: bytes, told: str) -> None:
    with pytest.raises(DestinationError, match=told):
        layout.read_manifest_text(manifest, "m")


def test_another_release_under_the_same_name_is_refused(
    place: Place, tmp_path: Path
) -> None:
    # As if somebody had found a manifest whose hash begins as the release's does.
    other = layout.to_json({"files": {}})
    place.write(f"releases/{place.release}/manifest.json", other)
    with pytest.raises(DestinationError, match="was changed: it has another hash"):
        place.compose(tmp_path / "seen")


@pytest.mark.parametrize("text", ["", "../../x", "000001-xyz", "1" * 900])
def test_a_pointer_to_no_record_is_refused(place: Place, text: str) -> None:
    place.write("current", text.encode())
    with pytest.raises(DestinationError, match="current: .* is no record"):
        layout.read_pointer(place.reader)


def test_a_pointer_names_a_record(place: Place) -> None:
    assert layout.read_pointer(place.reader) is None
    place.write("current", f"{place.record}\n".encode())
    assert layout.read_pointer(place.reader) == place.record
    # Whoever holds a bucket leaves a token there.
    place.write("current", f"{place.record}\ntoken\n".encode())
    assert layout.read_pointer(place.reader) == place.record
    place.write("current", b"\ntoken\n")
    assert layout.read_pointer(place.reader) is None


@pytest.mark.parametrize("name", ["..", "000001-00", "a/../b"])
def test_a_record_of_no_name_is_not_looked_for(place: Place, name: str) -> None:
    with pytest.raises(DestinationError, match="is no name of a record"):
        layout.read_record(place.reader, name)


def test_a_record_renamed_is_refused(place: Place) -> None:
    renamed: Any = f"000002{place.record[6:]}"
    (place.root / "records" / place.record).rename(place.root / "records" / renamed)
    with pytest.raises(DestinationError, match="was changed"):
        layout.read_record(place.reader, renamed)
