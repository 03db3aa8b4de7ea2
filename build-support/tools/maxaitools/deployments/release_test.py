"""Tests of releases: a folder that does not match its name is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maxairesources.errors import InputError
from maxaitools.deployments import release
from maxaitools.deployments.release import (
    Image,
    parse_live,
    read_folder,
    replace_domains,
    to_json,
    write_manifest,
)
from maxaitools.deployments.repository import Tree, write_files

DAG = "maxaidags/lab/probe/first/dag.py"
IMAGE = "maxaiusecases/lab/image.json"


def content(**image: Any) -> Tree:
    fields = {"base": "b", "repository": "maxai/lab", "tag": "f00", **image}
    return {DAG: b"dag", IMAGE: to_json(fields), ".airflowignore": b""}


def make(folder: Path, files: Tree) -> Path:
    """Write a release with these files, and return its folder."""
    images = {}
    if IMAGE in files and files[IMAGE].startswith(b"{"):
        images = {"lab": Image("", str(json.loads(files[IMAGE]).get("tag")))}
    files = {**files, "manifest.json": write_manifest(files, images)}
    place = folder / release._hash(files["manifest.json"])[:16]
    write_files(place, files)
    return place


def test_a_release_is_read(tmp_path: Path) -> None:
    found = read_folder(make(tmp_path, content()))
    assert found.images == {"lab": Image("maxai/lab", "f00")}
    assert found.dags == ["lab.probe.first"] and found.domains == {"lab"}


def test_the_newest_release_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "PACKAGED", tmp_path)
    with pytest.raises(InputError, match="contains no release; package one"):
        read_folder(None)
    for when, files in ((2, content()), (1, {**content(), "maxaidags/x.py": b""})):
        os.utime(make(tmp_path, files) / "manifest.json", (when, when))
    assert "maxaidags/x.py" not in read_folder(None).files


@pytest.mark.parametrize(
    ("tamper", "problem"),
    [
        (
            lambda f: (f / "maxaidags/more").symlink_to("/etc"),
            "more is a symbolic link",
        ),
        (lambda f: (f / DAG).write_text("evil"), "do not match manifest.json"),
        (lambda f: (f / DAG).unlink(), "do not match manifest.json"),
        (lambda f: (f / "maxaidags/evil.py").touch(), "do not match manifest.json"),
        (
            lambda f: (f / "manifest.json").unlink(),
            "do not match manifest.json",
        ),
        (lambda f: (f / "evil.py").touch(), "unexpected file evil.py"),
        (lambda f: f.rename(f.with_name("0" * 16)), "manifest.json was changed"),
    ],
)
def test_a_changed_release_is_refused(
    tmp_path: Path, tamper: Callable[[Path], Any], problem: str
) -> None:
    folder = make(tmp_path, content())
    tamper(folder)
    (folder,) = tmp_path.iterdir()
    with pytest.raises(InputError) as error:
        read_folder(folder)
    assert str(error.value).startswith(f"{folder}: ") and problem in str(error.value)
    assert str(error.value).endswith("package it again: ./pants package //:release")


def test_a_release_without_a_dag_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the release has no DAG; add a DAG"):
        read_folder(make(tmp_path, {".airflowignore": b""}))


@pytest.mark.parametrize(
    "image",
    [
        *(
            to_json({"repository": repository, "tag": "f00"})
            for repository in (
                *("evil.example/maxai/lab", "localhost:5000/maxai/lab", "../lab"),
                *("maxai/lab@sha256:0", "-x/lab"),
            )
        ),
        to_json({"repository": "maxai/lab", "tag": "a b"}),
        *(b"", b"[]", b"{}", b"\xff", b'"maxai/lab"'),
    ],
)
def test_an_invalid_image_is_refused(tmp_path: Path, image: bytes) -> None:
    with pytest.raises(InputError, match="is not a valid image|not describe an image"):
        read_folder(make(tmp_path, {**content(), IMAGE: image}))


def test_a_domain_must_exist_and_share_the_library(tmp_path: Path) -> None:
    base = read_folder(make(tmp_path, content()))
    with pytest.raises(InputError, match="domain 'shop' is missing; use one of: lab"):
        replace_domains(base, base, ["shop"])
    changed = {**content(tag="f01"), "maxairesources/x.py": b""}
    other = read_folder(make(tmp_path, changed))
    with pytest.raises(InputError, match="its maxairesources, which all domains share"):
        replace_domains(base, other, ["lab"])


@pytest.mark.parametrize(
    "facts",
    [b"", b"[]", b"{}", b'{"format": "x"}', b'{"format": 1, "release": "a"}', b"\xff"],
)
def test_a_damaged_release_json_is_reported(facts: bytes) -> None:
    with pytest.raises(InputError, match="release.json is missing or damaged"):
        parse_live({"release.json": facts}, "commit abc")
