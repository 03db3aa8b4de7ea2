"""A copy of the marketplace's tree in which a test runs build-support/tools/maxaitools/local."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from maxaitools.local.containers import built_image


class Tree:
    """The DAGs and configs, and the sample data if the test has it; all to be changed.

    Attributes:
        root: the folder that holds them.
        data: the folder of the sample data.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.data = root, root / "data"
        self.data.mkdir()
        for name in ("maxaidags", "maxaiconfigs", "data"):
            if Path(name).exists():
                shutil.copytree(name, root / name, dirs_exist_ok=True)
        (root / "tmp").mkdir()

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "maxaitools.local.main", *arguments]

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(os.path.abspath, filter(None, sys.path))),
            # By this, what is left behind is seen.
            "TMPDIR": str(self.root / "tmp"),
        }

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the tool to its end, which must leave nothing behind."""
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
        """Return the temporary folders of the tool that are still there."""
        return list((self.root / "tmp").glob("maxai-*"))


def run_objective(tree: Tree, test_file: str) -> Path:
    """Run the objective whose dag.py stands beside a test, in the image built for the test.

    Every task has to succeed, and every output of the py_config to be written and told.

    Args:
        tree: where to run it, with the input of its handlers.
        test_file: the test's own `__file__`.

    Returns:
        The folder of the usecase's output.
    """
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
    """Return the one row of a csv file that has these values, numbers with three decimals."""
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
    """Return the states that the table at the end of the output tells, by task."""
    lines = output.splitlines()
    (start,) = (n for n, line in enumerate(lines) if line.startswith("task  "))
    rows = (line.split() for line in lines[start + 2 :] if not line.startswith(" "))
    return {row[0]: row[1] for row in rows if row}
