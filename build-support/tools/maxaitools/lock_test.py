"""Tests of the command that compiles locks, with the real uv and a package index of files."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from maxaitools import lock

PANTS_TOML = """\
[python]
interpreter_constraints = ["CPython==3.11.*"]
[python.resolves]
finance = "finance/requirements.lock"
tools = "tools.lock"
[python.resolves_to_interpreter_constraints]
tools = ["CPython==3.9.*", "CPython==3.11.*"]
"""


def write_wheel(folder: Path, name: str, version: str) -> None:
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        )
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for version in ("1.0", "1.1", "2.0"):
        write_wheel(wheels, "sample", version)
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    root = tmp_path / "root"
    (root / "finance").mkdir(parents=True)
    (root / "pants.toml").write_text(PANTS_TOML)
    (root / "finance/requirements.txt").write_text("sample<2\n")
    (root / "tools.txt").write_text("sample\n")
    monkeypatch.chdir(root)
    return root


def test_all_locks_are_written_with_hashes_and_without_addresses(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lock.main([]) == 0
    text = (repository / "finance/requirements.lock").read_text()
    assert "sample==1.1 \\\n    --hash=sha256:" in text
    assert "    # via -r requirements.txt" in text
    assert "://" not in text and str(repository) not in text
    assert "sample==2.0" in (repository / "tools.lock").read_text()
    assert capsys.readouterr().out == (
        "[1/2] finance/requirements.lock: written\n[2/2] tools.lock: written\n"
    )


def test_a_second_run_changes_nothing(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock.main([])
    capsys.readouterr()
    assert lock.main([]) == 0
    assert "written" not in capsys.readouterr().out


def test_a_locked_version_stays_until_upgrade_asks_for_more(repository: Path) -> None:
    requirements = repository / "finance/requirements.txt"
    requirements.write_text("sample==1.0\n")
    lock.main(["finance"])
    requirements.write_text("sample>=1.0\n")
    lock.main(["finance"])
    assert "sample==1.0" in (repository / "finance/requirements.lock").read_text()
    lock.main(["finance", "--upgrade"])
    assert "sample==2.0" in (repository / "finance/requirements.lock").read_text()


def test_only_the_named_lock_is_written(repository: Path) -> None:
    assert lock.main(["tools"]) == 0
    assert not (repository / "finance/requirements.lock").exists()


def test_the_header_follows_requirements_and_not_their_comments(
    repository: Path,
) -> None:
    finance = lock.read_resolves(Path("pants.toml"))["finance"]
    before = finance.header()
    finance.requirements.write_text("# Why.\n\nsample<2  # Because.\n")
    assert finance.header() == before
    finance.requirements.write_text("sample<3\n")
    assert finance.header() != before


def test_interpreters_are_part_of_the_header(repository: Path) -> None:
    before = lock.read_resolves(Path("pants.toml"))["finance"].header()
    Path("pants.toml").write_text(
        PANTS_TOML.replace('ts = ["CPython==3.11.*"]', 'ts = ["CPython==3.12.*"]', 1)
    )
    assert lock.read_resolves(Path("pants.toml"))["finance"].header() != before


@pytest.mark.parametrize(
    ("break_it", "arguments", "message"),
    [
        (lambda: None, ["finanse"], "has no 'finanse'; did you mean finance?"),
        (lambda: None, ["x"], "has no 'x'; known: finance, tools."),
        (
            lambda: Path("tools.txt").unlink(),
            ["tools"],
            "tools.txt: not found; list the requirements of resolve 'tools' there",
        ),
        (
            lambda: Path("tools.txt").write_text("sample>9\n"),
            ["tools"],
            "tools.txt: ",
        ),
        (
            lambda: Path("pants.toml").write_text("[python]\n"),
            [],
            "pants.toml: [python] has no 'interpreter_constraints'; add it.",
        ),
    ],
)
def test_errors_are_one_message_and_leave_the_locks(
    repository: Path,
    capsys: pytest.CaptureFixture[str],
    break_it: Callable[[], object],
    arguments: list[str],
    message: str,
) -> None:
    lock.main([])
    before = (repository / "tools.lock").read_bytes()
    capsys.readouterr()
    break_it()
    assert lock.main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("lock: error: ")
    assert message in error
    assert "Traceback" not in error
    assert (repository / "tools.lock").read_bytes() == before
    assert [path.name for path in repository.glob(".lock-*")] == []
