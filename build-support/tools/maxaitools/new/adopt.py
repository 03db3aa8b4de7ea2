"""Finds what a domain from elsewhere lacks, and what a person has to decide in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from maxairesources.tree import CONFIGS, DAGS, TREES, USECASES
from maxaitools import lock
from maxaitools.conventions.check import Domain, check, read, requires

_GUIDE = "see build-support/docs/adopt.md"
_AGAIN = f"{_GUIDE}, or delete it and run this again"
# Patterns of files in a domain, a pattern of what fits in each, and the problem of the others.
_FITTING = {
    f"{CONFIGS}/{{}}/*/*/py_config.json": (
        '"function"',
        f"does not describe ports; {_AGAIN}",
    ),
    f"{CONFIGS}/{{}}/*/*_config.json": ('"tasks"', f"has no tasks; {_AGAIN}"),
    f"{DAGS}/{{}}/*/*/dag.py": ("maxairesources", f"does not use DAGFactory; {_AGAIN}"),
    # A module that nothing starts is not a handler.
    f"{USECASES}/{{}}/*/handlers/*.py": (
        "(?s)maxairesources|^(?!.*__main__)",
        f"does not use config.main and ports; {_GUIDE}",
    ),
}
# What the launcher wants too.
_NEEDED = ("fsspec", "pandas", "pyarrow", "pydantic")


def add_requirements(domain: str) -> None:
    """Append to the requirements.txt of a domain what maxairesources needs."""
    path = Path(USECASES, domain, "requirements.txt")
    added = [_of_library()[each] for each in _NEEDED if not requires(domain, each)]
    if added:
        with path.open("a") as file:
            file.write("\n".join(["", "# maxairesources imports these.", *added, ""]))
        print(f"  {path}: added {', '.join(added)}")


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
    yield from filter(of_domain.match, check(Domain(domain)))
    for pattern, (content, problem) in _FITTING.items():
        for path in sorted(Path().glob(pattern.format(domain))):
            if not re.search(content, read(path)):
                yield f"{path}: {problem}"
    file = f"{USECASES}/{domain}/requirements"
    locked = dict(re.findall(r"(?m)^([\w.-]+)==(\S+)", read(f"{file}.lock")))
    for name, tested in _of_library().items():
        if name in locked and locked[name] not in Requirement(tested).specifier:
            problem = f"maxairesources needs {tested}, not {locked[name]}; change it"
            yield f"{file}.txt: {problem}"
