"""Tests of the plugin with real Pants processes, in a small marketplace."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

from marketplace.selection.small_marketplace import (
    DOMAINS,
    Repository,
    domain_variables,
)

HANDLERS = "maxaiusecases/bank/risk/handlers"


def pants(
    root: Path, *arguments: str, cwd: str = ".", **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a Pants process, which starts a daemon or uses the running one."""
    plugins = Path(__file__).parents[2]
    return subprocess.run(
        [
            *(sys.executable, "-m", "pants"),
            f"--pythonpath=['{plugins}']",
            f"--pants-subprocessdir={root}/.pids",
            "--no-dynamic-ui",
            *arguments,
        ],
        cwd=root / cwd,
        env={
            **os.environ,
            **domain_variables(root),
            "PYTHONPATH": os.pathsep.join(sys.path),
            **env,
        },
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """Yield a repository whose images need no packages, so that Pants installs nothing."""
    result = Repository(tmp_path_factory.mktemp("repository"))
    for domain, usecase in DOMAINS.items():
        code = f"maxaiusecases/{domain}"
        result.write(f"{code}/Dockerfile", "ARG base=debian:12\nFROM $base\n")
        result.write(f"{code}/requirements.txt", "")
        result.write(f"{code}/{usecase}/handlers/fit.py", "import maxairesources.all\n")
    # Python looks for the modules that the plugin shares in the working directory first.
    for module in ("launches", "tree"):
        path = f"maxairesources/{module}.py"
        result.write(path, Path(path).read_text())
    tool = "build-support/tools/maxaitools/deployments"
    result.write(f"{tool}/BUILD", "python_sources()\n")
    result.write(f"{tool}/__main__.py", TOOL)
    result.commit()
    yield result
    for file in result.root.glob(".pids/*/pantsd/pid"):
        # On a SIGTERM, Pants 2.17 may wait forever for its file watcher. A daemon that is
        # about to end has emptied its file.
        if pid := file.read_text().strip():
            os.kill(int(pid), signal.SIGKILL)


# This stub of the deployment tool prints its input, and reports one missing image.
TOOL = """\
import json
import os
import sys
from pathlib import Path

if sys.argv[1] == "images":
    print('["shop"]')
    sys.exit()
release = Path(sys.argv[-1])
print(
    json.dumps(
        {
            "arguments": sys.argv[1:-1],
            "cwd": os.getcwd(),
            "environment": os.environ["MAXAI_REGISTRY"],
            "image": json.loads((release / "maxaiusecases/shop/image.json").read_text()),
            "release": release.name,
        }
    )
)
"""
# This is a stub of Docker.
DOCKER = """\
#!/bin/sh
echo "$*" >> {folder}/calls
case "$*" in
  version*) echo 20.10 ;;
  image*) exit 1 ;;
  build*) echo "Successfully built 0123456789ab" ;;
esac
"""


def digests_below(folder: Path) -> dict[str, tuple[str, int]]:
    """Return the digest and mode of each file in a folder, by path."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mode,
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_two_clones_package_the_same_release(
    repository: Repository, tmp_path: Path
) -> None:
    clone = tmp_path / "elsewhere/clone"
    repository.git("clone", "--quiet", ".", str(clone))
    roots = [repository.root, clone]
    # The clone uses neither the daemon nor its cache.
    for root, flags in zip(roots, [(), ("--no-pantsd", "--no-local-cache")]):
        result = pants(root, *flags, "package", "//:release")
        assert result.returncode == 0, result.stderr
    ours, theirs = (digests_below(root / "dist/release") for root in roots)
    assert ours == theirs
    images = {path.split("/")[2] for path in ours if path.endswith("/image.json")}
    assert images == {*DOMAINS}


def test_a_handler_changes_the_release_but_a_test_or_readme_does_not(
    repository: Repository,
) -> None:
    def release() -> str:
        result = pants(repository.root, "package", "//:release")
        return re.findall("Wrote dist/release/(.*)", result.stderr)[0]

    before = release()
    for path in (f"{HANDLERS}/rank_test.py", "maxaiusecases/bank/README.md"):
        repository.append(path)
    assert release() == before
    repository.append(f"{HANDLERS}/rank.py")
    assert release() != before
    repository.git("reset", "--quiet", "--hard")


def test_deploy_builds_missing_images_and_passes_the_release_on(
    repository: Repository, tmp_path: Path
) -> None:
    (tmp_path / "docker").write_text(DOCKER.format(folder=tmp_path))
    (tmp_path / "docker").chmod(0o755)
    env = {
        "MAXAI_REGISTRY": "127.0.0.1:2/b",
        "PATH": os.pathsep.join([str(tmp_path), os.environ["PATH"]]),
    }
    result = pants(repository.root, "experimental-deploy", "//:prod", **env)
    assert result.returncode == 0, result.stderr
    call = json.loads(result.stdout)
    assert call["arguments"] == ["deploy", "prod"]
    assert Path(call["cwd"]) == repository.root.resolve()
    assert call["environment"] == "127.0.0.1:2/b"
    calls = (tmp_path / "calls").read_text().splitlines()
    (built,) = (line for line in calls if line.startswith("build"))
    assert f"--tag maxai/shop:{call['image']['tag']}" in built

    for specs in (["::"], ["//:dev", "//:prod"]):
        result = pants(repository.root, "experimental-deploy", *specs, **env)
        assert result.returncode == 1
        assert (
            "it deploys one deployment at a time; name only that one" in result.stderr
        )


def test_changed_since_prints_no_traceback_and_uses_the_working_directory(
    repository: Repository,
) -> None:
    result = pants(repository.root, "--changed-since=gone", "list", "::")
    assert result.returncode == 1
    assert "--changed-since=gone: this clone has no such commit" in result.stderr
    assert "Traceback" not in result.stderr
    repository.append(f"{HANDLERS}/rank_test.py")
    result = pants(
        repository.root,
        *("--changed-since=HEAD", "list", "risk::"),
        cwd="maxaiusecases/bank",
    )
    assert result.stdout.split() == [f"{HANDLERS}/rank_test.py:../../tests"]
    repository.git("reset", "--quiet", "--hard")
