"""Reads the marketplace in the current folder, from its files."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maxairesources.configs.document import validate
from maxairesources.configs.py_config import PyConfig
from maxairesources.deployed import Deployed, ObjectiveConfigs
from maxairesources.domains import read_owners
from maxairesources.errors import InputError
from maxairesources.lineage import Use, find_edges, find_uses, read_uses
from maxairesources.tree import CONFIGS, DAGS, DOMAIN_CONFIG, NAME, USECASES, flatten
from maxaitools.catalogue.read_code import Dag, Handler, Step, read_dag, read_handler
from maxaitools.deployments.settings import read_settings

_RESOURCES = re.compile(r"resources|[.](memory|cores|instances)\b|memoryOverhead")

# A key, and its value without an overlay and in each deployment; an empty string if it is missing.
Row = tuple[str, list[str]]


@dataclass(frozen=True)
class Task:
    """A task of an objective.

    Attributes:
        step: its operator, and the tasks before it.
        file: the path of its handler; empty if no launch config names one.
        handler: what the handler shows.
        arguments: the values of the handler's arguments.
        settings: its resources, and what else an overlay changes.
        ports: the name, the content and the use of each port.
    """

    name: str
    step: Step
    file: str
    handler: Handler
    arguments: list[Row]
    settings: list[Row]
    ports: list[tuple[str, dict[str, Any], Use]]


@dataclass(frozen=True)
class Objective:
    """An objective.

    Attributes:
        path: its domain, usecase and name, such as retail/customer360/segmentation.
        dag: what its dag.py shows.
        tasks: those in dag.py, then those that only the py_config has.
        problem: the reason if its configs cannot be read.
    """

    path: str
    dag: Dag
    tasks: list[Task] = field(default_factory=list)
    problem: str = ""

    @property
    def tests(self) -> list[str]:
        """The tests beside its dag.py, and those of its handlers."""
        found = [Path(f"{task.file[:-3]}_test.py") for task in self.tasks]
        found += Path(DAGS, self.path).glob("*_test.py")
        return sorted({str(path) for path in found if path.is_file()})


class Marketplace:
    """The marketplace in the current folder.

    Attributes:
        deployments: the names of the deployments in marketplace.toml.
        domains: the objectives of each domain.
        names: the domains, and the paths of the objectives.
        problems: what cannot be shown, and why.
        uses: the tables that the tasks of each objective read and write.
        other_side: the uses that read what a use writes, or write what it reads.
    """

    def __init__(self) -> None:
        """Read it; raise an InputError if marketplace.toml has a mistake."""
        self.deployments = [*read_settings()]
        self.problems: list[str] = []
        self.domains: dict[str, list[Objective]] = {
            names[0]: [] for names in self._find(USECASES, "*/requirements.txt")
        }
        for names in self._find(DAGS, "*/*/*/dag.py"):
            objective = self._read_objective(names)
            self.domains.setdefault(names[0], []).append(objective)
        objectives = [each for found in self.domains.values() for each in found]
        self.names = {*self.domains, *(each.path for each in objectives)}
        self.uses: dict[str, list[Use]] = defaultdict(list)
        self.other_side: dict[Use, list[Use]] = defaultdict(list)
        uses = read_uses(Path())
        for use in uses:
            self.uses[use.objective].append(use)
        for writer, reader in find_edges(uses):
            self.other_side[writer].append(reader)
            self.other_side[reader].append(writer)

    def owners(self, domain: str) -> str:
        """Return the owners in the domain.json of a domain."""
        content = read(f"{CONFIGS}/{domain}/{DOMAIN_CONFIG}")
        return " ".join(read_owners(content.encode()))

    def _find(self, tree: str, pattern: str) -> Iterator[tuple[str, ...]]:
        """Yield the names of the folders above each file that has only valid names."""
        for path in sorted(Path(tree).glob(pattern)):
            names = path.parts[1:-1]
            if all(NAME.fullmatch(name) for name in names):
                yield names
            else:
                remedy = "use lowercase letters, digits and underscores"
                self.problems.append(f"{path}: has a name that is not valid; {remedy}")

    def _read_objective(self, names: tuple[str, ...]) -> Objective:
        path = "/".join(names)
        dag, problem = read_dag(read(f"{DAGS}/{path}/dag.py")), ""
        configs: list[ObjectiveConfigs] = []
        try:
            for name in (None, *self.deployments):
                configs.append(Deployed(name).read_objective(Path(), names))
                file, data = configs[-1].py_config_file, configs[-1].py_config
                validate(PyConfig, data, file, templates=True)
        except InputError as error:
            configs, problem = [], str(error)
            self.problems += problem.splitlines()
        others = sorted({name for each in configs for name in each.py_config})
        steps = {**dag.steps, **{n: Step() for n in others if n not in dag.steps}}
        tasks = [_read_task(path, *each, configs) for each in steps.items()]
        return Objective(path, dag, tasks, problem)


def _read_task(
    objective: str, name: str, step: Step, configs: list[ObjectiveConfigs]
) -> Task:
    parts: list[dict[str, Any]] = [each.py_config.get(name, {}) for each in configs]
    launches = [each.launches.get(name) for each in configs]
    file = next((each.handler_file or "" for each in launches if each), "")
    rows = compare(each.arguments if each else {} for each in launches)
    rows += compare({**each, "function": None} for each in parts)
    return Task(
        name,
        step,
        file,
        read_handler(read(file)),
        compare(each.get("function", {}).get("args", {}) for each in parts),
        [row for row in rows if _RESOURCES.search(row[0]) or len({*row[1]}) > 1],
        [
            (f"{key} {port['port']}", port, use)
            for part in parts[:1]
            for key in ("input", "output")
            for port in part.get(key, [])
            for use in find_uses(objective, {name: {key: [port]}})
        ],
    )


def packages(domain: str) -> dict[str, str]:
    """Return the requirements of a domain, each with its version in the lock."""
    wanted = read(f"{USECASES}/{domain}/requirements.txt")
    lock = read(f"{USECASES}/{domain}/requirements.lock")
    locked = dict(re.findall(r"^([\w.-]+)(?:\[.*?\])?==([^\s;\\]+)", lock, re.M))
    names = {each.lower() for each in re.findall(r"^[\w.-]+", wanted, re.M)}
    normal = sorted(re.sub("[-_.]+", "-", name) for name in names)
    return {name: locked.get(name, "not locked") for name in normal}


def compare(values: Iterable[dict[str, Any]]) -> list[Row]:
    """Return the values of the same object in several places, by JSON path."""
    flat = [dict(flatten(value)) if value else {} for value in values]
    keys = dict.fromkeys(key for each in flat for key in each)
    return [(key, [each.get(key, "") for each in flat]) for key in keys]


def read(path: str) -> str:
    """Return the content of a file; an empty string if it cannot be read, or is a link elsewhere."""
    file = Path(path)
    try:
        is_here = file.resolve().is_relative_to(Path.cwd())
        return file.read_text("utf-8", "replace") if is_here else ""
    except (OSError, RuntimeError):
        return ""
