"""Finds what a domain from elsewhere lacks, and what a person has to decide in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from maxairesources.tree import CONFIGS, DAGS, TREES, USECASES
from maxaitools import lock
from maxaitools.conventions.check import check, read_domain

# Patterns of files in a domain, with what each of them contains that fits here.
_FITTING = {
    f"{CONFIGS}/{{}}/*/*/py_config.json": ('"function"', "does not describe ports"),
    f"{CONFIGS}/{{}}/*/*_config.json": ('"tasks"', "has no tasks"),
    f"{DAGS}/{{}}/*/*/dag.py": ("maxairesources", "does not use DAGFactory"),
}
# What the launcher wants too.
_NEEDED = ("fsspec", "pandas", "pyarrow", "pydantic")
_AGAIN = "see build-support/docs/adopt.md, or delete it and run this again"


def read(path: Path) -> str:
    """Return the text of a file, or an empty string if it is missing."""
    return path.read_text(errors="replace") if path.exists() else ""


def add_requirements(path: Path) -> None:
    """Append to a requirements.txt what maxairesources needs."""
    needed = {name: _of_library()[name] for name in _NEEDED}
    added = [line for name, line in needed.items() if not requires(read(path), name)]
    if added:
        with path.open("a") as file:
            file.write("\n".join(["", "# maxairesources imports these.", *added, ""]))
        print(f"  {path}: added {', '.join(added)}")


def requires(text: str, package: str) -> bool:
    """Return if a requirements.txt with this text names a package."""
    return bool(re.search(rf"(?im)^{package}(?![\w.-])", text))


def _of_library() -> dict[str, str]:
    """Return the lines of requirements that the library is tested with, by name."""
    lines = lock.read_resolves()["library"].requirements.read_text().splitlines()
    return {Requirement(each).name: each for each in lines if not each.startswith("#")}


def objectives(domain: str) -> Iterator[dict[str, Any]]:
    """Yield the values of the templates for each objective of a domain."""
    folders = [path for tree in TREES[:2] for path in Path(tree, domain).glob("*/*/")]
    for usecase, objective in sorted({path.parts[2:4] for path in folders}):
        handlers = sorted(Path(USECASES, domain, usecase, "handlers").glob("*.py"))
        is_spark = any("pyspark" in read(path) for path in handlers)
        started = [path.stem for path in handlers if "__main__" in read(path)]
        yield {
            **{"domain": domain, "usecase": usecase, "objective": objective},
            "operator": "spark" if is_spark else "kubepod",
            "handlers": started or [objective],
        }


def decisions(domain: str) -> Iterator[str]:
    """Yield what a person has to decide: the findings of `lint`, and old files; one line each."""
    # The launcher has printed a problem, which this command may have solved.
    of_domain = re.compile(f"[^/]+/{domain}/(?!.*: not-built: )")
    yield from filter(of_domain.match, check(read_domain(domain)))
    for pattern, (content, problem) in _FITTING.items():
        for path in sorted(Path().glob(pattern.format(domain))):
            if content not in read(path):
                yield f"{path}: {problem}; {_AGAIN}"
    for path in sorted(Path(USECASES, domain).glob("*/handlers/*.py")):
        if "__main__" in read(path) and "maxairesources" not in read(path):
            problem = "does not use config.main and ports"
            yield f"{path}: {problem}; see build-support/docs/adopt.md"
    path = Path(USECASES, domain, "requirements.lock")
    locked = dict(re.findall(r"(?m)^([\w.-]+)==(\S+)", read(path)))
    for name, tested in _of_library().items():
        if name in locked and locked[name] not in Requirement(tested).specifier:
            file = path.with_suffix(".txt")
            yield f"{file}: maxairesources needs {tested}, not {locked[name]}; change it"
