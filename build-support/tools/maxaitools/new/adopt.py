"""Finds what a domain from elsewhere lacks, and what a person has to decide in it."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from maxairesources.configs.document import parse, validate
from maxairesources.configs.py_config import PyConfig
from maxairesources.errors import InputError
from maxairesources.tree import CONFIGS, SETTINGS, TREES, USECASES, path_of
from maxaitools import lock
from maxaitools.conventions.check import Domain, check

_AGAIN = "or delete it and run this again for one to start from"
_NO_PORTS = "does not use config.main and ports; see build-support/docs/adopt.md"
_NO_FACTORY = f"does not use DAGFactory; see build-support/docs/adopt.md, {_AGAIN}"
_NO_TASKS = f"has no tasks; write them, {_AGAIN} if the usecase needs it"


def find_problem(domain: str) -> str:
    """Return why the launcher does not build a domain, or an empty string."""
    lines = os.environ.get("MAXAI_PROBLEMS", "").splitlines()
    folder = path_of(USECASES, [domain])
    return next((each for each in lines if re.match(f"{folder}[/:]", each)), "")


def is_completed(domain: str) -> bool:
    """Return if this command solves the problem of a domain, so that it can be locked."""
    return bool(re.match("$|.*: missing; |.* also needs ", find_problem(domain)))


def add_requirements(domain: str) -> None:
    """Append to a requirements.txt what maxairesources needs, as the launcher has found."""
    if lacking := re.search("maxairesources also needs (.*);", find_problem(domain)):
        path = Path(USECASES, domain, "requirements.txt")
        lines = [f"{_of_library()[name]}\n" for name in lacking[1].split(", ")]
        with path.open("a") as file:
            file.write(f"\n# maxairesources imports these.\n{''.join(lines)}")
        print(f"  {path}: added {lacking[1]}")


def _of_library() -> dict[str, str]:
    """Return the lines of requirements that the library is tested with, by name."""
    lines = lock.read_resolves()["library"].requirements.read_text().splitlines()
    return {Requirement(each).name: each for each in lines if not each.startswith("#")}


def objectives(domain: str) -> Iterator[dict[str, Any]]:
    """Yield the values of the templates for each objective of a domain."""
    found = {
        path.parts[2:4] for t in TREES[:2] for path in Path(t, domain).glob("*/*/")
    }
    for usecase, objective in sorted(found):
        folder = Path(USECASES, domain, usecase, "handlers")
        sources = {each.stem: each.read_text() for each in sorted(folder.glob("*.py"))}
        names = [name for name, text in sources.items() if "__main__" in text]
        is_spark = any("pyspark" in text for text in sources.values())
        yield {
            "domain": domain,
            "usecase": usecase,
            "objective": objective,
            "operator": "spark" if is_spark else "kubepod",
            "handlers": names or [objective],
        }


def decisions(domain: str) -> Iterator[str]:
    """Yield what a person has to decide: the findings of `lint`, and old files; one line each."""
    settings = tomllib.loads(Path(SETTINGS).read_text())
    allowed = (tuple(settings.get(key, ())) for key in ("deployments", "images"))
    problem = "" if is_completed(domain) else find_problem(domain)
    findings = check(Domain(domain, *allowed, problem))
    yield from (each for each in findings if re.match(f"[^/]+/{domain}/", each))
    for path in sorted(
        each for tree in TREES for each in Path(tree, domain).rglob("*")
    ):
        if path.is_file() and (reason := _why_old(path)):
            yield f"{path}: {reason}"
    yield from _versions(domain)


def _why_old(path: Path) -> str | None:
    """Return why a file does not fit yet, for a DAG, a handler or a config."""
    text = path.read_text() if path.suffix in (".py", ".json") else ""
    if path.name == "dag.py" and "maxairesources" not in text:
        return _NO_FACTORY
    if path.parent.name == "handlers" and "__main__" in text:
        return None if "maxairesources" in text else _NO_PORTS
    if path.parts[0] != CONFIGS or path.suffix != ".json":
        return None
    try:
        config = parse(text)
        if re.match("py_config", path.name):
            validate(PyConfig, config)
    except InputError as error:
        return f"{error.problem}; {error.remedy}, {_AGAIN}"
    is_launch = re.fullmatch("(spark|kubepod)_config.json", path.name)
    return _NO_TASKS if is_launch and "tasks" not in config else None


def _versions(domain: str) -> Iterator[str]:
    path = Path(USECASES, domain, "requirements.lock")
    text = path.read_text() if path.exists() else ""
    locked = dict(re.findall(r"(?m)^([\w.-]+)==(\S+)", text))
    for name, tested in _of_library().items():
        if name in locked and locked[name] not in Requirement(tested).specifier:
            file = path.with_suffix(".txt")
            yield f"{file}: {name} {locked[name]} is locked; maxairesources needs {tested}"
