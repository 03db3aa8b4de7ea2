"""Reads a domain's files for the conventions: its folders, configs, DAGs and imports.

What cannot be read is passed over, as if it were not there.
"""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Iterable, Iterator, Mapping, NamedTuple

from marketplace.launch_configs import IN_IMAGE

Names = tuple[str, ...]

CONFIGS, DAGS, USECASES = TREES = ("maxaiconfigs", "maxaidags", "maxaiusecases")
PY_CONFIG = "py_config.json"
# The names of the objective are its groups.
DAG_FILE = re.compile(f"{DAGS}/([^/]+)/([^/]+)/([^/]+)/dag[.]py")
LAUNCHED_FROM = {
    "KubernetesPodOperator": "kubepod_config.json",
    "SparkSubmitOperator": "spark_config.json",
}
# The parameters of DAGFactory that repeat where its dag.py is, in their order.
DAG_NAMES = ("dag_id", "domain_name", "usecase", "obj")
# What imports a module by a name that only running it would show.
IMPORTERS = ("__import__", "exec_module", "import_module", "pkgutil", "runpy")
# What begins a block in CPython 3.11, but not in 3.9, which Pants itself runs on.
NEWER_BLOCK = re.compile(r"^([ \t]*)(match|case|except ?\*).*:[ \t]*(#.*)?$", re.M)


class Launch(NamedTuple):
    """What a task in a launch config runs, and where that stands."""

    file: str
    place: str
    task: str
    handler: str

    def name_of(self, path: str) -> str:
        """How this config names the handler in a file."""
        is_spark = "/spark_config." in self.file
        return IN_IMAGE + path if is_spark else path[:-3].replace("/", ".")


class Import(NamedTuple):
    """An import from maxaiusecases: its line, and of what domain and file it may be."""

    line: int
    domain: str
    file: str


class DynamicImport(NamedTuple):
    """What imports at run time, and in which line."""

    line: int
    name: str


class Dag(NamedTuple):
    """What a dag.py gives for DAG_NAMES, and its tasks' operators.

    `complete` is False when it may have tasks that only running it would show.
    """

    names: list[list[str | None]]
    operators: dict[str, str | None]
    complete: bool


@dataclass(frozen=True)
class Domain:
    """What the rules know of a domain; the one without a name has what belongs to none."""

    name: str
    files: Mapping[str, str]
    resolves: Mapping[str, str]
    # The tuple DOMAINS of the macros.
    registered: Names
    # The names of all deployments, which overlays are for.
    deployments: Names = ()
    config_errors: Names = ()

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
        """The config that an overlay changes; of what is no overlay, that itself."""
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
        """What is Python among the Python files, by path."""
        found = {
            p: parse_python(text) for p, text in self.files.items() if p.endswith(".py")
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
        """What each dag.py says, by the names of its objective."""
        files = {
            names: path_of(DAGS, names, "dag.py") for names in self.folders(DAGS, 3)
        }
        return {n: _dag(self.modules[p]) for n, p in files.items() if p in self.modules}

    @cached_property
    def launches(self) -> list[Launch]:
        """The tasks of the launch configs and their overlays."""
        return [
            Launch(path, f"$.tasks[{index}]", str(get_in(task, "name")), handler)
            for path, config in self.configs.items()
            for index, task in enumerate(as_list(get_in(config, "tasks")))
            for handler in (
                get_in(task, "spark_submit_conf", "application"),
                *as_list(get_in(task, "conf", "arguments"))[:1],
            )
            if path.count("/") == 3 and isinstance(handler, str)
        ]

    @cached_property
    def known_tasks(self) -> dict[Names, set[str]]:
        """The tasks of each usecase's objectives, if they can all be read."""
        found: dict[Names, set[str]] = defaultdict(set)
        unreadable = set()
        for names in self.folders(CONFIGS, 3) | self.folders(DAGS, 3):
            dag, told = self.dags.get(names), self.tasks_in(
                path_of(CONFIGS, names, PY_CONFIG)
            )
            found[names[:2]].update(told or (), dag.operators if dag else ())
            if told is None and not (dag and dag.complete):
                unreadable.add(names[:2])
        return {usecase: found[usecase] for usecase in found.keys() - unreadable}

    def tasks_in(self, path: str) -> set[str] | None:
        """The tasks of a config; None if it cannot be read, or an overlay names none."""
        config = self.configs.get(path)
        if config is None:
            return None
        if path.endswith(f"/{PY_CONFIG}"):
            return {key for key in config if key != "$schema"}
        return {
            str(get_in(task, "name")) for task in as_list(config.get("tasks"))
        } or None


def domain_of(path: str) -> str | None:
    """The domain whose folder a path is in, if any."""
    tree, *below = path.split("/")
    return below[0] if len(below) > 1 and tree in TREES else None


def path_of(tree: str, names: Iterable[str], *file: str) -> str:
    return "/".join((tree, *names, *file))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def get_in(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def parse_python(text: str) -> ast.Module | None:
    # The second text has each statement in the line where it is in the first.
    for attempt in (text, NEWER_BLOCK.sub(r"\1if True:", text)):
        try:
            return ast.parse(attempt)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None


def find_dynamic_import(text: str) -> DynamicImport | None:
    """The first import in a Python file of a module that only running it would name."""
    named = [name for name in IMPORTERS if name in text]
    module = parse_python(text) if named else None
    if not module:
        # What is no Python to CPython 3.9 may be one.
        return DynamicImport(1, named[0]) if named else None
    found = []
    for node in ast.walk(module):
        names = [getattr(node, key, None) for key in ("id", "attr", "value", "module")]
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names += [alias.name for alias in node.names]
        line = getattr(node, "lineno", 1)
        found += [DynamicImport(line, name) for name in names if name in named]
    return min(found, default=None)


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
    """What a call gives for a parameter, if that is a literal text."""
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
                # A module is below three folders, and what follows is a name in it.
                file = path_of(tree, names[:4]) + (".py" if len(names) > 3 else "")
                yield Import(line, names[0], file)
