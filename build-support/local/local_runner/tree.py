"""A copy of the marketplace's tree in which a test runs build-support/local."""

import os
import shutil
import subprocess
import sys
from pathlib import Path


class Tree:
    """The DAGs, configs and sample data, to be changed.

    Attributes:
        root: the folder that holds them.
        data: the folder of the sample data.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.data = root, root / "data"
        for name in ("maxaidags", "maxaiconfigs", "data"):
            shutil.copytree(name, root / name)
        (root / "tmp").mkdir()

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "local", *arguments]

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


def states(output: str) -> dict[str, str]:
    """Return the states that the table at the end of the output tells, by task."""
    lines = output.splitlines()
    (start,) = (n for n, line in enumerate(lines) if line.startswith("task  "))
    rows = (line.split() for line in lines[start + 2 :] if not line.startswith(" "))
    return {row[0]: row[1] for row in rows if row}
