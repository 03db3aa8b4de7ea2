"""Tests of upgrade with real Git: a company's repository and newer versions of the marketplace."""

import shutil
import subprocess
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
UPSTREAM, COMPANY = Path("upstream"), Path("company")


def git(root: Path, *arguments: str) -> str:
    return subprocess.check_output(["git", *arguments], cwd=root, text=True)


def commit(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / CHECKS).chmod(0o755)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "Change")


def upgrade(*tag: str) -> tuple[int, str]:
    done = subprocess.run(
        ["../build-support/upgrade", UPSTREAM.resolve(), *tag],
        cwd=COMPANY / "maxaidags",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def changed(*commit: str) -> str:
    """Return which of its own files the company has otherwise than in a commit."""
    return git(COMPANY, "diff", "--stat", *commit, "--", *OWN)


@pytest.fixture(autouse=True)
def repositories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folders of the marketplace, and of the company that has cloned it."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ada@example.invalid")
    upgrade = Path("build-support/upgrade").resolve()
    monkeypatch.chdir(tmp_path)
    (UPSTREAM / "build-support").mkdir(parents=True)
    shutil.copy(upgrade, UPSTREAM / "build-support")
    git(UPSTREAM, "init", "--quiet", "--initial-branch=main")
    commit(UPSTREAM, OLD)
    git(tmp_path, "clone", "--quiet", UPSTREAM.name, COMPANY.name)
    git(COMPANY, "rm", "-r", "--quiet", "maxaiusecases/retail")
    commit(COMPANY, OURS)


def test_an_upgrade_keeps_what_is_the_companys() -> None:
    commit(UPSTREAM, NEW)
    git(UPSTREAM, "tag", "v2")
    code, printed = upgrade("v2")
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
    assert changed("HEAD^") == git(COMPANY, "status", "--porcelain") == ""
    pants_toml = OURS["pants.toml"].replace("line_1 = 1", "line_1 = 2")
    assert (COMPANY / "pants.toml").read_text() == pants_toml
    for name in ("maxaidags/BUILD", LOCK):
        assert (COMPANY / name).read_text() == NEW[name]
    assert upgrade()[1].endswith("is merged already\n")
    commit(UPSTREAM, {f"{SAMPLE}/score.py": "newer\n", CHECKS: "#!/bin/sh\nexit 1\n"})
    code, printed = upgrade()
    assert code == 1 and printed.startswith("upgrade: the version is merged; fix what")
    assert changed("HEAD^") == ""


def test_a_conflict_leaves_the_files_of_the_company() -> None:
    commit(UPSTREAM, {**NEW, "pants.toml": LINES.replace("line_8 = 1", "line_8 = 2")})
    code, printed = upgrade()
    assert code == 1 and "new_key" in printed and "checked" not in printed
    assert "CONFLICT (content): Merge conflict in pants.toml" in printed
    assert changed("HEAD") == ""
    message = "upgrade: this clone has changes: commit or stash them first\n"
    assert upgrade() == (1, message)
    git(COMPANY, "merge", "--abort")
    assert git(COMPANY, "status", "--porcelain") == ""


def test_a_copy_without_history_joins_the_version_that_it_was_copied_from() -> None:
    copied = git(UPSTREAM, "rev-parse", "HEAD")
    commit(UPSTREAM, NEW)
    shutil.rmtree(COMPANY / ".git")
    git(COMPANY, "init", "--quiet")
    commit(COMPANY, {})
    command = upgrade()[1].rpartition(": git ")[2]
    assert command.endswith(f" --strategy=ours {copied}")
    git(COMPANY, *command.split())
    assert upgrade()[0] == 0
    assert changed("HEAD^") == ""
