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
    # Its lists of packages are out of date before an update. It installs all commands.
    "apt-get": """
case " $* " in
    *" update "*) touch "$MACHINE/updated" ;;
    *) [ -e "$MACHINE/updated" ] && cp "$MACHINE"/apt/* "$MACHINE/bin" ;;
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
        for name in STUBS.keys() - {"base-image", "dockerd", "systemctl", *absent}:
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


def test_wrong_usage(tmp_path: Path) -> None:
    code, output, changes = Machine(tmp_path).run("--force")
    assert (code, changes) == (2, []) and "see build-support/setup --help" in output


@pytest.mark.parametrize(
    ("lacks", "uid", "os_release", "message"),
    [
        ("git", 0, DEBIAN, "git: setup installs git"),
        ("git", 1000, DEBIAN, "git: by hand: install git"),
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


def test_everything_is_brought_and_then_nothing(tmp_path: Path) -> None:
    lacks = "git docker mmdebstrap java docker-registry skopeo"
    here = Machine(tmp_path, lacks, os_release=DEBIAN_13)
    code, output, changes = here.run()
    assert code == 0, output
    docker = "git docker.io iptables docker-cli default-jre-headless"
    for part in (f"{docker} docker-registry skopeo", "build python", "build spark"):
        assert part in "\n".join(changes)
    assert f"to stop it: kill $(cat {tmp_path}/var/run/docker.pid)" in output
    assert here.run()[::2] == (0, [])


OLD_JAVA = """echo 'openjdk version "1.8.0_292"' >&2"""
ELSEWHERE = '[ -n "$DOCKER_HOST" ] && echo version 1'


@pytest.mark.parametrize(
    ("name", "stub", "variable", "message"),
    [
        ("python3.9", "echo pyenv: not installed >&2; exit 127", "", "run `pyenv inst"),
        ("python3.9", "echo cpython3.11", "PANTS_PYTHON=python3.9", "(now: python3.9)"),
        ("java", OLD_JAVA, "", "install default-jre-headless"),
        ("java", OLD_JAVA, "JAVA_HOME={machine}", "JAVA_HOME is openjdk version"),
        ("docker", ELSEWHERE, "", "have root add you to the group docker"),
        ("docker", ELSEWHERE, "DOCKER_HOST=tcp://x", "unset DOCKER_HOST (tcp://x)"),
    ],
)
def test_a_command_that_cannot_be_used(
    tmp_path: Path, name: str, stub: str, variable: str, message: str
) -> None:
    here = Machine(tmp_path, uid=1000)
    here.stub("dockerd")
    here.stub(name, stub)
    key, _, value = variable.format(machine=tmp_path).partition("=")
    here.env = {key: value} if key else {}
    code, output, changes = here.run()
    assert (code, changes) == (3, []) and message in output, output


def test_pyenv_has_the_python_that_the_path_lacks(tmp_path: Path) -> None:
    here = Machine(tmp_path, "python3.9")
    real = tmp_path / ".pyenv/versions/3.9.18/bin"
    here.stub("python3.9", folder=real)
    assert f"ok       CPython 3.9: {real}/python3.9" in here.run("--check")[1]


NO_ENGINE = "  no driver\nsetup: the Docker engine does not answer"


@pytest.mark.parametrize(
    ("lacks", "name", "stub", "message"),
    [
        ("engine", "dockerd", "echo no driver; exit 1", NO_ENGINE),
        ("engine", "dockerd", "echo no driver; sleep 9", NO_ENGINE),
        (
            "java",
            "apt-get",
            "echo E: none; exit 100",
            "  E: none\nsetup: apt-get could",
        ),
    ],
)
def test_a_failure_shows_the_end_of_the_output(
    tmp_path: Path, lacks: str, name: str, stub: str, message: str
) -> None:
    here = Machine(tmp_path, lacks)
    here.stub(name, stub)
    here.env["MAXAI_ENGINE_TIMEOUT"] = "1"
    code, output, _ = here.run()
    assert code == 1 and message in output, output


def test_a_service_manager_starts_the_engine_and_no_registry(tmp_path: Path) -> None:
    here = Machine(tmp_path, "engine docker-registry")
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    here.stub("dockerd")
    here.stub("systemctl")
    code, output, changes = here.run()
    assert code == 0, output
    assert changes[0] == "systemctl mask docker-registry"
    assert "systemctl start docker" in changes


NO_BASE = "  no mirror\nsetup: maxai/spark:abc could not be built"


@pytest.mark.parametrize(
    ("file", "lacks", "code", "message"),
    [
        ("registry", "mmdebstrap", 0, "..  pulling maxai/spark:abc"),
        ("", "", 0, "it cannot be pulled: manifest unknown"),
        ("", "mmdebstrap", 3, "install mmdebstrap and debian-archive-keyring"),
        ("build-fails", "", 1, NO_BASE),
    ],
)
def test_a_base_image_is_pulled_else_built(
    tmp_path: Path, file: str, lacks: str, code: int, message: str
) -> None:
    here = Machine(tmp_path, f"spark {lacks}", uid=1000 if lacks else 0)
    (tmp_path / (file or "nothing")).touch()
    here.env["MAXAI_REGISTRY"] = "registry.invalid:5000/team"
    found, output, changes = here.run()
    assert found == code and message in output, output
    assert ("base-image build spark" in changes) == (lacks == "")
