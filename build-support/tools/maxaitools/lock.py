"""Compiles the lock files of the resolves that [python.resolves] in pants.toml names.

A lock `x.lock` is compiled by uv from the `x.txt` beside it. It holds names, versions,
hashes, and what needs what, but neither a host nor an address, so it works with any package
index. Its header records what it was compiled from; `lock_file_test.py` fails when that is no
longer so.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

import uv


class LockError(Exception):
    """What the user has to put right, in a line."""


@dataclass(frozen=True)
class Resolve:
    """A named set of requirements and the lock that is compiled from it."""

    name: str
    lock: Path
    # Minor versions of CPython, lowest first, such as ("3.9", "3.11").
    interpreters: tuple[str, ...]

    @property
    def requirements(self) -> Path:
        return self.lock.with_suffix(".txt")

    def header(self) -> str:
        """The first lines of a lock that matches the requirements as they are now.

        Comments and blank lines of the requirements do not count.
        Raises LockError when there is no requirements file.
        """
        try:
            lines = self.requirements.read_text().splitlines()
        except FileNotFoundError:
            raise LockError(
                f"{self.requirements}: not found; list the requirements of resolve "
                f"{self.name!r} there, one a line."
            ) from None
        stripped = (re.sub(r"(^|\s)#.*", "", line).strip() for line in lines)
        inputs = "\n".join([*self.interpreters, *filter(None, stripped)])
        return (
            f"# Compiled from {self.requirements.name}; to refresh: "
            f"./pants lock {self.name}\n"
            f"# inputs sha256: {hashlib.sha256(inputs.encode()).hexdigest()}\n"
        )


def read_resolves(pants_toml: Path) -> dict[str, Resolve]:
    """The resolves of a pants.toml, by name.

    Raises LockError when the file does not name them.
    """
    try:
        python = tomllib.loads(pants_toml.read_text())["python"]
        constraints = python.get("resolves_to_interpreter_constraints", {})
        default = python["interpreter_constraints"]
        return {
            name: Resolve(
                name,
                Path(lock),
                tuple(
                    re.findall(
                        r"==(\d+\.\d+)", " ".join(constraints.get(name, default))
                    )
                ),
            )
            for name, lock in python["resolves"].items()
        }
    except KeyError as key:
        raise LockError(f"{pants_toml}: [python] has no {key}; add it.") from None


def select(resolves: dict[str, Resolve], names: list[str]) -> list[Resolve]:
    """The resolves with those names; all of them when there is no name.

    Raises LockError on a name that is not a resolve.
    """
    for name in names:
        if name not in resolves:
            near = difflib.get_close_matches(name, resolves, n=1)
            hint = (
                f"did you mean {near[0]}?" if near else f"known: {', '.join(resolves)}."
            )
            raise LockError(f"pants.toml: [python.resolves] has no {name!r}; {hint}")
    return [resolves[name] for name in names] or list(resolves.values())


def compile_lock(resolve: Resolve, *, upgrade: bool) -> bool:
    """Writes the lock of a resolve, whole or not at all; says whether it changed.

    Versions that are locked already stay, unless `upgrade` is set or the requirements do not
    allow them any more. Raises LockError when the requirements cannot be met.
    """
    header = resolve.header()
    with tempfile.TemporaryDirectory(
        dir=resolve.lock.parent, prefix=".lock-"
    ) as folder:
        draft = Path(folder) / resolve.lock.name
        if resolve.lock.exists():
            shutil.copyfile(resolve.lock, draft)
        lowest, *others = resolve.interpreters
        command = [
            *(uv.find_uv_bin(), "pip", "compile", "--quiet", "--generate-hashes"),
            *("--no-header", "--no-emit-index-url"),
            *("--python", sys.executable),
            *("--python-version", lowest),
            # A lock for one interpreter is for Linux, where the images run, whatever
            # machine compiles it.
            *(["--universal"] if others else ["--python-platform", "linux"]),
            *(["--upgrade"] if upgrade else []),
            *("--output-file", str(draft), str(resolve.requirements)),
        ]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            raise LockError(f"{resolve.requirements}: {result.stderr.strip()}")
        # uv names the requirements by their path, which may be that of a draft.
        text = re.sub(r"(?m)^(    # .*-r ).*/", r"\1", draft.read_text())
        draft.write_text(header + text)
        if resolve.lock.exists() and resolve.lock.read_bytes() == draft.read_bytes():
            return False
        os.replace(draft, resolve.lock)
        return True


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="./pants lock",
        description="Compile the lock files again from the requirements beside them. "
        "Versions change only as far as the requirements ask for it.",
    )
    parser.add_argument(
        "resolve",
        nargs="*",
        help="a resolve of pants.toml, such as a domain's name (default: all)",
    )
    parser.add_argument(
        "--upgrade",
        action="store_true",
        help="take the newest versions that the requirements allow",
    )
    options = parser.parse_args(arguments)
    try:
        resolves = select(read_resolves(Path("pants.toml")), options.resolve)
        for number, resolve in enumerate(resolves, start=1):
            changed = compile_lock(resolve, upgrade=options.upgrade)
            state = "written" if changed else "unchanged"
            print(f"[{number}/{len(resolves)}] {resolve.lock}: {state}", flush=True)
    except LockError as error:
        print(f"lock: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
