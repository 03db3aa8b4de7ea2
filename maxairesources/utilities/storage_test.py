import os
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from maxairesources.errors import InputError
from maxairesources.utilities import storage


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    MemoryFileSystem.store.clear()


def write(address: str, content: bytes) -> None:
    with storage.replacing(address) as file:
        file.write(content)


@pytest.mark.parametrize("address", ["new/x", "~/x::y", "memory://new/x"])
def test_what_is_written_is_read(address: str) -> None:
    for content in (b"one", b"2"):
        write(address, content)
        assert storage.read_text(address) == content.decode()
    storage.check_exists(address)
    if not storage.is_store(address):
        assert os.listdir(Path(address).parent) == [Path(address).name]


@pytest.mark.parametrize("address", ["new/x", "memory://new/x"])
def test_failed_write_leaves_the_old_content_alone(address: str) -> None:
    write(address, b"old")
    with pytest.raises(KeyError, match="bug"), storage.replacing(address) as file:
        file.write(b"half")
        raise KeyError("bug")
    assert storage.read_text(address) == "old"
    found, path = storage.file_system(str(address).rpartition("/")[0])
    assert len(found.ls(path)) == 1


@pytest.mark.parametrize("call", [storage.check_exists, storage.read_text])
@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("none", "^none: no such file; write it first"),
        ("memory://none", "^memory://none: no such file; write it first"),
        (
            "x://me:hunter2@host/a?sig=1",
            r"^x://\*\*\*@host/a\?\*\*\*: unknown protocol",
        ),
        ("gs://bucket/a", "^gs://bucket/a: gs needs the package gcsfs; add it to the"),
    ],
)
def test_wrong_address(call: Any, address: str, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        call(address)


def test_errors_of_a_store_are_one_line_without_a_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise Exception("denied at https://a:hunter2@host/x?sig=hunter2\nhunter2")

    for name in ("info", "cat_file", "put_file"):
        monkeypatch.setattr(MemoryFileSystem, name, fail)
    shown = r"denied at https://\*\*\*@host/x\?\*\*\*\); "
    for verb, call in {
        "read": storage.read_text,
        "written": lambda address: write(address, b""),
    }.items():
        with pytest.raises(
            InputError, match=rf"^memory://x: cannot be {verb} \({shown}"
        ):
            call("memory://x")


@pytest.mark.parametrize(
    "text", ["/a?b", "abfs://box@account.dfs/x", "s3://bucket/x is there?", "a: b @c"]
)
def test_what_is_no_secret_is_shown(text: str) -> None:
    assert storage.shown(text) == text


def test_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    write("file", b"")
    (tmp_path / "folder").mkdir()
    for address in ("file/x", "folder"):
        with pytest.raises(InputError, match=f"^{address}: cannot be written "):
            write(address, b"")
    assert sorted(os.listdir()) == ["file", "folder"]


def test_no_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test may run as root, who can read everything."""

    def fail(*args: Any) -> None:
        raise PermissionError(13, "Permission denied", "x")

    monkeypatch.setattr(LocalFileSystem, "cat_file", fail)
    with pytest.raises(
        InputError, match=r"^x: cannot be read \(Permission denied\); c"
    ):
        storage.read_text("x")


def test_text_that_is_no_utf_8() -> None:
    with fsspec.open("memory://x", "wb") as file:
        file.write(b"\xff")
    with pytest.raises(InputError, match=r"^memory://x: is not UTF-8 \(invalid"):
        storage.read_text("memory://x")


@pytest.mark.parametrize("folder", ["new", "memory://new"])
def test_files_are_replaced_together_or_not_at_all(folder: str) -> None:
    first, second = f"{folder}/a", f"{folder}/b"
    write(first, b"old")
    with pytest.raises(KeyError), storage.together():
        write(first, b"new")
        write(second, b"new")
        assert storage.read_text(first) == "old"
        raise KeyError
    found, path = storage.file_system(folder)
    assert [Path(each).name for each in found.find(path)] == ["a"]
    with storage.together():
        write(first, b"newer")
        write(first, b"new")
        write(second, b"new")
    assert storage.read_text(first) == storage.read_text(second) == "new"
    assert len(found.find(path)) == 2


def test_a_file_that_is_read_is_replaced_before() -> None:
    with storage.together():
        write("a", b"new")
        storage.check_exists("a")
        assert storage.read_text("a") == "new"


def test_an_error_at_the_end_leaves_no_file_behind(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="folder: cannot be written"):
        with storage.together():
            write("folder", b"new")
            write("other", b"new")
    assert os.listdir() == ["folder"]
