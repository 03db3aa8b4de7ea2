"""Tests of `./pants lock` and `venv`, with the real uv and a folder of wheels as index."""

from __future__ import annotations

import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from maxaitools import lock, venv

FOLDER = "maxaiusecases/domain"
REQUIREMENTS, LOCK = (Path(FOLDER, f"requirements.{end}") for end in ("txt", "lock"))
PANTS_TOML = """\
[python]
interpreter_constraints = ["CPython==3.11.*"]
[python.resolves]
tools = "tools.lock"
[python.resolves_to_interpreter_constraints]
tools = ["CPython==3.9.*", "CPython==3.11.*"]
"""
REFUSED = """\
sample @ https://host/sample-1.0-py3-none-any.whl#sha256=0
git+https://host/sample.git@v1#egg=sample
wheels/sample-1.0.whl
--extra-index-url https://host
sample --hash=sha256:0
-r more.txt"""


def write_wheel(folder: Path, version: str) -> str:
    """Write a wheel of the package `sample`, and return its name."""
    info, path = (
        f"sample-{version}.dist-info",
        folder / f"sample-{version}-py3-none-any.whl",
    )
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as wheel:
        metadata = f"Metadata-Version: 2.1\nName: sample\nVersion: {version}\n"
        wheel.writestr(f"{info}/METADATA", metadata)
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path.name


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for version in ("1.0", "1.1", "2.0"):
        write_wheel(tmp_path / "wheels", version)
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    root = tmp_path / "root"
    (root / FOLDER).mkdir(parents=True)
    monkeypatch.chdir(root)
    Path("pants.toml").write_text(PANTS_TOML)
    Path("tools.txt").write_text("sample\n")
    REQUIREMENTS.write_text("sample<2\n")
    return root


def test_all_locks_are_written_with_hashes_and_without_urls(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock.main([])
    text = LOCK.read_text()
    assert "sample==1.1 \\\n    --hash=sha256:" in text
    assert "    # via -r requirements.txt" in text
    assert "://" not in text and str(repository) not in text
    assert "sample==2.0" in Path("tools.lock").read_text()
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith(" s  [1/2] tools.lock: written")
    assert second.endswith(f" s  [2/2] {FOLDER}/requirements.lock: written")
    lock.main(["tools"])
    assert capsys.readouterr().out.endswith(" s  [1/1] tools.lock: unchanged\n")


def test_a_locked_version_changes_only_with_upgrade() -> None:
    REQUIREMENTS.write_text("sample==1.0\n")
    lock.main(["domain"])
    REQUIREMENTS.write_text("sample>=1.0\n")
    lock.main(["domain"])
    assert "sample==1.0" in LOCK.read_text()
    lock.main(["domain", "--upgrade"])
    assert "sample==2.0" in LOCK.read_text()


def test_the_header_depends_on_requirements_and_interpreters_but_not_on_comments() -> (
    None
):
    before = lock.read_resolves()
    headers = {name: resolve.header() for name, resolve in before.items()}
    assert before["tools"].interpreters == ("3.9", "3.11")
    REQUIREMENTS.write_text("\ufeff# Why.\n\nsample<2  # Because.\n")
    assert before["domain"].header() == headers["domain"]
    Path("pants.toml").write_text(PANTS_TOML.replace("3.9", "3.10"))
    Path(FOLDER, ".python-version").write_text("3.13.1\n")
    after = lock.read_resolves()
    assert after["domain"].interpreters == ("3.13",)
    for name, header in headers.items():
        assert after[name].header() != header
    REQUIREMENTS.write_text("sample<3\n")
    assert before["domain"].header() != headers["domain"]


def test_the_indexes_of_pants_are_used_in_their_order(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_NO_INDEX")
    monkeypatch.delenv("UV_FIND_LINKS")
    urls = []
    for index, version in (("own", "1.0+cpu"), ("public", "1.3")):
        folder = repository / index / "sample"
        name = write_wheel(folder, version)
        (folder / "index.html").write_text(f'<a href="{name}">{name}</a>')
        urls.append(folder.parent.as_uri())
    own = repository / "own/sample"
    for requirement, options, locked in (
        ("sample", {"INDEXES": f"{urls}"}, "1.0+cpu"),
        ("sample", {"INDEXES": f"{urls[::-1]}"}, "1.3"),
        ("sample==1.0+cpu", {"INDEXES": f"{urls[::-1]}"}, "1.0+cpu"),
        ("sample", {"INDEXES": "", "FIND_LINKS": f"['{own}']"}, "1.0+cpu"),
    ):
        Path("tools.txt").write_text(requirement)
        for key, value in options.items():
            monkeypatch.setenv(f"PANTS_PYTHON_REPOS_{key}", value)
        lock.main(["tools", "--upgrade"])
        assert f"sample=={locked} \\\n" in Path("tools.lock").read_text()


@pytest.mark.parametrize(
    ("requirements", "arguments", "message"),
    [
        ("sample\n", ["tools", "domian"], "pants.toml; did you mean domain?"),
        ("sample\n", ["x"], "pants.toml; use one of: domain, tools"),
        (None, ["tools"], "tools.txt: error: File not found"),
        ("caf\udce9\n", ["tools"], "tools.txt: error: "),
        ("sample>9\n", ["tools"], "tools.txt: "),
        *(
            (f"# a/b\n{line}", ["tools"], "tools.txt:2: a requirement cannot have an")
            for line in REFUSED.splitlines()
        ),
        (f"a\n{REFUSED}", ["tools"], "tools.txt:7: a requirement cannot have an"),
        ("\ufeff-r a.txt", ["tools"], "tools.txt:1: a requirement cannot have an"),
    ],
)
def test_an_error_is_reported_and_keeps_the_locks(
    requirements: str | None, arguments: list[str], message: str
) -> None:
    lock.main([])
    before = Path("tools.lock").read_bytes()
    Path("tools.txt").unlink()
    if requirements is not None:
        Path("tools.txt").write_text(requirements, errors="surrogateescape")
    with pytest.raises(SystemExit, match=rf"(?s)^error: .*{re.escape(message)}"):
        lock.main(arguments)
    assert Path("tools.lock").read_bytes() == before


def test_the_environment_of_a_domain(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("notebook", "pytest", "setuptools")
    tools = "".join(f'{name} = "tools.lock"\n' for name in names)
    Path("pants.toml").write_text(PANTS_TOML.replace("tools =", f"{tools}tools ="))
    missing = "requirements.lock: is missing; run ./pants lock domain"
    with pytest.raises(SystemExit, match=missing):
        venv.main(["domain"])
    lock.main(["domain", "tools"])
    Path("module.py").write_text("from importlib.metadata import version")
    code = "import module; print(module.__file__, module.version('sample'))"
    for _ in range(2):
        venv.main(["domain"])
        assert f"\n{FOLDER}/.venv: written\n" in f"\n{capsys.readouterr().out}"
        command = [f"{FOLDER}/.venv/bin/python", "-P", "-c", code]
        # The domain's lock has an older version than that of the tools.
        found = subprocess.check_output(command, text=True)
        assert found == f"{repository}/module.py 1.1\n"
    LOCK.write_text(f"sample==3 --hash=sha256:{'0' * 64}\n")
    error = "(?s)^error: .*requirements.lock: .*sample"
    with pytest.raises(SystemExit, match=error):
        venv.main(["domain"])
