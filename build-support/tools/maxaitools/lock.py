"""Compile the lock files of the domains and of the resolves in pants.toml.

uv compiles a lock `x.lock` from the requirements `x.txt` beside it. Locked versions change only
if the requirements exclude them. A lock contains names, versions, hashes and the packages that
require each package. It contains no host or URL, so it works with any package index: the indexes
are those of marketplace.toml, which Pants uses, too. Its header contains a hash of its
inputs, by which `lock_file_test.py` detects an outdated lock.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import os
import re
import signal
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import uv

from maxairesources.tree import PANTS_TOML, SETTINGS, USECASES, nearest
from maxaitools.steps import say


@dataclass(frozen=True)
class Resolve:
    """A named set of requirements and its lock.

    Attributes:
        name: the name of a domain, or the name in [python.resolves].
        lock: the path of the lock.
        interpreters: minor versions of CPython, lowest first, such as ("3.9", "3.11").
    """

    name: str
    lock: Path
    interpreters: tuple[str, ...]

    @property
    def requirements(self) -> Path:
        """The path of the requirements file."""
        return self.lock.with_suffix(".txt")

    def header(self) -> str:
        """Return the first lines of an up-to-date lock.

        Comments and blank lines in the requirements do not change it.
        """
        lines = self.requirements.read_text("utf-8-sig").splitlines()
        stripped = (re.sub(r"(^|\s)#.*", "", line).strip() for line in lines)
        inputs = "\n".join([*self.interpreters, *filter(None, stripped)])
        return (
            f"# Compiled from {self.requirements.name}; to refresh: ./pants lock {self.name}\n"
            f"# inputs sha256: {hashlib.sha256(inputs.encode()).hexdigest()}\n"
        )


def read_resolves() -> dict[str, Resolve]:
    """Return the resolves by name: those of the tools, then the domains'.

    The launcher finds the same domains.
    """
    python = tomllib.loads(Path(PANTS_TOML).read_text())["python"]
    constraints = python["resolves_to_interpreter_constraints"]
    default = python["interpreter_constraints"]
    resolves = {}
    for name, lock in python["resolves"].items():
        versions = re.findall(r"==(\d+\.\d+)", " ".join(constraints.get(name, default)))
        resolves[name] = Resolve(name, Path(lock), tuple(versions))
    for path in sorted(Path(USECASES).glob("*/requirements.txt")):
        file, name = path.with_name(".python-version"), path.parent.name
        version = file.read_text().strip() if file.exists() else "3.11"
        minor = ".".join(version.split(".")[:2])
        resolves[name] = Resolve(name, path.with_suffix(".lock"), (minor,))
    return resolves


def find_indexes() -> list[str]:
    """Return the options by which uv uses the package indexes of Pants, in their order.

    The launcher passes them from marketplace.toml on to Pants.
    """
    indexes, links = (
        ast.literal_eval(os.environ.get(f"PANTS_PYTHON_REPOS_{key}") or "[]")
        for key in ("INDEXES", "FIND_LINKS")
    )
    return [
        # Otherwise the versions in the first index hide those in the others.
        "--index-strategy=unsafe-first-match",
        *(f"--find-links={url}" for url in links),
        *(f"--index={url}" for url in indexes[:-1]),
        *(f"--default-index={url}" for url in indexes[-1:]),
    ]


def run_uv(file: Path, *arguments: str) -> None:
    """Run uv, and exit with its error, which the file caused."""
    command = [uv.find_uv_bin(), "--quiet", *arguments]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"error: {file}: {result.stderr.strip()}")


def compile_lock(resolve: Resolve, *, upgrade: bool) -> bool:
    """Write the lock of a resolve, and return True if it changed; exit if that is not possible.

    With `upgrade`, lock the newest versions. Otherwise, locked versions change only if the
    requirements exclude them.
    """
    lock = resolve.lock
    # uv reports a file that is missing or not valid.
    file = resolve.requirements
    text = file.read_text("utf-8-sig", "replace") if file.exists() else ""
    wrong = [
        # The line itself may contain a password.
        f"error: {file}:{number}: a requirement cannot have an option, URL or path; write "
        f"name==version, and add its index to {SETTINGS}; see build-support/docs/images.md"
        for number, line in enumerate(text.splitlines(), start=1)
        if re.match(r"[^#]*([@/]|(?<!\S)-)", line)
    ]
    if wrong:
        sys.exit("\n".join(wrong))
    before = lock.read_bytes() if lock.exists() else b""
    lowest, *others = resolve.interpreters
    run_uv(
        file,
        *("pip", "compile", "--generate-hashes", "--no-header", "--no-emit-index-url"),
        *("--python", sys.executable, "--python-version", lowest, *find_indexes()),
        # A lock for one interpreter is for the images, which run Linux. The system of
        # this machine must not matter.
        *(["--universal"] if others else ["--python-platform", "linux"]),
        *(["--upgrade"] if upgrade else []),
        *("--output-file", str(lock), str(file)),
    )
    # uv writes the path of the requirements; the name of the file is enough.
    entries = re.sub(r"(?m)^(    # .*-r ).*/", r"\1", lock.read_text())
    after = resolve.header() + entries
    lock.write_text(after)
    return after.encode() != before


def main(arguments: list[str] | None = None) -> None:
    """Run the command; an error ends it with exit code 1."""
    parser = argparse.ArgumentParser(prog="./pants lock", description=__doc__)
    text = "a domain, or a resolve in pants.toml (default: all)"
    parser.add_argument("resolve", nargs="*", help=text)
    text = "lock the newest versions that the requirements allow"
    parser.add_argument("--upgrade", action="store_true", help=text)
    options = parser.parse_args(arguments)
    resolves = read_resolves()
    names = options.resolve or list(resolves)
    for name in names:
        if name not in resolves:
            problem = f"{name!r} is neither a domain nor a resolve in {PANTS_TOML}"
            sys.exit(f"error: {problem}; {nearest(name, resolves)}")
    for number, name in enumerate(names, start=1):
        changed = compile_lock(resolves[name], upgrade=options.upgrade)
        state = "written" if changed else "unchanged"
        say(f"[{number}/{len(names)}] {resolves[name].lock}: {state}")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C prints no traceback.
    main()
