"""Runs the real build-support/setup on machines that lack something.

A machine is a folder: the only folder on the PATH holds Debian's basic commands and
stubs of docker, dockerd, apt-get and the like, each of which notes that it was called.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Set
from pathlib import Path

import pytest

SETUP = Path(__file__).resolve().parent / "setup"
BASIC = "bash cat cp dirname env grep head mktemp rm sed setsid sleep tail touch"
COMPLETE = {
    *("git", "python3.9", "python3.11", "docker", "mmdebstrap", "java"),
    *("docker-registry", "skopeo"),
}
BASES = ("maxai/python:abc", "maxai/spark:abc")

STUBS = {
    "git": "echo git version 2",
    "python3.9": "echo cpython3.9",
    "python3.11": "echo cpython3.11",
    "base-image": """
case $1 in
    tag) echo "maxai/$2:abc" ;;
    build)
        if [ -e "$MACHINE/build-fails" ]; then echo no mirror >&2; exit 3; fi
        touch "$MACHINE/images/$2" ;;
esac""",
    "docker": """
for last; do :; done
name=${last##*/} name=${name%%:*}
case $1 in
    version) [ -e "$MACHINE/engine" ] && echo version 1 ;;
    image) cat "$MACHINE/images/$name" 2> /dev/null ;;
    pull) [ -e "$MACHINE/registry" ] || { echo manifest unknown >&2; exit 1; } ;;
    tag) touch "$MACHINE/images/$name" ;;
esac""",
    "docker-registry": "exit 1",
    "skopeo": "exit 1",
    "dockerd": 'touch "$MACHINE/engine"; sleep 2',
    "mmdebstrap": "exit 1",
    "java": """echo 'openjdk version "17.0.15" 2025-04-15' >&2""",
    "id": 'cat "$MACHINE/uid"',
    "apt-get": """
case " $* " in
    *" update "*)
        touch "$MACHINE/updated" ;;
    *)
        for package; do
            [ ! -e "$MACHINE/apt/$package" ] || found=1
            cp "$MACHINE/apt/$package"/* "$MACHINE/bin" 2> /dev/null
        done
        if [ -e "$MACHINE/apt-stale" ] && [ ! -e "$MACHINE/updated" ]; then found=; fi
        [ -n "$found" ] || { echo E: Unable to locate package >&2; exit 100; } ;;
esac""",
}
PACKAGES = {
    "default-jre-headless": ("java",),
    "docker-registry": ("docker-registry",),
    "docker.io": ("docker", "dockerd"),
    "git": ("git",),
    "mmdebstrap": ("mmdebstrap",),
    "python3.11": ("python3.11",),
    "skopeo": ("skopeo",),
}
CHANGES = ("apt-get -y", "docker pull", "docker tag", "dockerd", "build ", "systemctl")


class Machine:
    def __init__(self, folder: Path, commands: Set[str], uid: int, os_release: str):
        self.folder, self.bin = folder, folder / "bin"
        self.env: dict[str, str] = {}
        for name in ("bin", "images", "home", "apt", "etc", "var/log", "var/run"):
            (folder / name).mkdir(parents=True)
        for name in BASIC.split():
            real = shutil.which(name, path="/usr/bin:/bin")
            assert real, f"{name} is needed by this test"
            (self.bin / name).symlink_to(real)
        for package, contents in PACKAGES.items():
            for name in contents:
                self.stub(name, folder=folder / "apt" / package)
        for name in commands | {"id", "apt-get"}:
            self.stub(name)
        (folder / "uid").write_text(f"{uid}\n")
        (folder / "etc/os-release").write_text(os_release)
        self.setup = folder / "repo/build-support/setup"
        self.setup.parent.mkdir(parents=True)
        shutil.copy(SETUP, self.setup)
        self.stub("base-image", folder=self.setup.parent / "images")

    def stub(self, name: str, body: str = "", folder: Path | None = None) -> None:
        path = (folder or self.bin) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        note = f'#!/bin/sh\necho "{name} $*" >> "$MACHINE/calls"\n'
        path.write_text(note + (body or STUBS[name]) + "\n")
        path.chmod(0o755)

    def has(self, *files: str) -> None:
        for name in files:
            (self.folder / name).touch()

    def run(self, *arguments: str) -> tuple[int, str]:
        env = {
            "PATH": str(self.bin),
            "HOME": str(self.folder / "home"),
            "MACHINE": str(self.folder),
            "MAXAI_SYSTEM_ROOT": str(self.folder),
            **self.env,
        }
        command = [str(self.setup), *arguments]
        done = subprocess.run(
            command,
            env=env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for sign in ("Traceback", "unbound variable", "syntax error", "/setup: line"):
            assert sign not in done.stdout, done.stdout
        return done.returncode, done.stdout

    def changes(self) -> list[str]:
        calls = self.folder / "calls"
        lines = calls.read_text().splitlines() if calls.exists() else []
        return [line for line in lines if any(sign in line for sign in CHANGES)]


DEBIAN = "ID=debian\nVERSION_CODENAME=bookworm\n"
DEBIAN_13 = "ID=debian\nVERSION_CODENAME=trixie\n"


def machine(
    folder: Path,
    *,
    lacks: Set[str] = frozenset(),
    uid: int = 0,
    os_release: str = DEBIAN,
) -> Machine:
    """Returns a machine with everything but these commands, "engine" and "images"."""
    result = Machine(folder, COMPLETE - lacks, uid, os_release)
    if not lacks & {"engine", "docker"}:
        result.has("engine")
    if not lacks & {"images", "engine", "docker"}:
        for base in BASES:
            name = base.split("/")[1].split(":")[0]
            (folder / "images" / name).touch()
    return result


def test_help(tmp_path: Path) -> None:
    code, output = machine(tmp_path).run("--help")
    assert code == 0 and output.startswith("usage: build-support/setup [--check]")


@pytest.mark.parametrize("arguments", [["--force"], ["install"], ["--check", "-x"]])
def test_wrong_usage(tmp_path: Path, arguments: list[str]) -> None:
    here = machine(tmp_path)
    code, output = here.run(*arguments)
    assert (code, here.changes()) == (2, []) and "--help" in output


def test_a_complete_machine_is_left_alone(tmp_path: Path) -> None:
    here = machine(tmp_path)
    for arguments in (["--check"], []):
        code, output = here.run(*arguments)
        assert (code, here.changes()) == (0, [])
        assert output.count("ok ") == 8 == len(output.splitlines())


@pytest.mark.parametrize(
    ("lacks", "message"),
    [
        ("git", "git: setup installs git"),
        ("python3.9", "CPython 3.9: by hand: run `pyenv install 3.9`, or set PANTS_PY"),
        ("python3.11", "CPython 3.11: setup installs python3.11 python3.11-venv"),
        ("docker", "Docker engine: setup installs docker.io iptables"),
        ("engine", "Docker engine: setup installs docker.io iptables"),
        ("images", "base image spark: setup builds maxai/spark:abc"),
        ("java", "Java 17 or newer: setup installs default-jre-headless"),
        ("docker-registry", "registry: setup installs docker-registry"),
        ("skopeo", "registry: setup installs skopeo"),
    ],
)
def test_check_prints_what_is_missing(tmp_path: Path, lacks: str, message: str) -> None:
    here = machine(tmp_path, lacks={lacks})
    code, output = here.run("--check")
    assert (code, here.changes()) == (1, [])
    assert f"missing  {message}" in output


@pytest.mark.parametrize("os_release", [DEBIAN, DEBIAN_13])
def test_everything_is_brought_and_then_nothing(
    tmp_path: Path, os_release: str
) -> None:
    lacks = COMPLETE - {"python3.9", "python3.11"}
    here = machine(tmp_path, lacks=lacks, os_release=os_release)
    if os_release == DEBIAN_13:
        (tmp_path / "apt/docker.io/docker").unlink()
        here.stub("docker", folder=tmp_path / "apt/docker-cli")
    here.has("apt-stale")
    code, output = here.run()
    assert code == 0, output
    changes = "\n".join(here.changes())
    for part in (
        "git docker.io iptables",
        "default-jre-headless",
        "skopeo",
        "build spark",
    ):
        assert part in changes
    assert "dockerd --storage-driver overlay2" in changes
    assert f"to stop it: kill $(cat {tmp_path}/var/run/docker.pid)" in output
    (tmp_path / "calls").unlink()
    assert here.run()[0] == 0
    assert here.changes() == []


@pytest.mark.parametrize(
    ("lacks", "os_release", "uid", "message"),
    [
        ("docker", DEBIAN, 1000, "install docker.io iptables"),
        ("docker", "ID=ubuntu\nID_LIKE=debian\n", 0, "install docker.io iptables"),
        ("skopeo", "ID=fedora\n", 0, "install skopeo"),
        ("java", DEBIAN, 1000, "install default-jre-headless"),
        ("python3.9", DEBIAN, 0, "run `pyenv install 3.9`, or set PANTS_PYTHON"),
        ("python3.11", DEBIAN, 1000, "install python3.11 python3.11-venv"),
        ("python3.11", DEBIAN_13, 0, "run `pyenv install 3.11`"),
    ],
)
def test_by_hand(
    tmp_path: Path, lacks: str, os_release: str, uid: int, message: str
) -> None:
    here = machine(tmp_path, lacks={lacks, "git"}, os_release=os_release, uid=uid)
    code, output = here.run()
    # Everything is printed, before anything changes.
    assert (code, here.changes()) == (3, [])
    assert f"by hand: {message}" in output and "missing  git: " in output


@pytest.mark.parametrize("host", ["", "tcp://engine.invalid:2375"])
def test_an_engine_that_setup_cannot_start(tmp_path: Path, host: str) -> None:
    here = machine(tmp_path, uid=1000)
    here.stub("docker", '[ -n "$DOCKER_HOST" ] && echo version 1')
    here.stub("dockerd")
    here.env["DOCKER_HOST"] = host
    code, output = here.run()
    assert (code, here.changes()) == (3, [])
    assert ("unset DOCKER_HOST" if host else "add you to the group docker") in output


def test_a_python_that_does_not_start_or_is_another_version(tmp_path: Path) -> None:
    here = machine(tmp_path)
    here.stub("python3.9", "echo pyenv: python3.9: command not found >&2; exit 127")
    assert here.run()[0] == 3
    real = tmp_path / "home/.pyenv/versions/3.9.18/bin"
    real.mkdir(parents=True)
    here.stub("python3.9", folder=real)
    assert f"ok       CPython 3.9: {real}/python3.9" in here.run("--check")[1]
    here.env["PANTS_PYTHON"] = str(here.bin / "python3.11")
    code, output = here.run()
    assert (code, here.changes()) == (3, []) and "/python3.11)" in output


@pytest.mark.parametrize(
    ("dockerd", "message"),
    [
        ("echo driver not supported: overlay2; exit 1", "  driver not supported"),
        (
            "echo waiting; trap 'touch $MACHINE/ended; exit' TERM; while :; do sleep 0.1; done",
            "  waiting",
        ),
    ],
)
def test_an_engine_that_does_not_answer_is_ended(
    tmp_path: Path, dockerd: str, message: str
) -> None:
    here = machine(tmp_path, lacks={"engine"})
    here.stub("dockerd", dockerd)
    # The process of this number is alive but not an engine, as after a crash.
    (tmp_path / "var/run/docker.pid").write_text(str(os.getpid()))
    here.env["MAXAI_ENGINE_TIMEOUT"] = "1"
    code, output = here.run()
    assert code == 1
    assert message in output and "setup: the Docker engine does not answer" in output
    while "trap" in dockerd and not (tmp_path / "ended").exists():
        time.sleep(0.1)


def test_a_service_manager_starts_the_engine_and_no_registry(tmp_path: Path) -> None:
    here = machine(tmp_path, lacks={"engine", "docker-registry"})
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    here.stub("dockerd")
    here.stub("systemctl", '[ "$1" = mask ] || touch "$MACHINE/engine"')
    code, output = here.run()
    assert code == 0, output
    mask, install, start, *_ = here.changes()
    assert mask == "systemctl mask docker-registry"
    assert install.endswith(" docker-registry") and start == "systemctl start docker"


def test_bases_are_pulled_from_the_registry(tmp_path: Path) -> None:
    here = machine(tmp_path, lacks={"images", "mmdebstrap"}, uid=1000)
    here.has("registry")
    here.env["MAXAI_REGISTRY"] = "registry.invalid:5000/team"
    code, output = here.run()
    assert code == 0, output
    expected = []
    for base in BASES:
        there = f"registry.invalid:5000/team/{base}"
        expected += [f"docker pull {there}", f"docker tag {there} {base}"]
    assert here.changes() == expected


def test_bases_that_the_registry_lacks_are_built(tmp_path: Path) -> None:
    here = machine(tmp_path, lacks={"images"})
    here.env["MAXAI_REGISTRY"] = "registry.invalid"
    code, output = here.run()
    assert code == 0
    assert "it cannot be pulled: manifest unknown" in output
    assert sum("build python" in line for line in here.changes()) == 1


@pytest.mark.parametrize("registry", ["", "registry.invalid"])
def test_bases_that_can_be_neither_pulled_nor_built(
    tmp_path: Path, registry: str
) -> None:
    here = machine(tmp_path, lacks={"images", "mmdebstrap"}, uid=1000)
    here.env["MAXAI_REGISTRY"] = registry
    code, output = here.run()
    assert code == 3 and "mmdebstrap and debian-archive-keyring" in output


@pytest.mark.parametrize(("has_keyring", "code"), [(True, 0), (False, 3)])
def test_ubuntu_builds_bases_with_the_keys_of_debian(
    has_keyring: bool, code: int, tmp_path: Path
) -> None:
    ubuntu = "ID=ubuntu\nID_LIKE=debian\n"
    here = machine(tmp_path, lacks={"images"}, uid=1000, os_release=ubuntu)
    if has_keyring:
        keyrings = tmp_path / "usr/share/keyrings"
        keyrings.mkdir(parents=True)
        (keyrings / "debian-archive-keyring.gpg").touch()
    found, output = here.run()
    assert found == code, output
    assert sum("build python" in line for line in here.changes()) == has_keyring


def test_a_base_that_does_not_build(tmp_path: Path) -> None:
    here = machine(tmp_path, lacks={"images"})
    here.has("build-fails")
    code, output = here.run()
    assert code == 1 and "  no mirror" in output
    assert "setup: maxai/python:abc could not be built" in output


@pytest.mark.parametrize("version", ["1.8.0_292", "11.0.2", "16"])
@pytest.mark.parametrize("home", [True, False])
def test_java_too_old(tmp_path: Path, version: str, home: bool) -> None:
    here = machine(tmp_path, uid=1000)
    old = tmp_path / "jdk/bin"
    body = f"""echo 'openjdk version "{version}"' >&2"""
    here.stub("java", body, folder=old if home else None)
    if home:
        here.env["JAVA_HOME"] = str(old.parent)
    code, output = here.run()
    assert (code, here.changes()) == (3, [])
    assert ("JAVA_HOME is openjdk" if home else "install default-jre") in output


def test_apt_get_that_fails(tmp_path: Path) -> None:
    here = machine(tmp_path, lacks={"java"})
    shutil.rmtree(tmp_path / "apt/default-jre-headless")
    code, output = here.run()
    assert code == 1 and "  E: Unable to locate package" in output
    assert "setup: apt-get could not install default-jre-headless" in output
