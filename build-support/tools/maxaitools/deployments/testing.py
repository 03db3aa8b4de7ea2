"""What the tests of deployments work with: a small marketplace, and a registry of images.

The registry is Debian's docker-registry, the images have the base image of all domains in
them, and the deployments repository is a bare one. All of them are on this machine.
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
from maxaitools.deployments import changes, deployment
from maxaitools.deployments.release import (
    MANIFEST,
    PACKAGED,
    Image,
    Release,
    parse_live,
    read_folder,
    to_json,
    write_manifest,
)
from maxaitools.deployments.repository import Entry, Repository, write_files

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
# The files of the library that DAGs import: a release has these and no others.
_LIBRARY = (
    *("__init__.py", "dagfactory.py", "errors.py", "tree.py"),
    *("configs/*.py", "configs/spark_keys.json"),
    *("dags/__init__.py", "dags/operators.py"),
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
        """Make it in a new folder; `registry` is host:port."""
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
        """Change fields of a deployment in the BUILD file, and commit that."""
        self.deployments[name].update(fields)
        lines = [
            f"marketplace_deployment(name={name!r}, **{fields!r})\n"
            for name, fields in self.deployments.items()
        ]
        self.write("BUILD", "".join(lines))
        self.commit("BUILD")

    def add_domain(self, domain: str) -> None:
        """Write a DAG, its configs, and the tag of an image that nobody has built."""
        conf = {"name": "probe", "image": f"maxai/{domain}", "arguments": ["x"]}
        task = {"id": 1, "name": "measure", "conf": conf}
        part = {"input": [], "output": [], "function": {"args": {"n": 1}}}
        self.write(DAG_FILE.replace("lab", domain), _DAG.replace("lab", domain))
        self.write(KUBEPOD.replace("lab", domain), {"tasks": [task]})
        self.write(PY_CONFIG.replace("lab", domain), {"measure": part})
        self.tags[domain] = "f00"

    def write(self, name: str, content: Any) -> Path:
        """Write a file of the clone, as JSON if it is not a string."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def read(self, name: str) -> Any:
        """Return what a JSON file of the clone holds."""
        return json.loads((self.root / name).read_text())

    def git(self, *arguments: str) -> str:
        """Run git in the clone, and return what it prints."""
        command = ["git", "-C", str(self.root), *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        """Commit all that there is, and return the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def set_n(self, n: int, domain: str = "lab") -> None:
        """Change a value in the config of the task, and commit it."""
        path = PY_CONFIG.replace("lab", domain)
        config = self.read(path)
        config["measure"]["function"]["args"]["n"] = n
        self.write(path, config)
        self.commit(f"n is {n}")

    def build_image(
        self, content: str, domain: str = "lab", label: str = "false"
    ) -> None:
        """Build the image of a domain with this content, under the tag that names it."""
        self.tags[domain] = hashlib.sha256(f"{domain} {content}".encode()).hexdigest()
        listed = ["docker", "image", "ls", "--format={{.Repository}}:{{.Tag}}"]
        bases = subprocess.run(
            listed, check=True, capture_output=True, text=True
        ).stdout
        base = next(b for b in bases.splitlines() if b.startswith("maxai/python:"))
        name = f"maxai/{domain}:{self.tags[domain]}"
        # A folder without anything in it, so that each build of a content is the same.
        lines = f"FROM {base}\nRUN echo {content} > /tmp/content\n"
        subprocess.run(
            ["docker", "build", "--quiet", "--tag", name, "-"],
            input=f"{lines}LABEL maxai.base.drifted={label}\n".encode(),
            check=True,
            capture_output=True,
        )

    def package(self) -> Release:
        """Make a release of the clone, as `./pants package //:release` would."""
        files = {
            ".airflowignore": b"/maxairesources/\n/maxaiconfigs/\n/maxaiusecases/\n"
        }
        images = {d: Image(f"maxai/{d}", tag) for d, tag in self.tags.items()}
        for domain, image in images.items():
            told = {"base": "none", "repository": image.repository, "tag": image.tag}
            files[f"maxaiusecases/{domain}/image.json"] = to_json(told)
        for tree in ("maxaidags", "maxaiconfigs", "maxairesources"):
            for path in (self.root / tree).rglob("*"):
                if path.is_file() and "__pycache__" not in path.parts:
                    files[path.relative_to(self.root).as_posix()] = path.read_bytes()
        files[MANIFEST] = write_manifest(files, images)
        id = hashlib.sha256(files[MANIFEST]).hexdigest()[:16]
        shutil.rmtree(self.root / PACKAGED, ignore_errors=True)
        write_files(self.root / PACKAGED / id, files)
        return read_folder(self.root / PACKAGED / id)

    def environment(self) -> dict[str, str]:
        """Return the environment of the tool's processes."""
        paths = map(os.path.abspath, filter(None, sys.path))
        return {
            **os.environ,
            "MAXAI_DEPLOYMENTS": self.url,
            "PYTHONPATH": os.pathsep.join(paths),
            # The clone has a maxairesources of its own, which is not the tool's.
            "PYTHONSAFEPATH": "1",
        }

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start the tool in a process group of its own, and return its process."""
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
        """The deployments repository, as it is now; the clone is the current folder."""
        return Repository(self.url)

    def key(self, release: Release, name: str = "dev") -> str:
        """Return the key by which a deploy skips the check of the DAGs, which is slow."""
        drafted = changes.draft(release, deployment.find(name), changes.NO_SOURCE)
        return str(drafted.facts["checked"])

    def history(self, name: str = "dev") -> list[Entry]:
        """Return the commits of a deployment."""
        return self.repository.history(name)

    def live(self, name: str = "dev") -> Release:
        """Return what is live in a deployment."""
        entry = self.history(name)[0]
        return parse_live(self.repository.read(entry.commit), name)


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Registry:
    """A registry of images on this machine; `address` is host:port."""

    def __init__(self, folder: Path, htpasswd: str | None = None) -> None:
        """Make it in a folder; `htpasswd` has its users, None admits everybody."""
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
        """Start it, and return when it answers."""
        with (self.folder / "log").open("ab") as log:
            command = ["docker-registry", "serve", str(self.folder / "config.yml")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        limit = time.monotonic() + 30
        # A proxy that the environment names does not lead back to this machine.
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
        """Stop it; what was pushed stays."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def running_registry(folder: Path, htpasswd: str | None = None) -> Iterator[Registry]:
    """Yield a running registry; see `Registry`."""
    result = Registry(folder, htpasswd)
    result.start()
    try:
        yield result
    finally:
        result.stop()
