"""Tests of `ReleaseBundle` without an Airflow around it; airflow_test.py has one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_FOLDER = tempfile.TemporaryDirectory(prefix="airflow-", ignore_cleanup_errors=True)
os.environ["AIRFLOW_HOME"] = _FOLDER.name
os.environ["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH"] = f"{_FOLDER.name}/store"
os.environ["AIRFLOW__DAG_PROCESSOR__STALE_BUNDLE_CLEANUP_MIN_VERSIONS"] = "0"
os.environ["AIRFLOW__DAG_PROCESSOR__STALE_BUNDLE_CLEANUP_AGE_THRESHOLD"] = "0"

from airflow.dag_processing.bundles.base import (  # noqa: E402
    BundleUsageTrackingManager,
    BundleVersion,
)

from release_bundle import bundle, layout  # noqa: E402
from release_bundle.bundle import ReleaseBundle  # noqa: E402

DAG = "maxaidags/finance/a/b/dag.py"


class Place:
    """A destination in which one release after the other goes live."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.number = 0

    def deploy(self, text: str) -> str:
        self.number += 1
        content = text.encode()
        manifest = layout.to_json({"files": {DAG: layout.digest(content)}})
        release = layout.release_name(manifest)
        told = {
            "number": self.number,
            "release": release,
            "manifest": layout.digest(manifest),
            "domains": ["finance"],
            "files": {},
        }
        record = layout.to_json(told)
        name = layout.record_name(self.number, record)
        for path, data in (
            (f"releases/{release}/{DAG}", content),
            (f"releases/{release}/manifest.json", manifest),
            (f"records/{name}/record.json", record),
            ("current", name.encode()),
        ):
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_bytes(data)
        return name


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "destination")


@pytest.fixture
def name(tmp_path: Path) -> Iterator[str]:
    yield tmp_path.name


def make(place: Place, name: str, version: str | None = None) -> ReleaseBundle:
    return ReleaseBundle(destination=str(place.root), name=name, version=version)


def test_it_follows_what_is_current(place: Place, name: str) -> None:
    first = place.deploy("one")
    made = make(place, name)
    made.initialize()
    assert made.get_current_version() == BundleVersion(first)
    assert (made.path / DAG).read_text() == "one"
    second = place.deploy("two")
    # Only a refresh shows it.
    assert (made.path / DAG).read_text() == "one"
    made.refresh()
    assert made.get_current_version() == BundleVersion(second)
    assert (made.path / DAG).read_text() == "two"


def test_a_version_stays_what_it_is(place: Place, name: str) -> None:
    first = place.deploy("one")
    place.deploy("two")
    made = make(place, name, first)
    made.initialize()
    assert (made.path / DAG).read_text() == "one"
    assert made.get_current_version() == BundleVersion(first)
    with pytest.raises(RuntimeError, match="has nothing to refresh"):
        made.refresh()


def test_a_version_needs_no_pointer(place: Place, name: str) -> None:
    first = place.deploy("one")
    (place.root / "current").unlink()
    made = make(place, name, first)
    made.initialize()
    assert (made.path / DAG).read_text() == "one"


def test_the_pointer_is_read_once_for_each_refresh(
    place: Place, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []

    def read_pointer(reader: Any) -> Any:
        reads.append(reader)
        return layout.read_pointer(reader)

    monkeypatch.setattr(bundle, "read_pointer", read_pointer)
    place.deploy("one")
    made = make(place, name)
    made.initialize()
    made.refresh()
    assert (made.get_current_version(), made.path) and len(reads) == 2


def test_without_a_deploy_it_is_empty(place: Place, name: str) -> None:
    made = make(place, name)
    made.initialize()
    assert made.path.is_dir() and not [*made.path.iterdir()]
    assert made.get_current_version() is None
    first = place.deploy("one")
    made.refresh()
    assert made.get_current_version() == BundleVersion(first)


def test_what_was_changed_is_not_shown(place: Place, name: str) -> None:
    first = place.deploy("one")
    made = make(place, name)
    made.initialize()
    second = place.deploy("two")
    (file,) = (path for path in place.root.rglob("dag.py") if path.read_text() == "two")
    file.write_text("evil")
    with pytest.raises(layout.DestinationError, match="dag.py was changed"):
        made.refresh()
    assert made.get_current_version() == BundleVersion(first)
    assert (made.path / DAG).read_text() == "one"
    assert not (made.versions_dir / second).exists()


def test_what_a_killed_process_left_is_done_anew(place: Place, name: str) -> None:
    place.deploy("one")
    made = make(place, name)
    (made.base_dir / "part").mkdir(parents=True)
    (made.base_dir / "part" / "rubbish").touch()
    made.initialize()
    found = {path.name for path in made.path.iterdir()}
    assert found == {"maxaidags", ".composed.json"}


def test_what_a_killed_clean_up_left_is_done_anew(place: Place, name: str) -> None:
    first = place.deploy("one")
    made = make(place, name, first)
    made.initialize()
    (made.path / DAG).unlink()
    again = make(place, name, first)
    again.initialize()
    assert (again.path / DAG).read_text() == "one"


def test_airflow_tidies_up_what_nobody_uses(
    place: Place, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = place.deploy("one")
    made = make(place, name)
    made.initialize()
    manager = BundleUsageTrackingManager()
    # What the DAG processor shows is in use, however old it is.
    manager._remove_stale_bundle_versions_for_bundle(name)
    assert (made.versions_dir / first).exists()
    second = place.deploy("two")
    made.refresh()
    manager._remove_stale_bundle_versions_for_bundle(name)
    assert not (made.versions_dir / first).exists()
    assert (made.versions_dir / second).exists()
    # A DAG run that still needs it gets it anew.
    again = make(place, name, first)
    again.initialize()
    assert (again.path / DAG).read_text() == "one"
