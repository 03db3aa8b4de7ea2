"""A small marketplace and a registry of images, for the tests of deployments.

The registry is Debian's docker-registry, and the deployments repository is a bare one. Both
are on this machine.
"""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from maxairesources.tree import CONFIGS, DAGS, LIBRARY, USECASES
from maxaitools.deployments import __main__ as tool
from maxaitools.deployments.branches import Branches, Entry
from maxaitools.deployments.record import Record

Run = Callable[..., str]
# The tests change the current folder, so relative import paths would break.
sys.path[:] = map(os.path.abspath, sys.path)

PY_CONFIG = "maxaiconfigs/lab/probe/first/py_config.json"
DAG_FILE = "maxaidags/lab/probe/first/dag.py"
# The settings that all deployments share.
SHARED = 'prefix = "maxai"\n'


def call(*command: str | Path, text: str = "") -> str:
    """Run a command that must succeed, and return its output."""
    done = subprocess.run(
        command, input=text, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.strip()


class Marketplace:
    """A clone with one domain, and the deployments dev and prod.

    Attributes:
        root: the clone.
        url: the deployments repository.
        tags: the content tag of each domain's image; a domain may have none.
    """

    def __init__(self, root: Path, registry: str) -> None:
        self.root, self.url = root, str(root / "deployments")
        self.settings: dict[str, dict[str, Any]] = {
            "dev": {"registry": registry, "paused": True},
            "prod": {"registry": registry, "after": "dev", "branch": "main"},
        }
        self.tags: dict[str, str] = {}
        root.mkdir(exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")
        for key, value in (("email", "ada@example.invalid"), ("name", "Ada")):
            self.git("config", f"user.{key}", value)
        self.write(".gitignore", "/dist/\n/deployments/\n")
        self.write("maxairesources/__init__.py", "")
        self.add_domain("lab")
        self.configure("dev")

    def configure(self, name: str, **fields: Any) -> None:
        """Change settings of a deployment in marketplace.toml, and commit the file."""
        self.settings[name].update(fields)
        lines: list[str] = []
        for each, table in self.settings.items():
            lines += [f"[deployments.{each}]"]
            lines += [f"{key} = {json.dumps(value)}" for key, value in table.items()]
        self.write("marketplace.toml", SHARED + "\n".join(lines))
        self.commit("settings")

    def add_domain(self, domain: str) -> None:
        """Write a DAG and a config of a domain that has no image."""
        self.write(DAG_FILE.replace("lab", domain), "# Airflow DAG.\n")
        self.write(PY_CONFIG.replace("lab", domain), {"measure": {"n": 1}})

    def write(self, name: str, content: Any) -> Path:
        """Write a file of the clone, as JSON unless the content is a string."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def git(self, *arguments: str) -> str:
        """Run git in the clone, and return its output."""
        return call("git", "-C", self.root, *arguments)

    def remote(self, *arguments: str, text: str = "") -> str:
        """Run git in the deployments repository, and return its output."""
        who = ("-c", "user.name=Eve", "-c", "user.email=eve@example.invalid")
        return call("git", *who, "--git-dir", self.url, *arguments, text=text)

    def commit(self, message: str) -> str:
        """Commit all files, and return the hash of the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def set_n(self, n: int, domain: str = "lab") -> None:
        """Change an argument in the config of a domain, and commit it."""
        self.write(PY_CONFIG.replace("lab", domain), {"measure": {"n": n}})
        self.commit(f"n is {n}")

    def build_image(self, content: str, domain: str = "lab") -> None:
        """Build an image with the file /content, and a tag that depends on it."""
        self.tags[domain] = hashlib.sha256(f"{domain} {content}".encode()).hexdigest()
        folder = self.write("dist/image/Dockerfile", "FROM scratch\nCOPY content /\n")
        self.write("dist/image/content", content)
        name = f"maxai/{domain}:{self.tags[domain]}"
        call("docker", "build", "--quiet", "--tag", name, folder.parent)

    def package(self) -> str:
        """Package a release, as `./pants package //:release` would; return its hash."""
        packaged = self.root / "dist/release"
        shutil.rmtree(self.root / "dist", ignore_errors=True)
        folder = packaged / "new"
        for tree in (CONFIGS, DAGS, LIBRARY):
            shutil.copytree(self.root / tree, folder / tree)
        for domain, tag in self.tags.items():
            name = f"dist/release/new/{USECASES}/{domain}/image.json"
            self.write(name, {"name": f"maxai/{domain}", "tag": tag})
        self.write("dist/release/new/.airflowignore", "/maxairesources/\n")
        git = ("git", "--git-dir", self.root / "dist/git", "--work-tree", folder)
        call(*git, "init", "--quiet")
        call(*git, "add", "--all")
        release = call(*git, "write-tree")
        folder.rename(packaged / release)
        return release

    @property
    def branches(self) -> Branches:
        """The deployments, read now; the clone must be the current folder."""
        return Branches()

    def history(self, name: str = "dev") -> list[Entry]:
        """Return the commits of a deployment."""
        return self.branches.history(name)

    def live(self, name: str = "dev") -> Record:
        """Return the record of a deployment."""
        record = self.branches.live(name)
        assert record
        return record


@dataclass
class Registry:
    """A registry of images on this machine: its folder and its address, host:port."""

    folder: Path
    address: str
    process: "subprocess.Popen[bytes]"


@contextlib.contextmanager
def running_registry(folder: Path, htpasswd: str | None = None) -> Iterator[Registry]:
    """Yield a running registry; without `htpasswd`, nobody has to log in."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{found.getsockname()[1]}"
    folder.mkdir(exist_ok=True)
    config: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": address, "secret": secrets.token_hex(16)},
    }
    if htpasswd:
        (folder / "htpasswd").write_text(htpasswd)
        realm = {"realm": "test", "path": str(folder / "htpasswd")}
        config["auth"] = {"htpasswd": realm}
    # JSON is YAML.
    (folder / "config.yml").write_text(json.dumps(config))
    with (folder / "log").open("ab") as log:
        command = ["docker-registry", "serve", str(folder / "config.yml")]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", int(address[10:]))).close()
                break
            time.sleep(0.1)
        yield Registry(folder, address, process)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the variables that change the author, the trailers or the settings."""
    names = ("GITHUB_ACTOR", "GITHUB_RUN_ID", "MAXAI_DEPLOYMENTS", "MAXAI_REGISTRY")
    for name in names:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that all tests of a file share."""
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Marketplace:
    """A marketplace as the current folder, whose domain has no image."""
    made = Marketplace(tmp_path / "clone", "127.0.0.1:1")
    monkeypatch.chdir(made.root)
    return made


@pytest.fixture
def place(images: Registry, bare: Marketplace) -> Marketplace:
    """A marketplace as the current folder, with a registry and a tiny image."""
    for name in ("dev", "prod"):
        bare.configure(name, registry=images.address)
    bare.build_image("first")
    return bare


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """A function that runs the tool, and returns its output.

    `code` is the expected exit code. If that is not 0 and the tool prints an error, the
    error must be one line, and the function returns it. `deploy` gets the folder of the
    packaged release.
    """

    def call(*arguments: str, code: int = 0) -> str:
        if arguments[0] == "deploy":
            folders = map(str, Path().glob("dist/release/*"))
            arguments = (*arguments[:2], *folders, *arguments[2:])
        capsys.readouterr()
        result = tool.main(arguments)
        out, err = capsys.readouterr()
        assert result == code, f"{out}\n{err}"
        if code and err:
            (line,) = err.splitlines()
            return line
        return out + err

    return call


def deploy(place: Marketplace, run: Run, n: int, *arguments: str, code: int = 0) -> str:
    """Deploy a changed config to dev.

    Returns:
        The release, or the output if `code` is not 0.
    """
    place.set_n(n)
    release = place.package()
    printed = run("deploy", "dev", *arguments, code=code)
    return printed if code else release
