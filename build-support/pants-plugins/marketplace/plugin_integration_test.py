"""Tests of the plugin inside a whole Pants process, in a small repository of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

PANTS_TOML = """\
[GLOBAL]
pants_version = "2.17.1"
backend_packages = ["pants.backend.docker", "pants.backend.python", "marketplace"]
ignore_warnings = ["DEPRECATED: Running Pants in an external Python interpreter"]
[anonymous-telemetry]
enabled = false
[python]
interpreter_constraints = ["CPython==3.11.*"]
enable_resolves = true
invalid_lockfile_behavior = "ignore"
[python.resolves]
lint = "lint.lock"
[changed]
dependents = "transitive"
"""

FILES = {
    "pants.toml": PANTS_TOML,
    ".gitignore": "/.pants.d/\n/.pids/\n",
    "BUILD": "",
    # The image of each domain stands for itself in these targets: it depends on a handler,
    # and all handlers on a file that they share.
    "shared/BUILD": "file(name='a', source='a.txt')",
    "shared/a.txt": "",
    "retail/BUILD": "target(name='image', dependencies=['retail/churn:score'])",
    "retail/churn/BUILD": "file(name='score', source='score.txt', dependencies=['shared:a'])",
    "retail/churn/score.txt": "",
    "finance/BUILD": "target(name='image', dependencies=['finance/risk:rate'])",
    "finance/risk/BUILD": "file(name='rate', source='rate.txt', dependencies=['shared:a'])",
    "finance/risk/rate.txt": "",
}


class Repository:
    """A git repository with one commit, tagged `base`, and a Pants that runs in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for path, content in FILES.items():
            self.write(path, content)
        self.git("init", "--quiet")
        self.commit("base")
        self.git("tag", "base")

    def write(self, path: str, content: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def git(self, *arguments: str) -> None:
        identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        subprocess.run(["git", *identity, *arguments], cwd=self.root, check=True)

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def pants(
        self, *arguments: str, cwd: str = "."
    ) -> subprocess.CompletedProcess[str]:
        plugins = Path(__file__).parent.parent
        return subprocess.run(
            [
                *(sys.executable, "-m", "pants"),
                f"--pythonpath=['{plugins}']",
                f"--pants-subprocessdir={self.root}/.pids",
                "--no-dynamic-ui",
                *arguments,
            ],
            cwd=self.root / cwd,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
        )

    def list(self, *arguments: str, cwd: str = ".") -> list[str]:
        result = self.pants(*arguments, cwd=cwd)
        assert result.returncode == 0, result.stderr
        return result.stdout.split()


@pytest.fixture(scope="module")
def shared_repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    repository = Repository(tmp_path_factory.mktemp("repository"))
    yield repository
    for pid in repository.root.glob(".pids/*/pantsd/pid"):
        os.kill(int(pid.read_text()), signal.SIGTERM)


@pytest.fixture
def repository(shared_repository: Repository) -> Iterator[Repository]:
    yield shared_repository
    shared_repository.git("reset", "--quiet", "--hard", "base")
    shared_repository.git("clean", "--quiet", "--force", "-d")


RETAIL = ["retail/churn:score", "retail:image"]
FINANCE = ["finance/risk:rate", "finance:image"]
SHARED = ["shared:a"]


def change(repository: Repository, path: str) -> None:
    repository.write(path, "changed")
    repository.commit(f"change {path}")


def test_without_changed_since_specs_mean_what_they_always_mean(
    repository: Repository,
) -> None:
    assert repository.list("list", "retail:") == ["retail:image"]


def test_without_specs_changed_since_means_what_it_always_means(
    repository: Repository,
) -> None:
    change(repository, "retail/churn/score.txt")
    assert sorted(repository.list("--changed-since=base", "list")) == sorted(RETAIL)


def test_all_specs_narrow_nothing(repository: Repository) -> None:
    change(repository, "shared/a.txt")
    listed = repository.list("--changed-since=base", "list", "::")
    assert sorted(listed) == sorted(RETAIL + FINANCE + SHARED)


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        (["retail::"], RETAIL),
        (["retail:"], RETAIL[1:]),
        (["retail:image"], RETAIL[1:]),
        (["retail/churn/score.txt"], RETAIL[:1]),
        (["retail::", "finance:image"], RETAIL + FINANCE[1:]),
        (["::", "-finance::"], RETAIL + SHARED),
        (["::", "-finance::", "-shared::"], RETAIL),
    ],
    ids=lambda value: " ".join(value),
)
def test_specs_narrow_what_a_change_affects(
    repository: Repository, specs: list[str], expected: list[str]
) -> None:
    change(repository, "shared/a.txt")
    assert sorted(repository.list("--changed-since=base", "list", *specs)) == sorted(
        expected
    )


def test_specs_are_relative_to_the_folder_they_are_typed_in(
    repository: Repository,
) -> None:
    change(repository, "shared/a.txt")
    listed = repository.list("--changed-since=base", "list", "churn::", cwd="retail")
    assert listed == RETAIL[:1]


def test_a_change_elsewhere_selects_nothing(repository: Repository) -> None:
    change(repository, "finance/risk/rate.txt")
    assert repository.list("--changed-since=base", "list", "retail::") == []


def test_an_uncommitted_change_counts(repository: Repository) -> None:
    repository.write("retail/churn/score.txt", "changed")
    assert sorted(repository.list("--changed-since=base", "list", "::")) == sorted(
        RETAIL
    )


def test_a_spec_that_matches_nothing_is_an_error(repository: Repository) -> None:
    change(repository, "shared/a.txt")
    result = repository.pants("--changed-since=base", "list", "retial::")
    assert result.returncode == 1
    assert "retial" in result.stderr
    assert "Traceback" not in result.stderr
