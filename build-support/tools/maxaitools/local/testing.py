"""Runs of objectives in tests."""

import contextlib
import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from maxairesources.deployed import read_file
from maxairesources.testing.images import image_name
from maxairesources.tree import CONFIGS, PY_CONFIG, SETTINGS, path_of
from maxaitools.local.airflow_server import VARIABLES


class Tree:
    """A folder with DAGs, configs and data, in which a test runs the tool.

    Attributes:
        root: its folder.
        data: the data root.
        log: the file with the output of the tool.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.data, self.log = root, root / "data", root / "log"
        self._paths = [*map(os.path.abspath, filter(None, sys.path))]
        self.data.mkdir()
        (root / "tmp").mkdir()

    @contextlib.contextmanager
    def start(self, *arguments: str) -> "Iterator[subprocess.Popen[bytes]]":
        """Start the tool, and end it at the end. It must leave no temporary files."""
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "maxaitools.local.run_dags", *arguments],
            cwd=self.root,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(self._paths),
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


def run_objective(
    tree: Tree,
    test_file: str,
    *,
    date: str | None = None,
    conf: Mapping[str, Any] | None = None,
    variables: Mapping[str, Any] | None = None,
    skipped: Collection[str] = (),
) -> Path:
    """Run the objective of the dag.py beside a test, in the image built for the test.

    Assert that every task succeeds, and writes and prints every output of the py_config. A
    task that is mapped or in a group has the same name here as in the py_config.

    Args:
        tree: a tree with the input of its handlers.
        test_file: the test's own `__file__`.
        date: the run's logical date, such as "2018-06-01"; now by default.
        conf: values of the DAG's params.
        variables: Airflow's Variables.
        skipped: the names of tasks that the run skips.

    Returns:
        The folder of the usecase's output.
    """
    for name in ("maxaidags", "maxaiconfigs", "data"):
        if Path(name).exists():
            shutil.copytree(name, tree.root / name, dirs_exist_ok=True)
    shutil.copy(SETTINGS, tree.root)
    if variables:
        (tree.root / VARIABLES).parent.mkdir(exist_ok=True)
        (tree.root / VARIABLES).write_text(json.dumps(variables))
    names = Path(test_file).resolve().parts[-4:-1]
    options = [f"--image={image_name(names[0])}", f"--conf={json.dumps(conf or {})}"]
    options += [f"--date={date}"] if date else []
    code, output = tree.run("/".join(["maxaidags", *names]), *options)
    assert code == 0, output.rpartition("\n\n")[2]
    found = tasks_in(output)
    config = read_file(Path(), path_of(CONFIGS, names, PY_CONFIG))
    for task in (*(key for key in config if key[0] != "$"), *skipped):
        if task in skipped:
            _check_task(task, found, "skipped", 0)
        else:
            _check_task(task, found, "success", len(config[task]["output"]))
    return tree.data / names[0] / names[1]


def _check_task(
    task: str, found: Mapping[str, tuple[str, list[str]]], expected: str, outputs: int
) -> None:
    # A task in a group has the group's name before it, a copy of a mapped one an index.
    known = re.compile(rf"(.*\.)?{re.escape(task)}(\[\d+\])?")
    copies = [*filter(known.fullmatch, found)]
    assert copies, f"task {task!r} is not in the run, which has {[*found]}"
    for copy in copies:
        state, written = found[copy]
        assert state == expected, f"task {copy!r} is {state}, not {expected}"
        missing = [each for each in written if each.endswith("(missing)")]
        assert not missing, f"task {copy!r} has not written {missing}"
        assert len(written) == outputs, f"task {copy!r} has written {written}"


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


def tasks_in(output: str) -> dict[str, tuple[str, list[str]]]:
    """Return the state and the outputs of each task, from the table in the output."""
    found: dict[str, tuple[str, list[str]]] = {}
    table = output[output.rindex("\ntask  ") + 1 :].partition("\n\n")[0]
    for line in table.splitlines()[2:]:
        name, *cells = re.split(" {2,}", line, maxsplit=4)
        if name:
            found[name] = (cells[0], cells[3:])
        else:
            # A further output of the task above.
            [*found.values()][-1][1].append(line.strip())
    return found
