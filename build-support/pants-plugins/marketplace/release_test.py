"""Tests of the release, with whole commands in a small marketplace."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from marketplace.release import base_of, hash_tree
from marketplace.small_marketplace import (
    CONFIGS,
    DAG,
    DOMAINS,
    HANDLERS,
    Repository,
    files,
)

pytest_plugins = ("marketplace.small_marketplace",)
RELEASED = r"maxaiconfigs/.*\.json|maxaidags/.*(/dag\.py|\.sql)|maxairesources/(__init__|dagfactory)\.py"


def package(repository: Repository, *options: str) -> Path:
    """Package the release, and return its folder."""
    shutil.rmtree(repository.root / "dist", ignore_errors=True)
    result = repository.pants(*options, "package", "//:release")
    assert result.returncode == 0, result.stderr
    (folder,) = (repository.root / "dist/release").iterdir()
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Return the contents of the files in a folder, by path."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_a_release_holds_exactly_the_files_that_dags_need(
    repository: Repository,
) -> None:
    new = (f"{CONFIGS}/kubepod_config.staging_2.json", f"{DAG}/../daily/dag.py")
    for path in new:
        repository.write(path, "")
    repository.write(f"{CONFIGS}/weekly/notes.txt", "")
    folder = package(repository)
    released = contents(folder)
    images = {f"maxaiusecases/{domain}/image.json" for domain in DOMAINS}
    expected = {path for path in files() if re.fullmatch(RELEASED, path)}
    expected |= {
        ".airflowignore",
        *images,
        *(path.replace("weekly/../", "") for path in new),
    }
    assert released.keys() == expected
    assert b"maxaidags" not in released[".airflowignore"]
    image = json.loads(released["maxaiusecases/shop/image.json"])
    tag = {"repository": "maxai/shop", "tag": image["tag"]}
    assert image == {"base": "debian:12", **tag}
    # A changed byte is another name.
    assert folder.name == hash_tree(released)


def test_the_hash_of_a_release_is_that_of_its_git_tree(tmp_path: Path) -> None:
    # Git sorts the folder `a` between the two files.
    tree = {"a.b": "é".encode(), "a/b/c": b"", "a0": b"1\r\n", "b/c": b""}
    for path, content in tree.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(tmp_path), *arguments]
        return subprocess.check_output(command, text=True).strip()

    git("init", "--quiet")
    git("add", "--all")
    assert hash_tree(tree) == git("write-tree")


def test_the_same_content_is_the_same_release(
    repository: Repository, tmp_path: Path
) -> None:
    before = contents(package(repository))
    # The other clone uses no cache of the first one.
    clone = package(Repository(tmp_path / "elsewhere/clone"), "--no-local-cache")
    assert contents(clone) == before
    # The mode of a file and the files outside the release are not its content.
    (repository.root / DAG / "dag.py").chmod(0o755)
    for path in (f"{DAG}/dag_test.py", f"{HANDLERS}/rank_test.py", "BUILD"):
        repository.append(path)
    repository.append("maxairesources/none.py")
    folder = package(repository)
    assert contents(folder) == before
    assert not os.access(folder / DAG / "dag.py", os.X_OK)


def test_a_dependency_outside_the_release_is_reported(repository: Repository) -> None:
    repository.write("other/BUILD", "python_sources(resolve='airflow')")
    repository.write("other/helper.py", "")
    repository.write(f"{DAG}/dag.py", "import other.helper\n")
    result = repository.pants("package", "//:release")
    message = "//:release: a DAG depends on other/helper.py, which a release cannot hold; move"
    assert result.returncode == 1 and message in result.stderr


@pytest.mark.parametrize(
    ("dockerfile", "base"),
    [
        ("FROM maxai/spark:1\nRUN x", "maxai/spark:1"),
        ("# FROM no\nFROM a:1 AS deps\nFROM b:2\nCOPY --from=deps a b", "b:2"),
        (
            "from --platform=linux/amd64 r.test:5000/a@sha256:0 as x",
            "r.test:5000/a@sha256:0",
        ),
        ("ARG base=debian\nFROM ${base}:12\n", "debian:12"),
        ("FROM a:1 AS x\nFROM x AS y\nFROM y\n", "a:1"),
    ],
)
def test_the_base_is_the_base_of_the_last_stage(dockerfile: str, base: str) -> None:
    assert base_of(dockerfile) == base
