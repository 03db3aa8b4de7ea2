"""Tests of the launcher ./pants, in repositories and with cache folders of their own."""

import hashlib
import os
import re
import subprocess
import tomllib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

LAUNCHER_FILES = ("pants", "3rdparty/python/pants.lock", "3rdparty/python/pex.lock")
LOCK = Path(LAUNCHER_FILES[1]).read_text()
SETTINGS = tomllib.loads(Path("pants.toml").read_text())
PEX = SETTINGS["DEFAULT"]["pex_sha256"]
COMPANY = 'prefix = "maxai"\nlicenses = "MIT"\nindexes = []\nfind_links = []\n'
VERSION = re.findall("^pantsbuild-pants==([0-9.]+)", LOCK, re.MULTILINE)[0]


def write(path: Path, content: str) -> Path:
    """Write an executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(0o755)
    return path


class Launcher:
    """A copy of the launcher and its locks."""

    def __init__(self, folder: Path) -> None:
        self.root, self.cache = folder / "repository", folder / "cache"
        for name in LAUNCHER_FILES:
            write(self.root / name, Path(name).read_text())
        (self.root / "pants.toml").write_text(f'[DEFAULT]\npex_sha256 = "{PEX}"\n')
        (self.root / "marketplace.toml").write_text(COMPANY)

    def run(
        self, *arguments: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.root / "pants", *arguments],
            cwd=self.root,
            env={**os.environ, "XDG_CACHE_HOME": str(self.cache), **environment},
            capture_output=True,
            text=True,
        )

    def error(self, **environment: str) -> str:
        """Return the message of a launch that fails and installs nothing."""
        result = self.run("--version", **environment)
        assert (result.returncode, result.stdout) == (1, "")
        *first_use, message = result.stderr.splitlines()
        assert all("first use: installing" in line for line in first_use)
        assert self.files(".new-*") == []
        return message.removeprefix("pants: error: ")

    def files(self, pattern: str) -> list[Path]:
        return sorted(self.cache.glob(f"maxai-marketplace/{pattern}"))

    def install_stub(self, *shown: str) -> Path:
        """Install a program that prints variables, in place of Pants."""
        files = b"".join((self.root / name).read_bytes() for name in LAUNCHER_FILES)
        key = hashlib.sha256(files).hexdigest()
        home = self.cache / f"maxai-marketplace/pants-{key[:16]}"
        for name in ("venv/bin/python", "venv/bin/pants", "pex"):
            write(home / name, "")
        write(home / "client", f"#!/bin/sh\necho \"{'|'.join(shown)}\"\n")
        return home


@pytest.fixture
def launcher(tmp_path: Path) -> Launcher:
    return Launcher(tmp_path)


def test_two_first_uses_leave_one_installation(launcher: Launcher) -> None:
    with ThreadPoolExecutor(2) as pool:
        launch = partial(launcher.run, PANTS_PANTSD="false")
        results = [*pool.map(launch, ["--version"] * 2)]
    assert all("first use: installing Pants" in result.stderr for result in results)
    assert len(launcher.files("*")) == len(launcher.files("pants-*")) == 1
    offline = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "HOME": "/nonexistent"}
    offline |= {"PATH": "/usr/bin:/bin", "PANTS_PANTSD": "false"}
    results.append(launcher.run("--version", **offline))
    for result in results:
        assert (result.returncode, result.stdout) == (0, f"{VERSION}\n"), result.stderr
    assert "installing" not in results[-1].stderr


def test_the_official_launcher_hands_over_to_this_one() -> None:
    # It does so only if both hold, says its source. It cannot be installed from a package index.
    assert SETTINGS["DEFAULT"]["delegate_bootstrap"] is True
    assert "pants_version" not in SETTINGS["GLOBAL"]


def test_it_runs_by_its_name_and_hands_arguments_on(launcher: Launcher) -> None:
    home = launcher.install_stub("$MAXAI_PANTS_HOME", "$_PANTS_SERVER_EXE", "$*")
    path = f"{launcher.root}:{os.environ['PATH']}"
    env = {"PATH": path, "XDG_CACHE_HOME": str(launcher.cache)}
    command = ["bash", "-c", "pants test :: -- 'a b'"]
    by_name = subprocess.check_output(command, cwd=home, env=env, text=True)
    assert by_name == f"{home}|{home}/server|test :: -- a b\n"


def test_deployments_need_no_pants(launcher: Launcher, tmp_path: Path) -> None:
    module = launcher.root / "build-support/tools/maxaitools/deployments.py"
    write(module, "import sys\nprint(*sys.version_info[:2], sys.argv[1:])\n")
    done = launcher.run("deployments", "diff", "a b")
    assert re.fullmatch(r"3 1[1-9] \['diff', 'a b'\]\n", done.stdout)
    for name in ("python3", "python3.11"):
        write(tmp_path / name, "#!/bin/sh\nexit 1\n")
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin", "PYENV_ROOT": str(tmp_path)}
    error = launcher.run("deployments", "status", **path).stderr
    assert error.startswith("pants: error: no CPython 3.11 found on the PATH, under")
    assert launcher.files("*") == []


@pytest.mark.parametrize("name", [*LAUNCHER_FILES, "client", "pex", "venv/bin/pants"])
def test_half_an_installation_is_repeated(launcher: Launcher, name: str) -> None:
    home = launcher.install_stub("")
    if name in LAUNCHER_FILES:
        (launcher.root / name).write_text(Path(name).read_text() + "# changed\n")
    else:
        (home / name).unlink()
    message = launcher.error(PANTS_PYTHON="/bin/false")
    assert message.startswith("PANTS_PYTHON=/bin/false is not a CPython 3.9: set it")


def test_a_failed_install_leaves_nothing(launcher: Launcher, tmp_path: Path) -> None:
    # A shim that is there and does not start, as pyenv's may be.
    shim = write(tmp_path / "bin/python3.9", "#!/bin/sh\nexit 127\n").parent
    homes = dict.fromkeys(("HOME", "PYENV_ROOT"), str(tmp_path))
    message = launcher.error(PATH=f"{shim}:/usr/bin:/bin", **homes)
    assert message.startswith("no CPython 3.9 found on the PATH, under pyenv or")
    message = launcher.error(XDG_CACHE_HOME="/dev/null")
    assert message.startswith("cannot write to the cache folder /dev/null/maxai-mark")
    index = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_CONFIG_FILE": "/dev/null"}
    message = launcher.error(**index, PIP_FIND_LINKS="")
    assert message.startswith("cannot reach the Python package index: the first use")
    (launcher.root / "pants.toml").write_text('pex_sha256 = "0"\n')
    message = launcher.error()
    assert message.startswith("the pex CLI that was built is not the expected one")
    lock = launcher.root / "3rdparty/python/pants.lock"
    lock.write_text(f"ansicolors==1.1.8 --hash=sha256:{'0' * 64}\n")
    assert "whose hash is not the one in 3rdparty/python" in launcher.error()
    assert launcher.files("*") == []


def test_search_path_has_interpreters(launcher: Launcher, tmp_path: Path) -> None:
    variable = "PANTS_PYTHON_BOOTSTRAP_SEARCH_PATH"
    launcher.install_stub(f"${variable}")
    for name in ("a b/python3.11", 'q"/python3', "c/python-docs/index"):
        write(tmp_path / name, "")
    path = f'{tmp_path}/a b:{tmp_path}/c:{tmp_path}/q":relative:/usr/bin:/bin'
    found = launcher.run("list", PATH=path, **{variable: ""}).stdout
    assert found.startswith(f'["<PYENV>", "{tmp_path}/a b", "/usr/bin"')


NEEDED = "fsspec\npandas>=2\nPyArrow >= 18 , <30 ; python_version<'4'  # as tested\npydantic\n"
TXT, LOCK_FILE = "requirements.txt", "requirements.lock"
LOCKED = "# Compiled from requirements.txt; to refresh: ...\n# inputs sha256: 0\n"
READY = {TXT: NEEDED, LOCK_FILE: LOCKED, "BUILD": "", "Dockerfile": ""}
WRONG = (
    "not a requirement such as pandas>=2.2; write one package in each line, without "
)
WRONG += "options, URLs, paths or a byte-order mark"


def read_domains(
    launcher: Launcher, *ready: str, **others: str
) -> tuple[list[str], str]:
    """Return what the launcher passes to Pants about domains, and prints."""
    launcher.install_stub("$MAXAI_DOMAINS", "$PANTS_PYTHON_RESOLVES", "$MAXAI_PROBLEMS")
    files = {f"{name}/{file}": READY[file] for name in ready for file in READY}
    for path, content in (files | others).items():
        write(launcher.root / "maxaiusecases" / path, content)
    done = launcher.run("list")
    return done.stdout.strip().split("|"), done.stderr


def test_each_ready_folder_is_a_domain(launcher: Launcher) -> None:
    (launcher.root / ".pids").mkdir()
    assert read_domains(launcher) == (["", "+{}", ""], "")
    # Git leaves the last one behind when it checks out another branch.
    others = {"mines/.python-version": " 3.13.1\r\n", "old/churn/x.pyc": ""}
    entry = "'{0}': 'maxaiusecases/{0}/requirements.lock', "
    resolves = f"+{{{entry.format('bank')}{entry.format('mines')}}}"
    passed = ["bank=3.11 mines=3.13 ", resolves, ""]
    assert read_domains(launcher, "bank", "mines", **others) == (passed, "")


def test_the_settings_of_the_company_are_passed_on(launcher: Launcher) -> None:
    indexes, links = "PANTS_PYTHON_REPOS_INDEXES", "PANTS_PYTHON_REPOS_FIND_LINKS"
    launcher.install_stub(
        "$MAXAI_PREFIX", "$MAXAI_LICENSES", f"${indexes}", f"${links}"
    )
    unset = {indexes: "", links: ""}
    assert launcher.run("list", **unset).stdout == "maxai|MIT||\n"
    file = launcher.root / "marketplace.toml"
    file.write_text(
        'prefix="example.com/a_b/ai"  # Ours.\nlicenses = "MIT OR 0BSD"\n'
        'indexes = ["https://u:p@i/",\n  "https://j/"]\nfind_links = ["%(buildroot)s/w"]\n'
    )
    expected = 'example.com/a_b/ai|MIT OR 0BSD|["https://u:p@i/",\n  "https://j/"]|'
    assert launcher.run("list", **unset).stdout == f'{expected}["{launcher.root}/w"]\n'
    own = {indexes: '["https://own/"]', links: "['a']"}
    assert launcher.run("list", **own).stdout.endswith("""|["https://own/"]|['a']\n""")
    for line in COMPANY.splitlines():
        key = line.partition(" ")[0]
        for wrong in ("", f"{key} = 1", f"other_{line}", f'{key} = "Ma/:"xai"'):
            file.write_text(COMPANY.replace(line, wrong))
            message = f"marketplace.toml: the key '{key}' is missing or not valid: wri"
            assert launcher.error().startswith(message)


@pytest.mark.parametrize(
    ("path", "content", "problem"),
    [
        (f"a/{TXT}", None, f"a/{TXT}: missing; run ./pants new adopt a"),
        ("a/BUILD", None, "a/BUILD: missing; run ./pants new adopt a"),
        ("a/Dockerfile", None, "a/Dockerfile: missing; run ./pants new adopt a"),
        (f"a/{LOCK_FILE}", None, f"a/{LOCK_FILE}: missing; run ./pants lock a"),
        *(
            (f"a/{LOCK_FILE}", text, f"a/{LOCK_FILE}: not as ./pants lock writes it; ")
            for text in ("", "\0\nx", f"{LOCKED}<<<<<<< HEAD\n")
        ),
        (f"a/{TXT}", "pandas", f"a/{TXT}: maxairesources also needs fsspec, pyarrow, "),
        *(
            (f"a/{TXT}", f"# 1\n\n{line}", f"a/{TXT}:3: not a requirement such as p")
            for line in ("-r base.txt", "numpy=2", "numpy 2", "<<<<<<< HEAD", "a @ b:c")
        ),
        (f"a/{TXT}", f"\ufeff{NEEDED}", f"a/{TXT}:1: {WRONG}"),
        (
            f"a/{TXT}",
            f"-r a\n{NEEDED}b=1\n",
            f"a/{TXT}:1: {WRONG}\nmaxaiusecases/a/{TXT}:6: {WRONG}",
        ),
        ("a/.python-version", "pypy3.9\n", "a/.python-version: not a version such as"),
        ("it's/BUILD", "", "it's: not a valid name of a domain;"),
        ("a-b/BUILD", "", "a-b: not a valid name of a domain;"),
    ],
)
def test_a_domain_that_cannot_be_built_stops_no_other(
    launcher: Launcher, path: str, content: str | None, problem: str
) -> None:
    read_domains(launcher, "bank", path.partition("/")[0])
    if content is None:
        (launcher.root / "maxaiusecases" / path).unlink()
    changed = {} if content is None else {path: content}
    (names, resolves, problems), printed = read_domains(launcher, **changed)
    assert names == "bank=3.11 " and "'bank'" in resolves
    assert problems.startswith(f"maxaiusecases/{problem}")
    assert problems.count("\n") == problem.count("\n")
    for line in problems.splitlines():
        assert f" is not built: {line}\n" in printed
