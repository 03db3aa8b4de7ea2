"""Tests of the launcher ./pants, in repositories and with cache folders of their own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Iterator

import pytest

LAUNCHER_FILES = ("pants", "3rdparty/python/pants.lock", "3rdparty/python/pex.lock")
LOCK = Path(LAUNCHER_FILES[1]).read_text()
VERSION = re.findall("^pantsbuild-pants==([0-9.]+)", LOCK, re.MULTILINE)[0]


class Launcher:
    """A copy of the launcher and its locks."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "repository"
        self.cache = folder / "cache"
        for name in LAUNCHER_FILES:
            target = self.root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(name, target)
        (self.root / "pants.toml").touch()

    def run(
        self, *arguments: str, cwd: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.root / "pants", *arguments],
            cwd=cwd or self.root,
            env={**os.environ, "XDG_CACHE_HOME": str(self.cache), **environment},
            capture_output=True,
            text=True,
        )

    def installations(self) -> list[Path]:
        return sorted(self.cache.glob("maxai-marketplace/pants-*"))

    def leftovers(self) -> list[Path]:
        return sorted(self.cache.glob("maxai-marketplace/.new-*"))


@pytest.fixture
def launcher(tmp_path: Path) -> Launcher:
    return Launcher(tmp_path)


def write_script(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def echo_installation(launcher: Launcher) -> Path:
    """Installs, in place of Pants, a program that prints how it was started.

    What the launcher does after the first use does not depend on what it installed.
    """
    key = subprocess.run(
        "cat pants 3rdparty/python/pants.lock 3rdparty/python/pex.lock | sha256sum",
        shell=True,
        cwd=launcher.root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout[:16]
    home = launcher.cache / "maxai-marketplace" / f"pants-{key}"
    shown = '"$MAXAI_PANTS_HOME" "$_PANTS_SERVER_EXE" "$@"'
    write_script(home / "client", f"#!/bin/sh\necho {shown}\n")
    write_script(home / "venv/bin/python", "#!/bin/sh\nexit 9\n")
    (home / "venv/bin/pants").touch()
    (home / "pex").touch()
    return home


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    """The first use, for real, by two launches at the same time."""
    launcher = Launcher(tmp_path_factory.mktemp("installed"))
    with ThreadPoolExecutor(2) as pool:
        launches = [pool.submit(launcher.run, "--version") for _ in range(2)]
    for launch in launches:
        result = launch.result()
        assert (result.returncode, result.stdout) == (0, f"{VERSION}\n"), result.stderr
        assert "first use: installing Pants" in result.stderr
    yield launcher
    for file in launcher.root.glob(".pids/*/pantsd/pid"):
        # A daemon that is about to end has emptied its file.
        if pid := file.read_text().strip():
            os.kill(int(pid), signal.SIGKILL)


def test_the_official_launcher_hands_over_to_this_one() -> None:
    # It does so only if both hold, says its source. It cannot be installed from a package index.
    settings = tomllib.loads(Path("pants.toml").read_text())
    assert settings["DEFAULT"]["delegate_bootstrap"] is True
    assert "pants_version" not in settings["GLOBAL"]


def test_two_first_uses_at_once_leave_one_installation(installed: Launcher) -> None:
    assert len(installed.installations()) == 1
    assert installed.leftovers() == []


def test_later_uses_need_neither_the_network_nor_a_python(installed: Launcher) -> None:
    result = installed.run(
        "--version",
        PATH="/usr/bin:/bin",
        HOME="/nonexistent",
        PIP_INDEX_URL="http://127.0.0.1:9/",
    )
    assert (result.returncode, result.stdout) == (0, f"{VERSION}\n"), result.stderr
    assert "installing" not in result.stderr


def test_arguments_and_the_folder_of_the_pex_cli_are_handed_on(
    launcher: Launcher,
) -> None:
    home = echo_installation(launcher)
    result = launcher.run("test", "::", "--", "a b")
    assert result.stdout == f"{home} {home}/server test :: -- a b\n"


def test_it_runs_from_any_folder_by_its_name_on_the_path(launcher: Launcher) -> None:
    home = echo_installation(launcher)
    below = launcher.root / "below"
    below.mkdir()
    result = subprocess.run(
        ["bash", "-c", "pants list"],
        cwd=below,
        env={
            **os.environ,
            "PATH": f"{launcher.root}:{os.environ['PATH']}",
            "XDG_CACHE_HOME": str(launcher.cache),
        },
        capture_output=True,
        text=True,
    )
    assert result.stdout == f"{home} {home}/server list\n"


@pytest.mark.parametrize("name", LAUNCHER_FILES)
def test_another_lock_or_launcher_is_another_installation(
    launcher: Launcher, name: str
) -> None:
    echo_installation(launcher)
    with (launcher.root / name).open("a") as file:
        file.write("# changed\n")
    result = launcher.run("--version", PANTS_PYTHON="/bin/false")
    assert result.returncode == 1
    assert "PANTS_PYTHON=/bin/false is not a CPython 3.9" in result.stderr


@pytest.mark.parametrize(
    "missing", ["client", "pex", "venv/bin/python", "venv/bin/pants"]
)
def test_half_an_installation_is_never_used(launcher: Launcher, missing: str) -> None:
    home = echo_installation(launcher)
    (home / missing).unlink()
    result = launcher.run("--version", PANTS_PYTHON="/bin/false")
    assert result.returncode == 1
    assert "PANTS_PYTHON" in result.stderr


def fake_python(folder: Path, pip: str) -> str:
    """A stub that says it is CPython 3.9 and whose pip does what the script says.

    It stands for package indexes that are out of reach or serve wrong files.
    """
    pip_script = f"#!/bin/sh\n{pip}\n"
    return str(
        write_script(
            folder / "python3.9",
            "#!/bin/sh\n"
            'case "$*" in\n'
            "-c*) exit 0 ;;\n"
            '"-m venv "*) mkdir -p "$3/bin"; '
            f"printf '%s' '{pip_script}' > \"$3/bin/python\"; "
            'chmod +x "$3/bin/python" ;;\n'
            "esac\n",
        )
    )


@pytest.mark.parametrize(
    ("pip", "message"),
    [
        (
            "echo WARNING: Retrying: NewConnectionError >&2; exit 1",
            "cannot reach the Python package index: the first use needs it. Check the "
            "network, or name your index in PIP_INDEX_URL.",
        ),
        (
            "echo ERROR: Could not find a version that satisfies x >&2; exit 1",
            "cannot reach the Python package index",
        ),
        (
            "echo ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE FILE >&2; exit 1",
            "a file whose hash is not the one in 3rdparty/python: nothing was installed",
        ),
        ("echo No space left on device >&2; exit 1", "No space left on device"),
        ("exit 1", "no output"),
        # The build of the pex CLI ends well, with another file than the expected one.
        (
            'for last; do :; done; case "$*" in *--python-shebang*) echo x > "$last" ;; esac',
            "the pex CLI that was built is not the expected one",
        ),
    ],
)
def test_a_failed_installation_is_one_message_and_leaves_nothing(
    launcher: Launcher, tmp_path: Path, pip: str, message: str
) -> None:
    result = launcher.run("--version", PANTS_PYTHON=fake_python(tmp_path, pip))
    assert result.returncode == 1
    assert result.stderr.count("pants: error: ") == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert launcher.installations() == []
    assert launcher.leftovers() == []


def test_without_a_network_the_real_pip_ends_in_one_message(launcher: Launcher) -> None:
    result = launcher.run(
        "--version",
        PIP_INDEX_URL="http://127.0.0.1:9/",
        PIP_CONFIG_FILE="/dev/null",
        PIP_FIND_LINKS="",
    )
    assert result.returncode == 1
    assert "cannot reach the Python package index" in result.stderr
    assert launcher.installations() == []


def test_a_wrong_hash_ends_in_one_message(launcher: Launcher) -> None:
    lock = launcher.root / "3rdparty/python/pants.lock"
    lock.write_text(f"ansicolors==1.1.8 --hash=sha256:{'0' * 64}\n")
    result = launcher.run("--version")
    assert result.returncode == 1
    assert "whose hash is not the one in 3rdparty/python" in result.stderr
    assert launcher.installations() == []


def test_no_cpython_39(launcher: Launcher, tmp_path: Path) -> None:
    # A shim that is there and does not start, as pyenv's may be.
    shim = write_script(tmp_path / "bin/python3.9", "#!/bin/sh\nexit 127\n").parent
    result = launcher.run(
        "--version",
        PATH=f"{shim}:/usr/bin:/bin",
        HOME=str(tmp_path),
        PYENV_ROOT=str(tmp_path),
    )
    assert result.returncode == 1
    assert result.stderr == (
        "pants: error: no CPython 3.9 found on the PATH or under pyenv: install one "
        "(pyenv install 3.9), or set PANTS_PYTHON to its path.\n"
    )


@pytest.mark.parametrize("python", ["/nonexistent/python", "/usr/bin/env"])
def test_pants_python_that_is_none(launcher: Launcher, python: str) -> None:
    result = launcher.run("--version", PANTS_PYTHON=python)
    assert result.returncode == 1
    assert result.stderr == (
        f"pants: error: PANTS_PYTHON={python} is not a CPython 3.9: set it to one, or "
        "unset it.\n"
    )


def test_a_cache_that_cannot_be_written(launcher: Launcher) -> None:
    launcher.cache.write_text("a file where the folder should be")
    result = launcher.run("--version")
    assert result.returncode == 1
    assert result.stderr == (
        f"pants: error: cannot write to the cache folder {launcher.cache}/"
        "maxai-marketplace: make it writable, or set XDG_CACHE_HOME to a folder that is.\n"
    )


def test_interpreters_are_looked_for_only_in_folders_that_have_one(
    launcher: Launcher, tmp_path: Path
) -> None:
    home = echo_installation(launcher)
    variable = "PANTS_PYTHON_BOOTSTRAP_SEARCH_PATH"
    write_script(home / "client", f'#!/bin/sh\necho "${variable}"\n')
    with_python, without = tmp_path / "a b", tmp_path / "c"
    write_script(with_python / "python3.11", "#!/bin/sh\n")
    write_script(tmp_path / 'q"' / "python3", "#!/bin/sh\n")
    (without / "python-docs").mkdir(parents=True)

    def shown(**environment: str) -> str:
        folders = map(str, (with_python, without, tmp_path / 'q"', "relative"))
        path = ":".join([*folders, "/usr/bin", "/bin"])
        result = launcher.run("list", cwd=None, PATH=path, **environment)
        return result.stdout.strip()

    found = shown(**{variable: ""})
    assert found.startswith(f'["<PYENV>", "{with_python}"')
    assert str(without) not in found and "q" not in found
    assert shown(**{variable: "['/opt/python']"}) == "['/opt/python']"
