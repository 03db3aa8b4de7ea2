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
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import maxairesources
from maxairesources.tree import CONFIGS, DAGS, LIBRARY, repository_of
from maxaitools.deployments import changes, deployment
from maxaitools.deployments.history import Entry
from maxaitools.deployments.live import read_live
from maxaitools.deployments.release import (
    MANIFEST,
    PACKAGED,
    Image,
    Release,
    read_folder,
    to_json,
    write_manifest,
)
from maxaitools.deployments.repository import Repository, write_files

DAG = "lab.probe.first"
KUBEPOD = "maxaiconfigs/lab/probe/kubepod_config.json"
PY_CONFIG = "maxaiconfigs/lab/probe/first/py_config.json"
DAG_FILE = "maxaidags/lab/probe/first/dag.py"
_DAG = '''\
"""Airflow DAG of a test."""

from maxairesources.dagfactory import DAGFactory

factory = DAGFactory("lab.probe.first", "lab", "probe", "first")
factory.add(task_id="measure", operator="KubernetesPodOperator", parent=["root"])
dag = factory.create_dag()
'''
_MMDEBSTRAP = r"""#!/bin/sh
edit='/^Package: tzdata$/,/^$/s/^Version: .*/Version: 9999a-1/'
made=$(docker run --detach --user=0 --entrypoint=sed {base} -i "$edit" /var/lib/dpkg/status)
docker wait "$made" >&2 && docker export "$made" && docker rm "$made" >&2
"""
# The files of the library that DAGs import: a release has these and no others.
_LIBRARY = (
    *("__init__.py", "dagfactory.py", "errors.py", "launches.py", "tree.py"),
    *("configs/*.py", "dags/__init__.py", "dags/operators.py"),
)


class Marketplace:
    """A clone with one domain, and the deployments dev and prod.

    Attributes:
        root: the clone.
        url: the deployments repository.
        registry: the registry of both deployments.
        tags: the content tag of each domain's image.
    """

    def __init__(self, root: Path, registry: str, url: str | None = None) -> None:
        """Create the clone; the default of `url` is a new repository in it."""
        self.root, self.url = root, url or str(root / "deployments")
        self.registry = registry
        self.deployments: dict[str, Any] = {
            "dev": {"registry": registry, "paused": True},
            "prod": {"registry": registry, "after": "dev", "branch": "main"},
        }
        self.tags: dict[str, str] = {}
        root.mkdir(exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")
        for key, value in (("email", "ada@example.invalid"), ("name", "Ada")):
            self.git("config", f"user.{key}", value)
        self.write(".gitignore", "/dist/\n/deployments/\n")
        (library,) = maxairesources.__path__
        for pattern in _LIBRARY:
            for path in Path(library).glob(pattern):
                if not path.name.endswith("_test.py"):
                    name = f"maxairesources/{path.relative_to(library)}"
                    self.write(name, path.read_text())
        self.add_domain("lab")
        self.write(
            PY_CONFIG.replace(".json", ".prod.json"),
            {"measure": {"function": {"args": {"n": 2}}}},
        )
        self.configure("dev")

    def configure(self, name: str, **fields: Any) -> None:
        """Change fields of a deployment in the BUILD file, and commit the file."""
        self.deployments[name].update(fields)
        lines = [
            f"marketplace_deployment(name={name!r}, **{fields!r})\n"
            for name, fields in self.deployments.items()
        ]
        self.write("BUILD", "".join(lines))
        self.commit("BUILD")

    def add_domain(self, domain: str) -> None:
        """Write a DAG and its configs; nobody has built the image of the domain."""
        conf = {"name": "probe", "image": repository_of(domain), "arguments": ["x"]}
        task = {"id": 1, "name": "measure", "conf": conf}
        part = {"input": [], "output": [], "function": {"args": {"n": 1}}}
        self.write(DAG_FILE.replace("lab", domain), _DAG.replace("lab", domain))
        self.write(KUBEPOD.replace("lab", domain), {"tasks": [task]})
        self.write(PY_CONFIG.replace("lab", domain), {"measure": part})
        self.tags[domain] = "f00"

    def write(self, name: str, content: Any) -> Path:
        """Write a file of the clone, as JSON unless the content is a string."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def read(self, name: str) -> Any:
        """Return the value in a JSON file of the clone."""
        return json.loads((self.root / name).read_text())

    def git(self, *arguments: str) -> str:
        """Run git in the clone, and return its output."""
        command = ["git", "-C", str(self.root), *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        """Commit all files, and return the hash of the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def set_n(self, n: int, domain: str = "lab") -> None:
        """Change an argument in the config of a domain, and commit it."""
        path = PY_CONFIG.replace("lab", domain)
        config = self.read(path)
        config["measure"]["function"]["args"]["n"] = n
        self.write(path, config)
        self.commit(f"n is {n}")

    def build_image(
        self, content: str, domain: str = "lab", base: str = "scratch"
    ) -> None:
        """Build the image of a domain, under a tag that depends on its content.

        Args:
            content: the content of the file /content.
            domain: the domain.
            base: the base image; the default makes a tiny image without Python.
        """
        tag = hashlib.sha256(f"{domain} {base} {content}".encode()).hexdigest()
        self.tags[domain] = tag
        dockerfile = f"FROM {base}\nCOPY content /\n"
        folder = self.write("dist/image/Dockerfile", dockerfile).parent
        self.write("dist/image/content", content)
        name = f"{repository_of(domain)}:{tag}"
        command = ["docker", "build", "--quiet", "--tag", name, str(folder)]
        subprocess.run(command, check=True, capture_output=True)

    def package(self) -> Release:
        """Package a release, as `./pants package //:release` would."""
        files = {
            ".airflowignore": b"/maxairesources/\n/maxaiconfigs/\n/maxaiusecases/\n"
        }
        images = {d: Image(repository_of(d), tag) for d, tag in self.tags.items()}
        for domain, image in images.items():
            fields = {"base": "none", "repository": image.repository, "tag": image.tag}
            files[f"maxaiusecases/{domain}/image.json"] = to_json(fields)
        for tree in (DAGS, CONFIGS, LIBRARY):
            for path in (self.root / tree).rglob("*"):
                if path.is_file() and "__pycache__" not in path.parts:
                    files[path.relative_to(self.root).as_posix()] = path.read_bytes()
        files[MANIFEST] = write_manifest(files, images)
        id = hashlib.sha256(files[MANIFEST]).hexdigest()[:16]
        shutil.rmtree(self.root / PACKAGED, ignore_errors=True)
        write_files(self.root / PACKAGED / id, files)
        return read_folder(self.root / PACKAGED / id)

    def environment(self) -> dict[str, str]:
        """Return the environment for processes of the tool."""
        paths = map(os.path.abspath, filter(None, sys.path))
        return {
            **os.environ,
            "MAXAI_DEPLOYMENTS": self.url,
            "PYTHONPATH": os.pathsep.join(paths),
            # The tool must not import the maxairesources of the clone.
            "PYTHONSAFEPATH": "1",
        }

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start the tool in its own process group, and return its process."""
        return subprocess.Popen(
            [sys.executable, "-m", "maxaitools.deployments.main", *arguments],
            cwd=self.root,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @property
    def repository(self) -> Repository:
        """The deployments repository, read now; the clone must be the current folder."""
        return Repository(self.url)

    def key(self, release: Release, name: str = "dev") -> str:
        """Return the key that lets a deploy skip the check of the DAGs, which is slow."""
        drafted = changes.draft(release, deployment.find(name), changes.NO_SOURCE)
        return str(drafted.facts["checked"])

    def history(self, name: str = "dev") -> list[Entry]:
        """Return the commits of a deployment."""
        return self.repository.history(name)

    def live(self, name: str = "dev") -> Release:
        """Return the live files of a deployment."""
        repository = self.repository
        return read_live(repository, repository.history(name)[0])


@contextlib.contextmanager
def later_base(folder: Path) -> Iterator[str]:
    """Yield the name of maxai/python as built on a later day, when Debian has a newer package.

    The recipe has no date, so this machine's base image keeps its name. In place of
    mmdebstrap, a stub prints the files of that base image, where dpkg lists a newer package.
    """
    images = shutil.copytree("build-support/images", folder / "images")
    base = _call(images / "base-image", "tag", "python")
    # Each test has a name of its own.
    (images / "refreshed").write_text(f"later {secrets.token_hex(8)}\n")
    stub = folder / "bin/mmdebstrap"
    stub.parent.mkdir()
    stub.write_text(_MMDEBSTRAP.format(base=base))
    stub.chmod(0o755)
    path = f"{stub.parent}:{os.environ['PATH']}"
    _call("env", f"PATH={path}", images / "base-image", "build", "python")
    later = _call(images / "base-image", "tag", "python")
    try:
        yield later
    finally:
        _call("docker", "image", "rm", "--force", later)


def _call(*command: str | Path) -> str:
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


def free_port() -> int:
    """Return a free port of this machine."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Registry:
    """A registry of images on this machine.

    Attributes:
        folder: its files.
        address: host:port.
    """

    def __init__(self, folder: Path, htpasswd: str | None = None) -> None:
        """Prepare a registry; without `htpasswd`, nobody has to log in."""
        self.folder, self.address = folder, f"127.0.0.1:{free_port()}"
        self._process: Any = None
        folder.mkdir(exist_ok=True)
        config: dict[str, Any] = {
            "version": 0.1,
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
            "http": {"addr": self.address, "secret": secrets.token_hex(16)},
        }
        if htpasswd:
            (folder / "htpasswd").write_text(htpasswd)
            realm = {"realm": "test", "path": str(folder / "htpasswd")}
            config["auth"] = {"htpasswd": realm}
        # JSON is YAML.
        (folder / "config.yml").write_text(json.dumps(config))

    def start(self) -> None:
        """Start the registry, and return as soon as it answers."""
        with (self.folder / "log").open("ab") as log:
            command = ["docker-registry", "serve", str(self.folder / "config.yml")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        limit = time.monotonic() + 30
        # A proxy from the environment could not reach this machine.
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while True:
            try:
                with direct.open(f"http://{self.address}/v2/", timeout=5):
                    return
            except urllib.error.HTTPError:
                return
            except OSError:
                assert self._process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < limit, "the registry does not answer"
                time.sleep(0.1)

    def stop(self) -> None:
        """Stop the registry; it keeps its images."""
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def running_registry(folder: Path, htpasswd: str | None = None) -> Iterator[Registry]:
    """Yield a running registry; see `Registry`."""
    result = Registry(folder, htpasswd)
    result.start()
    try:
        yield result
    finally:
        result.stop()
