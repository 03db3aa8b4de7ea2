"""Reads the files of a domain for the conventions: its folders, configs, DAGs and imports.

A file that cannot be parsed is treated as if it did not exist.
"""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Iterator, Mapping, NamedTuple

from maxairesources.errors import InputError
from maxairesources.launches import Launch, read_launches
from maxairesources.tree import CONFIGS, DAGS, PY_CONFIG, USECASES, path_of

Names = tuple[str, ...]

# The parameters of DAGFactory that repeat the folders of its dag.py, in their order.
DAG_NAMES = ("dag_id", "domain_name", "usecase", "obj")


class Import(NamedTuple):
    """An import from one of the trees: its line, and the file that may be imported."""

    line: int
    file: str


class Dag(NamedTuple):
    """The arguments for DAG_NAMES in a dag.py, and the operators of its tasks.

    `complete` is False if it may have tasks that only running it would show.
    """

    names: list[list[str | None]]
    operators: dict[str, str | None]
    complete: bool


@dataclass(frozen=True)
class Domain:
    """The facts that the rules check; the domain without a name has the files of none."""

    name: str
    files: Mapping[str, str]
    resolves: Mapping[str, str]
    # DOMAINS in build-support/macros.py.
    registered: Names
    # The deployments that overlays may be for.
    deployments: Names = ()
    config_errors: tuple[InputError, ...] = ()

    @cached_property
    def _folders(self) -> dict[tuple[str, int], set[Names]]:
        found = defaultdict(set)
        for tree, *names in (path.split("/") for path in self.files):
            for depth in range(len(names)):
                found[tree, depth].add(tuple(names[:depth]))
        return found

    def with_overlays(self, *configs: str) -> Names:
        ends = (".json", *(f".{deployment}.json" for deployment in self.deployments))
        return tuple(config[:-5] + end for config in configs for end in ends)

    def base_of(self, path: str) -> str:
        """The base of an overlay; the path itself if it is not an overlay."""
        stem, _, name = path[:-5].rpartition(".")
        return f"{stem}.json" if name in self.deployments else path

    def folders(self, tree: str, depth: int) -> set[Names]:
        """The names of the folders at one depth of a tree that hold any file."""
        return self._folders.get((tree, depth), set())

    @cached_property
    def configs(self) -> dict[str, dict[str, Any]]:
        """The configs and overlays that are JSON objects, by path."""
        found = {
            p: _json(text) for p, text in self.files.items() if p.endswith(".json")
        }
        return {p: config for p, config in found.items() if isinstance(config, dict)}

    @cached_property
    def modules(self) -> dict[str, ast.Module]:
        """The Python files that can be parsed, by path."""
        found = {
            p: _python(text) for p, text in self.files.items() if p.endswith(".py")
        }
        return {path: module for path, module in found.items() if module}

    @cached_property
    def handlers(self) -> set[str]:
        """The files of the handlers."""
        pattern = re.compile(f"{USECASES}/[^/]+/[^/]+/handlers/[^/]+[.]py")
        special = ("/__init__.py", "_test.py", "/conftest.py")
        found = {path for path in self.files if pattern.fullmatch(path)}
        return {path for path in found if not path.endswith(special)}

    @cached_property
    def dags(self) -> dict[Names, Dag]:
        """The names and tasks in each dag.py, by the names of its objective."""
        files = {
            names: path_of(DAGS, names, "dag.py") for names in self.folders(DAGS, 3)
        }
        return {n: _dag(self.modules[p]) for n, p in files.items() if p in self.modules}

    @cached_property
    def launches(self) -> dict[str, list[Launch]]:
        """The launches of each launch config and overlay, by its path."""
        return {
            path: [*read_launches(config)]
            for path, config in self.configs.items()
            if path.count("/") == 3
        }

    @cached_property
    def known_tasks(self) -> dict[Names, set[str]]:
        """The tasks of all objectives of each usecase whose tasks are all known."""
        found: dict[Names, set[str]] = defaultdict(set)
        unreadable = set()
        for names in self.folders(CONFIGS, 3) | self.folders(DAGS, 3):
            dag = self.dags.get(names)
            tasks = self.tasks_in(path_of(CONFIGS, names, PY_CONFIG))
            found[names[:2]].update(tasks or (), dag.operators if dag else ())
            if tasks is None and not (dag and dag.complete):
                unreadable.add(names[:2])
        return {usecase: found[usecase] for usecase in found.keys() - unreadable}

    def tasks_in(self, path: str) -> set[str] | None:
        """The tasks of a config; None if it cannot be parsed, or an overlay names none."""
        config = self.configs.get(path)
        if config is None:
            return None
        if path.endswith(f"/{PY_CONFIG}"):
            return {key for key in config if not key.startswith("$")}
        return {each.task for each in self.launches.get(path, []) if each.path} or None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _python(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _dag(module: ast.Module) -> Dag:
    calls = [node for node in ast.walk(module) if isinstance(node, ast.Call)]
    factories = [call for call in calls if _last(call.func) == "DAGFactory"]
    # The `add` of a set takes a single argument, that of a date has other names.
    adds = [
        call
        for call in calls
        if _last(call.func) == "add"
        and (
            len(call.args) > 1
            or any(isinstance(each, ast.Starred) for each in call.args)
            or any(each.arg in ("task_id", "operator", None) for each in call.keywords)
        )
    ]
    tasks = [(_text(call, 0, "task_id"), _text(call, 1, "operator")) for call in adds]
    return Dag(
        [[_text(call, *each) for each in enumerate(DAG_NAMES)] for call in factories],
        {task: operator for task, operator in tasks if task is not None},
        bool(tasks) and all(task is not None for task, _ in tasks),
    )


def _last(node: ast.expr) -> str | None:
    """The b of the expressions `b` and `a.b`."""
    return getattr(node, "attr", None) or getattr(node, "id", None)


def _text(call: ast.Call, position: int, name: str) -> str | None:
    """The argument of a call for a parameter, if it is a literal string."""
    given = [keyword.value for keyword in call.keywords if keyword.arg == name]
    values = (given or call.args[position : position + 1])[:1]
    texts = [value.value for value in values if isinstance(value, ast.Constant)]
    return texts[0] if texts and isinstance(texts[0], str) else None


def imports_in(path: str, module: ast.Module) -> Iterator[Import]:
    for node in ast.walk(module):
        if not isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        parts: list[str] = []
        aliases, line = node.names, node.lineno
        if isinstance(node, ast.ImportFrom):
            here = path.split("/")[: -node.level] if node.level else []
            parts = [*here, *filter(None, [node.module])]
        for alias in aliases:
            tree, *names = ".".join([*parts, alias.name]).split(".")
            if tree in (DAGS, USECASES) and names:
                # A module is below three folders; a name after it is defined in the module.
                file = path_of(tree, names[:4]) + (".py" if len(names) > 3 else "")
                yield Import(line, file)
