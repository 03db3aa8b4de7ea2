"""Tests of upgrade with real Git: a company's repository and newer versions of the marketplace."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

LINES = "".join(f"line_{n} = 1\n" for n in range(9))
CHECKS, LOCK = "build-support/checks/run", "3rdparty/python/airflow.lock"
REFRESHED = "build-support/images/refreshed"
SAMPLE = "maxaiusecases/retail/segments/handlers"
OLD = {
    "CHANGELOG.md": "# Changes\n",
    "marketplace.toml": 'prefix = "maxai"\nold_key = 1\n',
    "pants.toml": LINES,
    "maxaidags/BUILD": "python_sources()\n",
    f"{SAMPLE}/score.py": LINES,
    "3rdparty/python/airflow.txt": LINES,
    **dict.fromkeys((LOCK, REFRESHED), "old\n"),
    CHECKS: "#!/bin/sh\necho checked $*\n",
}
NEW = {
    "CHANGELOG.md": "# Changes\n\n- `old_key` is `new_key`.\n",
    "marketplace.toml": 'prefix = "maxai"\nnew_key = 1\n',
    "pants.toml": LINES.replace("line_1 = 1", "line_1 = 2"),
    "maxaidags/BUILD": "python_tests()\n",
    f"{SAMPLE}/score.py": LINES + "new = 1\n",
    f"{SAMPLE}/added.py": LINES,
    **dict.fromkeys((LOCK, REFRESHED), "new\n"),
}
# The company deletes the samples, and its own domain looks like one of them.
OURS = {
    "marketplace.toml": 'prefix = "acme.example/ds"\nold_key = 2\n',
    "pants.toml": LINES.replace("line_8 = 1", "line_8 = 3"),
    "maxaiusecases/bank/risk/handlers/score.py": LINES,
    "maxaiusecases/bank/requirements.lock": "ours\n",
    "3rdparty/python/airflow.txt": LINES + "ours\n",
    **dict.fromkeys((LOCK, REFRESHED), "ours\n"),
}
OWN = ("maxaiusecases", "marketplace.toml", REFRESHED)


def git(root: Path, *arguments: str) -> str:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.invalid")
    return subprocess.check_output(["git", *who, *arguments], cwd=root, text=True)


def commit(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / CHECKS).chmod(0o755)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "Change")


def upgrade(root: Path, *arguments: str) -> tuple[int, str]:
    command = ["sh", "-c", '"$0" "$@" 2>&1', "../build-support/upgrade", *arguments]
    done = subprocess.run(
        command, cwd=root / "maxaidags", stdout=subprocess.PIPE, text=True
    )
    return done.returncode, done.stdout


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ada@example.invalid")
    (tmp_path / "upstream/build-support").mkdir(parents=True)
    shutil.copy("build-support/upgrade", tmp_path / "upstream/build-support")
    git(tmp_path / "upstream", "init", "--quiet", "--initial-branch=main")
    commit(tmp_path / "upstream", OLD)
    return tmp_path / "upstream"


@pytest.fixture
def company(upstream: Path, tmp_path: Path) -> Path:
    git(tmp_path, "clone", "--quiet", "upstream", "company")
    git(tmp_path / "company", "rm", "-r", "--quiet", "maxaiusecases/retail")
    commit(tmp_path / "company", OURS)
    return tmp_path / "company"


def test_an_upgrade_keeps_what_is_the_companys(upstream: Path, company: Path) -> None:
    commit(upstream, NEW)
    git(upstream, "tag", "v2")
    code, printed = upgrade(company, str(upstream), "v2")
    assert code == 0, printed
    lines = [each for each in printed.splitlines() if "Auto-merging" not in each]
    assert lines == [
        "- `old_key` is `new_key`.",
        "marketplace.toml: yours was kept; the new version changes:",
        *("-old_key = 1", "+new_key = 1"),
        "3rdparty/python/airflow.txt: you changed it, so run ./pants lock airflow",
        "checked lint",
        "the version is merged; push the branch, so that CI runs all tests",
    ]
    assert git(company, "diff", "--stat", "HEAD^", "--", *OWN) == ""
    assert git(company, "status", "--porcelain") == ""
    pants_toml = OURS["pants.toml"].replace("line_1 = 1", "line_1 = 2")
    assert (company / "pants.toml").read_text() == pants_toml
    for name in ("maxaidags/BUILD", LOCK):
        assert (company / name).read_text() == NEW[name]
    assert upgrade(company, str(upstream))[1].endswith("is merged already\n")
    commit(upstream, {f"{SAMPLE}/score.py": "newer\n", CHECKS: "#!/bin/sh\nexit 1\n"})
    code, printed = upgrade(company, str(upstream))
    assert code == 1 and printed.startswith("upgrade: the version is merged; fix what")
    assert git(company, "diff", "--stat", "HEAD^", "--", *OWN) == ""


def test_a_conflict_leaves_the_files_of_the_company(
    upstream: Path, company: Path
) -> None:
    commit(upstream, {**NEW, "pants.toml": LINES.replace("line_8 = 1", "line_8 = 2")})
    code, printed = upgrade(company, str(upstream))
    assert code == 1 and "new_key" in printed and "checked" not in printed
    assert "CONFLICT (content): Merge conflict in pants.toml" in printed
    assert git(company, "diff", "--stat", "HEAD", "--", *OWN) == ""
    changed = "upgrade: this clone has changes: commit or stash them first\n"
    assert upgrade(company, str(upstream)) == (1, changed)
    git(company, "merge", "--abort")
    assert git(company, "status", "--porcelain") == ""


def test_a_copy_without_history_joins_the_version_that_it_was_copied_from(
    upstream: Path, company: Path
) -> None:
    copied = git(upstream, "rev-parse", "HEAD")
    commit(upstream, NEW)
    shutil.rmtree(company / ".git")
    git(company, "init", "--quiet")
    commit(company, {})
    command = upgrade(company, str(upstream))[1].rpartition(": git ")[2]
    assert command.endswith(f" --strategy=ours {copied}")
    git(company, *command.split())
    assert upgrade(company, str(upstream))[0] == 0
    assert git(company, "diff", "--stat", "HEAD^", "--", *OWN) == ""
