"""What the tests of deployments work on: a small marketplace, a registry, a store of S3.

The registry is Debian's docker-registry and the images are real, with the base image of all
domains in them; moto's server stands for S3. All of them are on this machine alone.
"""

import contextlib
import json
import logging
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from moto.server import ThreadedMotoServer

import maxairesources
from deployer.record import Record, read_current
from deployer.release import PACKAGED
from release_bundle import layout
from release_bundle.layout import Reader

DOMAIN, USECASE, OBJECTIVE = NAMES = ("lab", "probe", "first")
DAG = ".".join(NAMES)
_CONFIGS = f"maxaiconfigs/{DOMAIN}/{USECASE}"
KUBEPOD = f"{_CONFIGS}/kubepod_config.json"
PY_CONFIG = f"{_CONFIGS}/{OBJECTIVE}/py_config.json"

_DAG_FILE = '''\
"""Airflow DAG of a test."""

from maxairesources.dagfactory import DAGFactory

factory = DAGFactory("lab.probe.first", "lab", "probe", "first")
factory.add(task_id="measure", operator="KubernetesPodOperator", parent=["root"])
dag = factory.create_dag()
'''

# What the DAGs need of the library.
_LIBRARY = ("*.py", "config_store/*.py", "config_store/spark_keys.json")


class Marketplace:
    """A marketplace of one domain in a clone of its own, with the deployments dev and prod.

    Attributes:
        root: the clone.
        registry: the registry of both deployments.
        deployments: what the root BUILD would say of each.
    """

    def __init__(self, root: Path, registry: str, destinations: str) -> None:
        """Make it.

        Args:
            root: an empty folder.
            registry: host:port.
            destinations: the folder, or the address in S3, that has both destinations.
        """
        self.root, self.registry = root, registry
        self.deployments: dict[str, dict[str, Any]] = {
            name: {
                "after": None,
                "branch": None,
                "data_root": None,
                "destination": f"{destinations}/{name}",
                "domains": None,
                "paused": False,
                "registry": registry,
            }
            for name in ("dev", "prod")
        }
        self.deployments["dev"]["paused"] = True
        self.deployments["prod"].update(after="dev", branch="main")
        self.tag = ""
        root.mkdir(exist_ok=True)
        for arguments in (
            ("init", "--quiet", "--initial-branch=main"),
            ("config", "user.email", "somebody@example.invalid"),
            ("config", "user.name", "somebody"),
            ("config", "commit.gpgsign", "false"),
        ):
            self.git(*arguments)
        self.write(".gitignore", "/dist/\n/tool/\n/tmp/\n/deployments/\n")
        self.write(f"maxaidags/{'/'.join(NAMES)}/dag.py", _DAG_FILE)
        self.write(
            KUBEPOD,
            {
                "tasks": [
                    {
                        "id": 1,
                        "name": "measure",
                        "conf": {
                            "name": "probe-measure",
                            "image": f"maxai/{DOMAIN}",
                            "arguments": ["maxaiusecases.lab.probe.handlers.measure"],
                        },
                    }
                ]
            },
        )
        self.write(
            PY_CONFIG,
            {"measure": {"input": [], "output": [], "function": {"args": {"n": 1}}}},
        )
        self.write(
            PY_CONFIG.replace(".json", ".prod.json"),
            {"measure": {"function": {"args": {"n": 2}}}},
        )
        (library,) = maxairesources.__path__
        for pattern in _LIBRARY:
            for path in Path(library).glob(pattern):
                if not path.name.endswith("_test.py"):
                    name = f"maxairesources/{path.relative_to(library)}"
                    self.write(name, path.read_text())
        self.commit("the first")

    def write(self, name: str, content: Any) -> Path:
        """Write a file of the clone, as JSON if it is no text."""
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

    def set_n(self, n: int) -> None:
        """Change a value in the config of the task."""
        config = self.read(PY_CONFIG)
        config["measure"]["function"]["args"]["n"] = n
        self.write(PY_CONFIG, config)

    def build_image(self, content: str, drifted: bool = False) -> None:
        """Build the domain's image with a content, under the tag that names it.

        Its label says whether its base has drifted, whatever this machine's has.

        The same content is another one in another clone, so that a registry which two of
        them use has not both.
        """
        content = f"{self.root}: {content}"
        self.tag = layout.digest(content.encode())
        bases = subprocess.run(
            ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        base = next((each for each in bases if each.startswith("maxai/python:")), None)
        assert base, "build-support/setup brings the base image maxai/python"
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "Dockerfile").write_text(
                f"FROM {base}\nCOPY content /opt/content\n"
                f"LABEL maxai.base.drifted={str(drifted).lower()}\n"
            )
            Path(folder, "content").write_text(content)
            name = f"maxai/{DOMAIN}:{self.tag}"
            command = ["docker", "build", "--quiet", "--tag", name, folder]
            subprocess.run(command, check=True, capture_output=True)

    def package(self, dags: dict[str, str] | None = None) -> Path:
        """Make a release of the clone, as `./pants package //:release` would.

        Args:
            dags: further DAGs of it.

        Returns:
            Its folder.
        """
        image = {"base": "none", "repository": f"maxai/{DOMAIN}", "tag": self.tag}
        files = {
            f"maxaiusecases/{DOMAIN}/image.json": layout.to_json(image),
            ".airflowignore": b"maxairesources/\nmaxaiconfigs/\nmaxaiusecases/\n",
        }
        for tree in ("maxaidags", "maxaiconfigs", "maxairesources"):
            for path in (self.root / tree).rglob("*"):
                if path.is_file() and "__pycache__" not in path.parts:
                    files[path.relative_to(self.root).as_posix()] = path.read_bytes()
        told = {
            "dags": {"/".join(NAMES): DAG, **(dags or {})},
            "images": {DOMAIN: self.tag},
        }
        return write_release(self.root / PACKAGED, files, **told)

    def environment(self) -> dict[str, str]:
        """Return the environment of the tool's processes."""
        # The package `deployer` has a part in here, which has the deployments.
        tool = self.root / "tool"
        file = tool / "deployer" / "deployments.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(self.deployments))
        (self.root / "tmp").mkdir(exist_ok=True)
        paths = [str(tool), *map(os.path.abspath, filter(None, sys.path))]
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            # The clone has a maxairesources of its own, which is not the tool's.
            "PYTHONSAFEPATH": "1",
            # By this, what is left behind is seen.
            "TMPDIR": str(self.root / "tmp"),
        }

    def start(self, *arguments: str, module: str = "deployments") -> Any:
        """Start the tool, and return its process."""
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=self.root,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the tool to its end."""
        process = self.start(*arguments)
        out, err = process.communicate()
        print(*arguments, out, err, sep="\n")
        assert "Traceback" not in err
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def done(self, *arguments: str) -> str:
        """Run the tool, which must succeed, and return what it prints."""
        result = self.run(*arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def refused(self, *arguments: str) -> str:
        """Run the tool, which must refuse in one line, and return that line."""
        result = self.run(*arguments)
        assert result.returncode == 1, result.stdout
        (line,) = result.stderr.splitlines()
        return line

    def reader(self, name: str = "dev") -> Reader:
        """Return what reads a deployment's destination."""
        return Reader(self.deployments[name]["destination"])

    def current(self, name: str = "dev") -> Record:
        """Return the current record of a deployment."""
        record = read_current(self.reader(name))
        assert record
        return record

    def config(self, path: str, name: str = "dev") -> Any:
        """Return a config as Airflow gets it in a deployment."""
        folder = self.current(name).folder
        return json.loads(self.reader(name).read(f"{folder}/{path}"))

    def deploy(self, n: int) -> str:
        """Commit a change of the config, deploy it to dev, and return the release."""
        self.set_n(n)
        self.commit(f"n is {n}")
        release = self.package().name
        self.done("deploy", "dev")
        return release


def write_release(folder: Path, files: dict[str, bytes], **told: Any) -> Path:
    """Write a release and return its folder, which is named after its manifest."""
    hashes = {name: layout.digest(content) for name, content in files.items()}
    manifest = layout.to_json({"files": hashes, **told})
    place = folder / layout.release_name(manifest)
    shutil.rmtree(place, ignore_errors=True)
    for name, content in {**files, layout.MANIFEST: manifest}.items():
        target = place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return place


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Registry:
    """A registry of images on this machine.

    Attributes:
        address: host:port.
    """

    def __init__(self, folder: Path, htpasswd: str | None = None) -> None:
        """Make it.

        Args:
            folder: where it keeps everything.
            htpasswd: who may use it, as Apache's file has it; None lets everybody.
        """
        self._folder = folder
        self.address = f"127.0.0.1:{free_port()}"
        self._process: Any = None
        folder.mkdir(exist_ok=True)
        config: dict[str, Any] = {
            "version": 0.1,
            "log": {"level": "error"},
            "storage": {
                "filesystem": {"rootdirectory": str(folder / "data")},
                "delete": {"enabled": True},
            },
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
        with (self._folder / "log").open("ab") as log:
            command = ["docker-registry", "serve", str(self._folder / "config.yml")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        limit = time.monotonic() + 30
        while True:
            try:
                with _direct.open(f"http://{self.address}/v2/", timeout=5):
                    return
            except urllib.error.HTTPError:
                return
            except OSError:
                assert self._process.poll() is None, (self._folder / "log").read_text()
                assert time.monotonic() < limit, "the registry does not answer"
                time.sleep(0.1)

    def stop(self) -> None:
        """Stop it; what was pushed stays."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def registry(folder: Path, htpasswd: str | None = None) -> Iterator[Registry]:
    """Yield a running registry; see `Registry`."""
    result = Registry(folder, htpasswd)
    result.start()
    try:
        yield result
    finally:
        result.stop()


@contextlib.contextmanager
def object_store() -> Iterator[str]:
    """Yield the address of a bucket; the environment says where its server is."""
    # It tells each request, which are thousands.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        request = urllib.request.Request(
            f"http://{host}:{port}/deployments", method="PUT"
        )
        _direct.open(request, timeout=10).close()
        yield "s3://deployments"
    finally:
        server.stop()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


# A proxy that the environment names does not lead back to this machine.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
