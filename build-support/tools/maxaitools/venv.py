"""Make the virtual environment of a domain, for an editor, pytest and notebooks.

It is the folder maxaiusecases/<domain>/.venv, and replaces an older one. It has the packages of the
domain's lock, pytest and a kernel of Jupyter, and it imports the code of this checkout.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from maxairesources.tree import USECASES
from maxaitools.lock import Resolve, find_indexes, read_resolves, run_uv


def make_venv(domain: str, resolves: dict[str, Resolve]) -> Path:
    """Make the virtual environment of a domain, and return its folder."""
    folder = Path(USECASES, domain, ".venv")
    (python,) = resolves[domain].interpreters
    if python == "{}.{}".format(*sys.version_info):
        python = sys.executable
    run_uv(folder, "venv", "--clear", f"--python={python}", str(folder))
    # If several locks have a package, its version in the domain's lock counts.
    for name in ("notebook", "pytest", domain):
        lock = resolves[name].lock
        run_uv(
            lock,
            *("pip", "install", f"--python={folder}", "--no-deps", "--require-hashes"),
            *find_indexes(),
            # A package without a wheel is built with these versions.
            f"--build-constraints={resolves['setuptools'].lock}",
            f"--requirements={lock}",
        )
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "checkout.pth").write_text(f"{Path.cwd()}\n")
    return folder


def main(arguments: list[str] | None = None) -> None:
    """Run the command; an error ends it with exit code 1."""
    resolves = read_resolves()
    domains = [n for n, r in resolves.items() if r.lock.is_relative_to(USECASES)]
    parser = argparse.ArgumentParser(prog="./pants venv", description=__doc__)
    parser.add_argument("domain", choices=domains)
    name = parser.parse_args(arguments).domain
    if not (lock := resolves[name].lock).exists():
        sys.exit(f"error: {lock}: is missing; run ./pants lock {name}")
    print(f"{make_venv(name, resolves)}: written")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C prints no traceback.
    main()
