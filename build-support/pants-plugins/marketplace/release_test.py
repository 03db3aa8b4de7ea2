"""Tests of the release, with whole commands in a small marketplace."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from marketplace.small_marketplace import (
    CONFIGS,
    DAG,
    DOMAINS,
    HANDLERS,
    Repository,
    files,
)

pytest_plugins = ("marketplace.small_marketplace",)
RELEASED = (
    r"maxaiconfigs/.*\.json|maxaidags/.*(/dag\.py|\.sql)|maxairesources/dagfactory\.py"
)


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
    repository: Repository, tmp_path: Path
) -> None:
    new = [f"{CONFIGS}/kubepod_config.staging_2.json", f"{DAG[:-6]}daily/dag.py"]
    # Git sorts the folder `a` between the two files.
    new += [f"{DAG}/{name}" for name in ("a.b", "a/b/c", "a0")]
    for path in new:
        repository.write(path, "\u00e9\r\n")
    repository.write(f"{CONFIGS}/weekly/notes.txt", "")
    folder = package(repository)
    released = contents(folder)
    images = {f"maxaiusecases/{domain}/image.json" for domain in DOMAINS}
    expected = {path for path in files() if re.fullmatch(RELEASED, path)}
    assert released.keys() == expected | {".airflowignore", *images, *new}
    assert b"maxaidags" not in released[".airflowignore"]
    image = json.loads(released["maxaiusecases/shop/image.json"])
    assert image.keys() == {"name", "tag"} and image["name"] == "maxai/shop"
    # The name is that of the Git tree.
    git = ["git", "--git-dir", str(tmp_path), "--work-tree", str(folder)]
    for command in ("init --quiet", "add --all", "write-tree"):
        name = subprocess.check_output([*git, *command.split()], text=True)
    assert name.strip() == folder.name


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
