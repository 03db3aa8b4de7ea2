"""Reads the files of a domain for the conventions: its folders, configs, DAGs and imports.

A file that cannot be parsed is treated as if it did not exist.
"""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Container, Iterator, Mapping, NamedTuple

from maxairesources.errors import InputError
from maxairesources.launches import Launch, read_launches
from maxairesources.tree import (
    CONFIGS,
    DAGS,
    LAUNCHED_FROM,
    PY_CONFIG,
    USECASES,
    path_of,
)

Names = tuple[str, ...]

# The parameters of DAGFactory that repeat the folders of its dag.py, in their order.
DAG_NAMES = ("dag_id", "domain_name", "usecase", "obj")


class Import(NamedTuple):
    """An import from one of the trees: its line, and the file that may be imported."""

    line: int
    file: str


class Dag(NamedTuple):
    """What a dag.py shows without running it.

    Attributes:
        names: the arguments for DAG_NAMES of each DAGFactory.
        operators: the operators of the tasks of DAGFactory; None if it is not a string.
        complete: if false, it may have tasks that only running it would show.
        ids: the ids of the DAGs without DAGFactory; None if it is not a literal.
    """

    names: list[list[str | None]]
    operators: dict[str, str | None]
    complete: bool
    ids: list[str | None] = []

    @property
    def launches(self) -> bool:
        """If a launch config may launch one of its tasks."""
        found = self.operators.values()
        hidden = None in found or (self.operators and not self.complete)
        return bool(hidden or {*found} & LAUNCHED_FROM.keys())


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
    # The files whose content is not in `files`, because it is too large, with their sizes.
    large: Mapping[str, int] = field(default_factory=dict)
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
        pattern = re.compile(f"{USECASES}/[^/]+/[^/]+/handlers/.+[.]py")
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

    def may_launch(self, names: Names) -> bool:
        """Return if a launch config may launch a task of these DAGs.

        Args:
            names: the names of a domain, a usecase or an objective.
        """
        below = [each for each in self.folders(DAGS, 3) if each[: len(names)] == names]
        return any(
            names not in self.dags or self.dags[names].launches for names in below
        )

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
        [*_plain_ids(module)],
    )


def _plain_ids(module: ast.Module) -> Iterator[str | None]:
    """Yield the ids of the DAGs that `DAG` and `@dag` create."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and _last(node.func) == "DAG":
            yield _text(node, 0, "dag_id")
        if isinstance(node, ast.FunctionDef):
            for each in node.decorator_list:
                if isinstance(each, ast.Call) and _last(each.func) == "dag":
                    ids = {k.arg for k in each.keywords} & {"dag_id", None}
                    yield _text(each, 0, "dag_id") if each.args or ids else node.name
                elif _last(each) == "dag":
                    yield node.name


def _last(node: ast.expr) -> str | None:
    """The b of the expressions `b` and `a.b`."""
    return getattr(node, "attr", None) or getattr(node, "id", None)


def _text(call: ast.Call, position: int, name: str) -> str | None:
    """The argument of a call for a parameter, if it is a literal string."""
    given = [keyword.value for keyword in call.keywords if keyword.arg == name]
    values = (given or call.args[position : position + 1])[:1]
    texts = [value.value for value in values if isinstance(value, ast.Constant)]
    return texts[0] if texts and isinstance(texts[0], str) else None


def imports_in(
    path: str, module: ast.Module, files: Container[str]
) -> Iterator[Import]:
    """Yield the imports from the trees in a module.

    Args:
        path: the path of the module.
        module: its syntax tree.
        files: the paths of the known files; a name may stand for a module, or in one.
    """
    for node in ast.walk(module):
        if not isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        parts: list[str] = []
        if isinstance(node, ast.ImportFrom):
            here = path.split("/")[: -node.level] if node.level else []
            parts = [*here, *(node.module or "").split(".")]
        for alias in node.names:
            names = [*filter(None, parts), *alias.name.split(".")]
            if names[0] in (DAGS, USECASES) and len(names) > 1:
                yield Import(node.lineno, _file_of(names, files))


def _file_of(names: list[str], files: Container[str]) -> str:
    """Return the file that an import runs last; a star stands for all modules of a folder."""
    if names[-1] == "*":
        return "/".join(names) + ".py"
    for size in range(len(names), 1, -1):
        stem = "/".join(names[:size])
        for file in (f"{stem}.py", f"{stem}/__init__.py"):
            if file in files:
                return file
    # The file of another domain, or a folder.
    return "/".join(names[:5]) + (".py" if len(names) > 4 else "")
