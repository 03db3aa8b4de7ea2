"""Runs the real build-support/setup on machines that lack something.

A machine is a folder: the only folder on the PATH holds Debian's basic commands and stubs of docker,
apt-get and the like. CI runs setup on a real machine.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

SETUP = Path(__file__).resolve().parent / "setup"
BASIC = "bash cat cp dirname env grep head mkdir mktemp rm sed setsid sleep tail touch"
# The stub of all other commands. It logs what changes something. apt-get installs all commands, but
# its lists of packages are out of date before an update.
STUB = """\
log() { echo "${0##*/} $*" >> "$HOME/changes"; }
for last; do :; done
image=${last##*/} image=$HOME/images/${image%%:*}
case "${0##*/} $*" in
    git*) echo git version 2 ;;
    id*) echo 0 ;;
    java*) echo 'openjdk version "17.0.15" 2025-04-15' >&2 ;;
    python3.*) echo "cpython${0##*/python}" ;;
    *" -m venv "*) log "$@"; mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; cp "$HOME/apt/uv" "$3/bin" ;;
    *" -m pip "*) log "$@"; cat "$last" >> "$HOME/changes" ;;
    uv*) log "$@"; mkdir -p "$UV_PYTHON_BIN_DIR"; cp "$HOME/apt/python$4" "$UV_PYTHON_BIN_DIR" ;;
    "docker version"*) [ -e "$HOME/engine" ] && echo version 1 ;;
    "docker image"*) cat "$image" 2> /dev/null ;;
    "docker pull"*) log "$@"; echo manifest unknown >&2; exit 1 ;;
    dockerd*) log "$@"; touch "$HOME/engine"; sleep 2 ;;
    apt-get*update*) log "$@"; touch "$HOME/updated" ;;
    apt-get*) log "$@"; [ -e "$HOME/updated" ] && cp "$HOME"/apt/* "$HOME/bin" ;;
    "base-image tag"*) echo "maxai/$2:abc" ;;
    "base-image build"*) log "$@"; touch "$image" ;;
esac"""
COMMANDS = "git id java python3 python3.9 python3.11 uv docker apt-get mmdebstrap "
COMMANDS += "docker-registry dot jq skopeo"
DEBIAN = "ID=debian\nVERSION_CODENAME=bookworm\n"
DEBIAN_13 = "ID=debian\nVERSION_CODENAME=trixie\n"
UBUNTU = "ID=ubuntu\nID_LIKE=debian\n"
Stubs = dict[str, str]


class Machine:
    """A machine of root's with everything but some commands and images, and "engine"."""

    def __init__(self, folder: Path, lacks: str, system: str, stubs: Stubs) -> None:
        self.folder, absent = folder, {*lacks.split()}
        for name in ("bin", "images", "etc", "var/log", "var/run"):
            (folder / name).mkdir(parents=True)
        for name in BASIC.split():
            (folder / "bin" / name).symlink_to(f"/usr/bin/{name}")
        for name in [*COMMANDS.split(), *stubs]:
            self.stub(f"apt/{name}", stubs.get(name, STUB))
            if name not in absent:
                shutil.copy(folder / "apt" / name, folder / "bin")
        self.stub("apt/dockerd", STUB)
        (folder / "etc/os-release").write_text(system)
        self.stub("repo/images/base-image", STUB)
        shutil.copy(SETUP, folder / "repo/setup")
        if not {"engine", "docker"} & absent:
            (folder / "engine").touch()
            for image in {"python", "spark"} - absent:
                (folder / "images" / image).touch()

    def stub(self, path: str, body: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/sh\n{body}\n")
        file.chmod(0o755)

    def run(self, *arguments: str, **env: str) -> tuple[int, str, str]:
        """Run setup, and return its exit code, its output and the calls that change something."""
        changes, home = self.folder / "changes", str(self.folder)
        changes.write_text("")
        done = subprocess.run(
            [str(self.folder / "repo/setup"), *arguments],
            env={"PATH": f"{home}/bin", "HOME": home, "MAXAI_SYSTEM_ROOT": home, **env},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for sign in ("unbound variable", "syntax error", "/setup: line"):
            assert sign not in done.stdout, done.stdout
        return done.returncode, done.stdout, changes.read_text()


def test_a_complete_machine_is_left_alone(tmp_path: Path) -> None:
    here = Machine(tmp_path, "python3.9", DEBIAN, {})
    pyenv = ".pyenv/versions/3.9.18/bin/python3.9"
    here.stub(pyenv, STUB)
    for arguments in (["--check"], []):
        code, output, changes = here.run(*arguments)
        assert (code, changes) == (0, "")
        assert output.count("ok ") == 8 == len(output.splitlines())
        assert f"ok       CPython 3.9: {tmp_path}/{pyenv}" in output
    code, output, changes = here.run("--force")
    assert (code, changes) == (2, "") and "see build-support/setup --help" in output


OLD_JAVA = {"java": """echo 'openjdk version "1.8.0_292"' >&2"""}
SHIM = {"python3.9": "echo pyenv: not installed >&2; exit 127"}
ELSEWHERE = {"docker": '[ -n "$DOCKER_HOST" ] && echo version 1', "dockerd": "exit 1"}
NO_ROOT = {"id": "echo 1000"}
USER = ELSEWHERE | NO_ROOT


@pytest.mark.parametrize(
    ("lacks", "system", "stubs", "env", "message"),
    [
        ("git", DEBIAN, {}, {}, "git: setup installs git"),
        ("git", DEBIAN, NO_ROOT, {}, "git: by hand: run sudo apt-get install git"),
        ("git apt-get", UBUNTU, {}, {}, "git: by hand: install git"),
        ("docker", UBUNTU, {}, {}, "run sudo apt-get install docker.io iptables\n"),
        ("", DEBIAN, USER, {}, "run sudo systemctl start docker; if"),
        ("spark engine", DEBIAN, USER, {}, "by hand: first the Docker"),
        ("", DEBIAN, ELSEWHERE, {"DOCKER_HOST": "x"}, "Docker engine: by hand: unset"),
        ("spark", DEBIAN, {}, {}, "base image spark: setup builds maxai/spark:abc"),
        ("spark mmdebstrap", UBUNTU, {}, {}, "base image spark: by hand: set MAXAI"),
        ("", DEBIAN, OLD_JAVA, {}, "Java 17 or newer: setup installs default-jre"),
        ("", DEBIAN, OLD_JAVA, {"JAVA_HOME": "/x"}, "Java 17 or newer: by hand: JAVA"),
        ("", DEBIAN, SHIM, {}, "CPython 3.9: setup installs it with uv"),
        ("", DEBIAN, SHIM, {"PANTS_PYTHON": "/x"}, "by hand: set PANTS_PYTHON (/x)"),
        ("python3.11 python3 uv", DEBIAN, {}, {}, "uv: setup installs python3-venv"),
        ("python3.9 python3 uv", UBUNTU, {}, {}, "apt-get install python3-venv"),
    ],
)
def test_what_is_missing_is_printed_before_anything_changes(
    tmp_path: Path, lacks: str, system: str, stubs: Stubs, env: Stubs, message: str
) -> None:
    here = Machine(tmp_path, lacks, system, stubs)
    code, output, changes = here.run("--check", **env)
    assert (code, changes) == (1, "") and message in output, output
    if "by hand" in message:
        code, again, changes = here.run(**env)
        assert (code, changes) == (3, "") and again.startswith(output)
        on_debian = system == DEBIAN and "id" in stubs
        assert ("or run it with sudo" in again) is on_debian


def test_everything_is_brought_and_then_nothing(tmp_path: Path) -> None:
    lacks = "git docker mmdebstrap java docker-registry dot jq skopeo"
    here = Machine(tmp_path, lacks, DEBIAN_13, {})
    code, output, changes = here.run(MAXAI_REGISTRY="registry.invalid/team")
    assert code == 0, output
    docker = "git docker.io iptables docker-cli default-jre-headless"
    pull = "docker pull registry.invalid/team/maxai/spark:abc"
    wanted = (
        f"{docker} docker-registry jq skopeo graphviz",
        "dockerd",
        pull,
        "build spark",
    )
    assert all(part in changes for part in wanted), changes
    assert "it cannot be pulled: manifest unknown" in output
    assert f"to stop it: kill $(cat {tmp_path}/var/run/docker.pid)" in output
    assert here.run()[::2] == (0, "")


@pytest.mark.parametrize("lacks", ["python3.9", "python3.9 uv"])
def test_uv_installs_cpython_for_a_user(tmp_path: Path, lacks: str) -> None:
    here = Machine(tmp_path, lacks, UBUNTU, NO_ROOT)
    here.stub("3rdparty/python/build-support.lock", "")
    lock = "a==1 \\\n    --hash=a\nuv==2 \\\n    --hash=b \\\n    --hash=c\nz==1\n"
    (tmp_path / "3rdparty/python/build-support.lock").write_text(lock)
    code, output, changes = here.run()
    assert code == 0 and "uv python install --no-progress 3.9" in changes, output
    assert f"ok       CPython 3.9: {tmp_path}/.local/bin/python3.9" in output
    pinned = "uv==2 \\\n    --hash=b \\\n    --hash=c\n"
    assert (pinned in changes) is ("uv" in lacks) and "z==1" not in changes


def test_a_failure_shows_the_end_of_the_output(tmp_path: Path) -> None:
    here = Machine(tmp_path, "engine", DEBIAN, {})
    here.stub("bin/dockerd", "echo no driver; exit 1")
    code, output, _ = here.run(MAXAI_ENGINE_TIMEOUT="1")
    assert code == 1
    assert "  no driver\nsetup: the Docker engine does not answer" in output
