"""Trees in which tests run objectives."""

import contextlib
import csv
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from maxaitools.local.containers import built_image


class Tree:
    """A folder with DAGs, configs and data, in which a test runs the tool.

    Attributes:
        root: its folder.
        data: the data root.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.data = root, root / "data"
        self.data.mkdir()
        (root / "tmp").mkdir()

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "maxaitools.local.main", *arguments]

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(os.path.abspath, filter(None, sys.path))),
            # Temporary files of the tool are found here.
            "TMPDIR": str(self.root / "tmp"),
        }

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the tool to its end. It must leave no temporary files."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.root,
            env=self.environment(),
            capture_output=True,
            text=True,
        )
        print(done.stdout, done.stderr)
        assert not self.leftovers()
        assert "warning: " not in done.stderr
        return done

    def leftovers(self) -> list[Path]:
        """Return the temporary folders of the tool that still exist."""
        return list((self.root / "tmp").glob("maxai-*"))


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
    folder = "/".join(["maxaidags", *names])
    done = tree.run(folder, "--image", built_image(names[0], Path()))
    assert done.returncode == 0
    found = states(done.stdout)
    config = json.loads(Path("maxaiconfigs", *names, "py_config.json").read_text())
    config.pop("$schema", None)
    for task, part in config.items():
        assert found[task] == "success"
        for port in part["output"]:
            path = port["sourceDetails"]["filePath"]
            assert (tree.data / path).exists()
            assert f"data/{path} (" in done.stdout
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


def states(output: str) -> dict[str, str]:
    """Return the state of each task from the table at the end of the output."""
    lines = output.splitlines()
    (start,) = (n for n, line in enumerate(lines) if line.startswith("task  "))
    rows = (line.split() for line in lines[start + 2 :] if not line.startswith(" "))
    return {row[0]: row[1] for row in rows if row}
