"""Runs the real build-support/setup on machines that lack something.

A machine is a folder: the only folder on the PATH holds Debian's basic commands and
stubs of docker, apt-get and the like, each of which notes that it was called.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SETUP = Path(__file__).resolve().parent / "setup"
BASIC = "bash cat cp dirname env grep head mktemp rm sed setsid sleep tail touch"
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
    "dockerd": 'touch "$MACHINE/engine"; sleep 2',
    "java": """echo 'openjdk version "17.0.15" 2025-04-15' >&2""",
    "docker-registry": "exit 1",
    "skopeo": "exit 1",
    "mmdebstrap": "exit 1",
    "id": 'cat "$MACHINE/uid"',
    "systemctl": '[ "$1" = mask ] || touch "$MACHINE/engine"',
    # Its lists of packages are out of date before an update.
    "apt-get": """
case " $* " in
    *" update "*) touch "$MACHINE/updated" ;;
    *)
        [ -e "$MACHINE/updated" ] || exit 100
        for package; do
            [ "$package" != default-jre-headless ] || package=java
            [ "$package" != docker.io ] || { package=docker; cp "$MACHINE/apt/dockerd" "$MACHINE/bin"; }
            [ ! -e "$MACHINE/apt/$package" ] || cp "$MACHINE/apt/$package" "$MACHINE/bin"
        done ;;
esac""",
}
CHANGES = ("apt-get -y", "docker pull", "docker tag", "dockerd", "build ", "systemctl")
DEBIAN = "ID=debian\nVERSION_CODENAME=bookworm\n"
DEBIAN_13 = "ID=debian\nVERSION_CODENAME=trixie\n"
UBUNTU = "ID=ubuntu\nID_LIKE=debian\n"


class Machine:
    """A machine with everything but some commands, "engine", "python" or "spark"."""

    def __init__(
        self, folder: Path, lacks: str = "", uid: int = 0, os_release: str = DEBIAN
    ) -> None:
        self.folder, self.bin, absent = folder, folder / "bin", lacks.split()
        self.env: dict[str, str] = {}
        for name in ("bin", "images", "apt", "etc", "var/log", "var/run"):
            (folder / name).mkdir(parents=True)
        for name in BASIC.split():
            real = shutil.which(name, path="/usr/bin:/bin")
            assert real, f"{name} is needed by this test"
            (self.bin / name).symlink_to(real)
        for name in STUBS.keys() - {"base-image"}:
            self.stub(name, folder=folder / "apt")
            if name not in {"dockerd", "systemctl", *absent}:
                self.stub(name)
        (folder / "uid").write_text(f"{uid}\n")
        (folder / "etc/os-release").write_text(os_release)
        self.setup = folder / "repo/build-support/setup"
        self.setup.parent.mkdir(parents=True)
        shutil.copy(SETUP, self.setup)
        self.stub("base-image", folder=self.setup.parent / "images")
        if not {"engine", "docker"} & {*absent}:
            (folder / "engine").touch()
            for image in {"python", "spark"} - {*absent}:
                (folder / "images" / image).touch()

    def stub(self, name: str, body: str = "", folder: Path | None = None) -> None:
        path = (folder or self.bin) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        note = f'#!/bin/sh\necho "{name} $*" >> "$MACHINE/calls"\n'
        path.write_text(note + (body or STUBS[name]) + "\n")
        path.chmod(0o755)

    def run(self, *arguments: str) -> tuple[int, str, list[str]]:
        """Run setup, and return its exit code, its output and the calls that change something."""
        calls = self.folder / "calls"
        calls.write_text("")
        machine = str(self.folder)
        env = {"PATH": str(self.bin), "HOME": machine, "MACHINE": machine}
        env |= {"MAXAI_SYSTEM_ROOT": machine, **self.env}
        done = subprocess.run(
            [str(self.setup), *arguments],
            env=env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for sign in ("unbound variable", "syntax error", "/setup: line"):
            assert sign not in done.stdout, done.stdout
        lines = calls.read_text().splitlines()
        changes = [line for line in lines if any(sign in line for sign in CHANGES)]
        return done.returncode, done.stdout, changes


def test_a_complete_machine_is_left_alone(tmp_path: Path) -> None:
    here = Machine(tmp_path)
    for arguments in (["--check"], []):
        code, output, changes = here.run(*arguments)
        assert (code, changes) == (0, [])
        assert output.count("ok ") == 8 == len(output.splitlines())


@pytest.mark.parametrize("arguments", [["--force"], ["--check", "-x"]])
def test_wrong_usage(tmp_path: Path, arguments: list[str]) -> None:
    code, output, changes = Machine(tmp_path).run(*arguments)
    assert (code, changes) == (2, []) and "see build-support/setup --help" in output


@pytest.mark.parametrize(
    ("lacks", "uid", "os_release", "message"),
    [
        ("git", 0, DEBIAN, "git: setup installs git"),
        ("git", 1000, DEBIAN, "git: by hand: install git"),
        ("skopeo", 0, DEBIAN, "registry: setup installs skopeo"),
        ("skopeo", 0, "ID=fedora\n", "registry: by hand: install skopeo"),
        ("docker", 0, DEBIAN, "Docker engine: setup installs docker.io iptables"),
        ("docker", 0, UBUNTU, "Docker engine: by hand: install docker.io iptables"),
        ("spark", 0, DEBIAN, "base image spark: setup builds maxai/spark:abc"),
        ("spark mmdebstrap", 0, UBUNTU, "base image spark: by hand: set MAXAI_REG"),
        ("java", 0, DEBIAN, "Java 17 or newer: setup installs default-jre-headless"),
        ("python3.9", 0, DEBIAN, "CPython 3.9: by hand: run `pyenv install 3.9`, or"),
        ("python3.11", 0, DEBIAN, "CPython 3.11: setup installs python3.11 python3.11"),
        ("python3.11", 0, DEBIAN_13, "CPython 3.11: by hand: run `pyenv install 3.11`"),
    ],
)
def test_what_is_missing_is_printed_before_anything_changes(
    tmp_path: Path, lacks: str, uid: int, os_release: str, message: str
) -> None:
    here = Machine(tmp_path, lacks, uid, os_release)
    code, output, changes = here.run("--check")
    assert (code, changes) == (1, []) and f"missing  {message}" in output
    if "by hand" in message:
        code, again, changes = here.run()
        assert (code, changes) == (3, []) and again.startswith(output)


@pytest.mark.parametrize(
    ("os_release", "docker"),
    [
        (DEBIAN, "git docker.io iptables default-jre-headless"),
        (DEBIAN_13, "git docker.io iptables docker-cli default-jre-headless"),
    ],
)
def test_everything_is_brought_and_then_nothing(
    tmp_path: Path, os_release: str, docker: str
) -> None:
    lacks = "git docker mmdebstrap java docker-registry skopeo"
    here = Machine(tmp_path, lacks, os_release=os_release)
    code, output, changes = here.run()
    assert code == 0, output
    for part in (f"{docker} docker-registry skopeo", "build python", "build spark"):
        assert part in "\n".join(changes)
    assert f"to stop it: kill $(cat {tmp_path}/var/run/docker.pid)" in output
    assert here.run()[::2] == (0, [])


@pytest.mark.parametrize("host", ["", "tcp://engine.invalid:2375"])
def test_an_engine_that_setup_cannot_start(tmp_path: Path, host: str) -> None:
    here = Machine(tmp_path, uid=1000)
    here.stub("docker", '[ -n "$DOCKER_HOST" ] && echo version 1')
    here.stub("dockerd")
    here.env["DOCKER_HOST"] = host
    code, output, changes = here.run()
    assert (code, changes) == (3, [])
    assert ("unset DOCKER_HOST" if host else "add you to the group docker") in output


@pytest.mark.parametrize(
    "dockerd", ["echo no driver; exit 1", "echo no driver; sleep 9"]
)
def test_an_engine_that_does_not_answer(tmp_path: Path, dockerd: str) -> None:
    here = Machine(tmp_path, "engine")
    here.stub("dockerd", dockerd)
    here.env["MAXAI_ENGINE_TIMEOUT"] = "1"
    code, output, _ = here.run()
    assert code == 1
    assert "  no driver\nsetup: the Docker engine does not answer" in output


def test_a_service_manager_starts_the_engine_and_no_registry(tmp_path: Path) -> None:
    here = Machine(tmp_path, "engine docker-registry")
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    here.stub("dockerd")
    here.stub("systemctl")
    code, output, changes = here.run()
    assert code == 0, output
    assert changes[0] == "systemctl mask docker-registry"
    assert "systemctl start docker" in changes


def test_a_python_that_does_not_start_or_is_another_version(tmp_path: Path) -> None:
    here = Machine(tmp_path)
    here.stub("python3.9", "echo pyenv: python3.9: command not found >&2; exit 127")
    assert here.run()[0] == 3
    real = tmp_path / ".pyenv/versions/3.9.18/bin"
    here.stub("python3.9", folder=real)
    assert f"ok       CPython 3.9: {real}/python3.9" in here.run("--check")[1]
    here.env["PANTS_PYTHON"] = str(here.bin / "python3.11")
    code, output, changes = here.run()
    assert (code, changes) == (3, []) and "/python3.11)" in output


@pytest.mark.parametrize("version", ["1.8.0_292", "16"])
@pytest.mark.parametrize("home", [True, False])
def test_java_too_old(tmp_path: Path, version: str, home: bool) -> None:
    here = Machine(tmp_path, uid=1000)
    old = tmp_path / "jdk/bin"
    body = f"""echo 'openjdk version "{version}"' >&2"""
    here.stub("java", body, folder=old if home else None)
    if home:
        here.env["JAVA_HOME"] = str(old.parent)
    code, output, changes = here.run()
    assert (code, changes) == (3, [])
    assert ("JAVA_HOME is openjdk" if home else "install default-jre") in output


@pytest.mark.parametrize(
    ("file", "lacks", "uid", "code", "message", "calls"),
    [
        (
            "registry",
            "mmdebstrap",
            1000,
            0,
            "..  pulling",
            ["docker pull", "docker tag"],
        ),
        ("", "", 0, 0, "pulled: manifest unknown", ["docker pull", "base-image build"]),
        ("", "mmdebstrap", 1000, 3, "mmdebstrap and debian-archive", ["docker pull"]),
        (
            "build-fails",
            "",
            0,
            1,
            "  no mirror\nsetup: maxai/spark:abc could not",
            ["docker pull", "base-image build"],
        ),
    ],
)
def test_a_base_image_is_pulled_else_built(
    tmp_path: Path,
    file: str,
    lacks: str,
    uid: int,
    code: int,
    message: str,
    calls: list[str],
) -> None:
    here = Machine(tmp_path, f"spark {lacks}", uid)
    (tmp_path / (file or "nothing")).touch()
    here.env["MAXAI_REGISTRY"] = "registry.invalid:5000/team"
    found, output, changes = here.run()
    assert found == code and message in output, output
    assert [" ".join(line.split()[:2]) for line in changes] == calls


def test_apt_get_that_fails(tmp_path: Path) -> None:
    here = Machine(tmp_path, "java")
    here.stub("apt-get", "echo E: Unable to locate package >&2; exit 100")
    code, output, _ = here.run()
    assert code == 1 and "  E: Unable to locate package" in output
    assert "setup: apt-get could not install default-jre-headless" in output
