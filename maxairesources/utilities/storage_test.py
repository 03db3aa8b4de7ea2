import os
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from maxairesources.errors import InputError
from maxairesources.utilities import storage


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    MemoryFileSystem.store.clear()


@pytest.mark.parametrize("address", ["new/x", "~/x y", "memory://new/x"])
def test_what_is_written_is_read(address: str) -> None:
    for content in (b"one", b"2"):
        storage.write(address, content)
        assert storage.read_text(address) == content.decode()
    storage.find(address)
    if "://" not in address:
        assert os.listdir(Path(address).parent) == [Path(address).name]


@pytest.mark.parametrize("call", [storage.find, storage.read_text])
@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("none", "^none: no such file; write it first"),
        ("memory://none", "^memory://none: no such file; write it first"),
        ("x://me:hunter2@host/a?sig=1", r"^x://\*\*\*@host/a\?\*\*\*: cannot be read"),
        ("gs://bucket/a", "^gs://bucket/a: .*gcsfs.*; add it to the domain's requ"),
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

    for name in ("cat_file", "pipe_file"):
        monkeypatch.setattr(MemoryFileSystem, name, fail)
    shown = r"denied at https://\*\*\*@host/x\?\*\*\*\); "
    with pytest.raises(InputError, match=rf"memory://x: cannot be read \({shown}"):
        storage.read_text("memory://x")
    with pytest.raises(InputError, match=rf"memory://x: cannot be written \({shown}"):
        storage.write("memory://x", b"")


@pytest.mark.parametrize(
    "text", ["/a?b", "abfs://box@account.dfs/x", "s3://bucket/x is there?", "a: b @c"]
)
def test_what_is_no_secret_is_shown(text: str) -> None:
    assert storage.shown(text) == text
