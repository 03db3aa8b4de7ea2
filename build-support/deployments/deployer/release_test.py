"""Tests of `release`: a packaged release that is not what its name says is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from deployer.release import newest_packaged, read_deployed, read_packaged
from deployer.testing import write_release
from maxairesources.errors import InputError
from release_bundle import layout
from release_bundle.layout import DestinationError, Reader

DAG = {"lab/probe/first": "lab.probe.first"}


def image(**changes: Any) -> bytes:
    told = {"base": "b", "repository": "maxai/lab", "tag": "f00", **changes}
    return json.dumps(told).encode()


def make(folder: Path, files: dict[str, bytes] | None = None, **told: Any) -> Path:
    content = {
        "maxaidags/lab/probe/first/dag.py": b"dag",
        "maxaiusecases/lab/image.json": image(),
        ".airflowignore": b"",
        **(files or {}),
    }
    return write_release(
        folder, content, **{"dags": DAG, "images": {"lab": "f00"}, **told}
    )


def test_a_release_is_read(tmp_path: Path) -> None:
    folder = make(tmp_path)
    release = read_packaged(folder)
    assert release.name == folder.name
    assert release.images["lab"].repository == "maxai/lab"
    assert release.images["lab"].tag == "f00"
    assert release.dags == DAG
    assert release.files["maxaidags/lab/probe/first/dag.py"] == b"dag"


def test_the_newest_one_is_found(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no release; package one"):
        newest_packaged(tmp_path)
    old, new = make(tmp_path), make(tmp_path, {"maxaidags/x.py": b""})
    for folder, when in ((old, 2), (new, 1)):
        os.utime(folder / "manifest.json", (when, when))
    assert newest_packaged(tmp_path) == old


def link_out(folder: Path) -> None:
    path = folder / "maxaidags/lab/probe/first/dag.py"
    path.unlink()
    path.symlink_to("/etc/hostname")


def link_a_folder(folder: Path) -> None:
    (folder / "maxaidags/more").symlink_to("/etc")


def edit_the_manifest(folder: Path) -> None:
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace("f00", "bad"))


def swap_the_manifest(folder: Path) -> None:
    # Another release under this one's name, as a collision of hashes would be.
    other = make(folder.parent / "other", {"maxaidags/evil.py": b"evil"})
    (folder / "manifest.json").write_bytes((other / "manifest.json").read_bytes())


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (link_out, "maxaidags/lab/probe/first/dag.py is no plain file"),
        (link_a_folder, "maxaidags/more is no plain file"),
        (edit_the_manifest, "manifest.json was changed"),
        (swap_the_manifest, "manifest.json was changed"),
        (
            lambda f: (f / "maxaidags/lab/probe/first/dag.py").write_text("evil"),
            "maxaidags/lab/probe/first/dag.py was changed",
        ),
        (
            lambda f: (f / "maxaidags/lab/probe/first/dag.py").unlink(),
            "maxaidags/lab/probe/first/dag.py is missing",
        ),
        (
            lambda f: (f / "maxaidags/evil.py").touch(),
            "maxaidags/evil.py is not in the manifest",
        ),
        (lambda f: (f / "manifest.json").unlink(), "there is no release in here"),
    ],
)
def test_a_release_that_was_tampered_with_is_refused(
    tmp_path: Path, tamper: Any, told: str
) -> None:
    folder = make(tmp_path)
    tamper(folder)
    with pytest.raises(InputError) as error:
        read_packaged(folder)
    assert str(error.value).startswith(f"{folder}: {told}; package it again")


@pytest.mark.parametrize(
    ("files", "changes", "told"),
    [
        ({"etc/passwd": b""}, {}, "etc/passwd has no place in a release"),
        ({"evil.py": b""}, {}, "evil.py has no place in a release"),
        ({}, {"dags": {"lab/../first": "x"}}, "'lab/../first' is no objective"),
        ({}, {"dags": {"/etc/x/y": "x"}}, "'/etc/x/y' is no objective"),
        ({}, {"dags": {"lab/probe/first": "x"}}, "'lab/probe/first' has the DAG 'x'"),
        ({}, {"dags": []}, "the manifest has no dags"),
        ({}, {"images": None}, "the manifest has no images"),
        ({}, {"images": {"../lab": "f00"}}, "there is no maxaiusecases/../lab/image"),
        ({}, {"images": {"shop": "f00"}}, "there is no maxaiusecases/shop/image.json"),
        ({}, {"images": {"lab": "bad"}}, "do not agree"),
        *(
            (
                {"maxaiusecases/lab/image.json": image(repository=repository)},
                {},
                f"image.json: {repository!r} is no repository",
            )
            for repository in (
                "evil.example/maxai/lab",
                "localhost:5000/maxai/lab",
                "maxai/lab@sha256:0",
                "../lab",
                "-x/lab",
            )
        ),
        *(
            (
                {"maxaiusecases/lab/image.json": text},
                {},
                "maxaiusecases/lab/image.json names no image",
            )
            for text in (b"", b"[]", b"{}", b"\xff", b'"maxai/lab"')
        ),
        (
            {"maxaiusecases/lab/image.json": image(tag="a b")},
            {"images": {"lab": "a b"}},
            "do not agree",
        ),
    ],
)
def test_a_release_that_says_too_much_is_refused(
    tmp_path: Path, files: dict[str, bytes], changes: dict[str, Any], told: str
) -> None:
    folder = make(tmp_path, files, **changes)
    with pytest.raises(InputError) as error:
        read_packaged(folder)
    assert told in str(error.value)


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "maxaidags/../../x"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    manifest = layout.to_json({"files": {name: "0" * 64}})
    folder = tmp_path / layout.release_name(manifest)
    folder.mkdir()
    (folder / "manifest.json").write_bytes(manifest)
    with pytest.raises(InputError, match="is no name of a file in there"):
        read_packaged(folder)


def test_a_deployed_release_is_the_packaged_one(tmp_path: Path) -> None:
    packaged = read_packaged(make(tmp_path / "releases"))
    told = {"release": packaged.name, "manifest": layout.digest(packaged.manifest)}
    reader = Reader(str(tmp_path))
    assert read_deployed(reader, told) == packaged
    (tmp_path / "releases" / packaged.name / ".airflowignore").write_text("x")
    with pytest.raises(DestinationError, match=".airflowignore was changed"):
        read_deployed(reader, told)
