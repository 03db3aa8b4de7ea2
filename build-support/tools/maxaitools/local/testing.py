"""Trees in which tests run objectives."""

import contextlib
import csv
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any


class Tree:
    """A folder with DAGs, configs and data, in which a test runs the tool.

    Attributes:
        root: its folder.
        data: the data root.
        log: the file with the output of the tool.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.data, self.log = root, root / "data", root / "log"
        self.data.mkdir()
        (root / "tmp").mkdir()

    @contextlib.contextmanager
    def start(self, *arguments: str) -> "Iterator[subprocess.Popen[bytes]]":
        """Start the tool, and end it at the end. It must leave no temporary files."""
        paths = map(os.path.abspath, filter(None, sys.path))
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "maxaitools.local.run_dags", *arguments],
            cwd=self.root,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(paths),
                "TMPDIR": str(self.root / "tmp"),
            },
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait()
        assert not [*self.root.glob("tmp/maxai-*")]

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run the tool to its end, and return its exit code and its output."""
        with self.start(*arguments) as process:
            code = process.wait()
        print(self.log.read_text())
        return code, self.log.read_text()


LAB = "maxaidags/lab/probe/first"
_LAB_DAG = """\
from maxairesources.dagfactory import DAGFactory

factory = DAGFactory("lab.probe.first", "lab", "probe", "first")
for task, parent in {parents!r}.items():
    factory.add(task_id=task, operator="KubernetesPodOperator", parent=[parent])
dag = factory.create_dag()
"""


def write_lab(
    tree: Tree, parents: Mapping[str, str], commands: Mapping[str, Mapping[str, Any]]
) -> None:
    """Add the objective `LAB`, whose tasks run shell commands.

    Args:
        tree: the tree.
        parents: the parent of each task.
        commands: further arguments of each task's operator, such as `cmds`.
    """
    launches = [
        {
            "id": number,
            "name": task,
            "conf": {"image": "maxai/lab", "arguments": ["lab"], **command},
        }
        for number, (task, command) in enumerate(commands.items(), 1)
    ]
    part = {"input": [], "output": [], "function": {"args": {}}}
    for path, text in {
        "maxaiconfigs/lab/probe/kubepod_config.json": json.dumps({"tasks": launches}),
        "maxaiconfigs/lab/probe/first/py_config.json": json.dumps(
            dict.fromkeys(commands, part)
        ),
        f"{LAB}/dag.py": _LAB_DAG.format(parents=dict(parents)),
    }.items():
        file = tree.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@contextlib.contextmanager
def lab_image() -> Iterator[str]:
    """Yield the name of an image maxai/lab, which is the base image with Python."""
    command = ["build-support/images/base-image", "tag", "python"]
    base = subprocess.run(command, capture_output=True, text=True, check=True)
    name = f"maxai/lab:{uuid.uuid4().hex[:12]}"
    subprocess.run(["docker", "tag", base.stdout.strip(), name], check=True)
    try:
        yield name
    finally:
        subprocess.run(["docker", "image", "rm", name], stdout=subprocess.DEVNULL)


def run_objective(tree: Tree, test_file: str) -> Path:
    """Run the objective of the dag.py beside a test, in the image built for the test.

    Assert that every task succeeds, and writes and prints every output of the py_config.

    Args:
        tree: a tree with the input of its handlers.
        test_file: the test's own `__file__`.

    Returns:
        The folder of the usecase's output.
    """
    for name in ("maxaidags", "maxaiconfigs", "data"):
        if Path(name).exists():
            shutil.copytree(name, tree.root / name, dirs_exist_ok=True)
    names = Path(test_file).resolve().parts[-4:-1]
    info = json.loads(
        Path(f"maxaiusecases.{names[0]}/image.docker-info.json").read_text()
    )
    image = info["registries"][0]["tags"][0]["name"]
    code, output = tree.run("/".join(["maxaidags", *names]), f"--image={image}")
    assert code == 0
    found = states(output)
    config = json.loads(Path("maxaiconfigs", *names, "py_config.json").read_text())
    config.pop("$schema", None)
    for task, part in config.items():
        assert found[task] == "success"
        for port in part["output"]:
            path = port["sourceDetails"]["filePath"]
            assert (tree.data / path).exists()
            assert f"data/{path} (" in output
    return tree.data / names[0] / names[1]


def figures(file: Path, **where: str) -> dict[str, str]:
    """Return the one row of a csv file with these values; its numbers have three decimals."""
    with file.open(newline="") as stream:
        rows = csv.DictReader(stream)
        (row,) = (row for row in rows if where.items() <= row.items())
    return {key: _rounded(value) for key, value in row.items()}


def _rounded(value: str) -> str:
    try:
        return f"{float(value):.3f}"
    except ValueError:
        return value


class Api:
    """The REST interface of an Airflow for the user admin.

    Args:
        url: its address.
        password: the user's password; None if everybody is an admin.
    """

    def __init__(self, url: str, password: str | None = None) -> None:
        self._url, self._token = url, ""
        body = {"username": "admin", "password": password} if password else None
        method = "POST" if body else "GET"
        login = wait(lambda: self.call(method, "/auth/token", body))
        self._token = login["access_token"]

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request and return the JSON of its response."""
        bearer = f"Bearer {self._token}"
        request = urllib.request.Request(
            self._url + path,
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": bearer},
            method=method,
        )
        # A proxy of the environment does not lead back to this machine.
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=30) as answer:
            return json.load(answer)


def wait(read: Callable[[], Any], seconds: float = 240) -> Any:
    """Call a function until its result is true, and return the result."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        with contextlib.suppress(OSError):
            if answer := read():
                return answer
        time.sleep(0.3)
    raise AssertionError(f"no result after {seconds} s")


def states(output: str) -> dict[str, str]:
    """Return the state of each task from the table at the end of the output."""
    lines = output.splitlines()
    start = max(n for n, line in enumerate(lines) if line.startswith("task  "))
    rows = (line.split() for line in lines[start + 2 :] if not line.startswith(" "))
    return {row[0]: row[1] for row in rows if row}
