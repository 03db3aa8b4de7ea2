"""Finds the targets that changed files belong to.

It does more than stock `--changed-since`: it knows what depended on a file that is gone.
"""

from __future__ import annotations

import glob
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Iterable, Iterator, Mapping

from pants.backend.python.dependency_inference.parse_python_dependencies import (
    ParsedPythonDependencies,
    ParsePythonDependenciesRequest,
)
from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.target_types import PythonResolveField, PythonSourceField
from pants.backend.python.util_rules.interpreter_constraints import (
    InterpreterConstraints,
)
from pants.engine.addresses import Address
from pants.engine.internals.graph import Owners, OwnersRequest
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import AllUnexpandedTargets, Target
from pants.util.frozendict import FrozenDict

from marketplace.graph.addresses import PYTHON
from marketplace.graph.data_files import folders_that_read
from marketplace.selection.changes import Changes
from marketplace.selection.known_targets import KnownTargets
from maxairesources.tree import CONFIGS, DAGS, domain_of

ByFile = Mapping[str, Iterable[Address]]
# A change of these files affects all targets in their folder and below.
_OF_FOLDERS = ("BUILD", ".python-version")


@dataclass(frozen=True)
class ChangedTargetsRequest:
    changes: Changes


@dataclass(frozen=True)
class ChangedTargets:
    """The targets that the changed files belong to.

    Attributes:
        by_file: the addresses of the targets by file, without the files that have no target.
        gone: the deleted files, and the changed BUILD files, which may have lost targets.
    """

    by_file: FrozenDict[str, tuple[Address, ...]]
    gone: tuple[str, ...] = ()

    @property
    def addresses(self) -> set[Address]:
        return {address for addresses in self.by_file.values() for address in addresses}


@dataclass(frozen=True)
class ImportersRequest:
    """Asks which targets import the modules of these deleted files."""

    deleted: tuple[str, ...]


@dataclass(frozen=True)
class Importers:
    """The addresses of targets, by the deleted file that they import."""

    by_file: FrozenDict[str, tuple[Address, ...]]


@rule
async def find_changed_targets(
    request: ChangedTargetsRequest,
    targets: AllUnexpandedTargets,
    known: KnownTargets,
    python_setup: PythonSetup,
) -> ChangedTargets:
    changes = request.changes
    if changes.everything:
        everything = tuple(target.address for target in targets)
        return ChangedTargets(FrozenDict(dict.fromkeys(changes.everything, everything)))

    deleted = {*changes.deleted}
    # Pants reads a path as a glob. It takes an escaped name for that of a deleted file, too, and
    # then also finds the generator.
    owners = await MultiGet(
        Get(
            Owners,
            OwnersRequest(
                (path if path in deleted else glob.escape(path),),
                match_if_owning_build_file_included_in_sources=True,
            ),
        )
        for path in changes.files
    )
    importers = await Get(Importers, ImportersRequest(changes.deleted))
    by_file = {path: set(found) for path, found in zip(changes.files, owners)}
    for path in {*changes.files} - deleted:
        by_file[path] -= known.generators
    for path, found in importers.by_file.items():
        by_file[path].update(found)
    for path in deleted:
        # A generator owns a deleted file. Its image and wheel have lost the file, but its tests
        # and data files do not stand for each other.
        by_file[path] = by_file[path] - known.no_owners | _users(path, known)
    for path in changes.files:
        folder, _, name = path.rpartition("/")
        if name in _OF_FOLDERS and folder:
            by_file[path].update(known.below(folder))
    for resolve, path in python_setup.resolves.items():
        if path in by_file:
            by_file[path].update(_of_resolve(resolve, targets, python_setup))
    gone = {*deleted, *(p for p in changes.files if p.endswith("/BUILD"))}
    return ChangedTargets(
        FrozenDict({path: tuple(sorted(f)) for path, f in by_file.items() if f}),
        tuple(sorted(gone)),
    )


def _of_resolve(
    resolve: str, targets: Iterable[Target], python_setup: PythonSetup
) -> Iterator[Address]:
    """Yield all targets of a resolve: pex gives all packages to a test that imports none."""
    for target in targets:
        if target.has_field(PythonResolveField):
            if target[PythonResolveField].normalized_value(python_setup) == resolve:
                yield target.address


def _users(path: str, known: KnownTargets) -> set[Address]:
    """Return the targets whose inferred dependencies a deleted file was one of."""
    folder, _, name = path.rpartition("/")
    tree, _, names = folder.partition("/")
    found: set[Address] = set()
    if tree == CONFIGS:
        dags = known.below(f"{DAGS}/{names}")
        found.update(a for a in dags if a.filename.endswith("/dag.py"))
    if tree == CONFIGS or (tree == DAGS and name == "dag.py"):
        found |= known.releases
    if tree == DAGS and name.endswith(PYTHON) and not name.endswith("_test.py"):
        # The tests and helpers beside a DAG depend on all modules in the folder.
        found.update(
            a
            for a in known.python.get(folder, ())
            if not a.filename.endswith("/dag.py")
        )
    if not name.endswith(PYTHON):
        for reader in folders_that_read(path, known.python.keys()):
            found.update(known.python[reader])
    # The modules of a package and of its subpackages depend on its __init__.py, and all tests
    # below a folder on its conftest.py.
    if PurePath(path).stem in ("__init__", "conftest"):
        found.update(known.below(folder))
    return found


@rule
async def find_importers(
    request: ImportersRequest, known: KnownTargets, python_setup: PythonSetup
) -> Importers:
    # Pants infers no dependency on a deleted module. `from package import module` is not an
    # error either, since the package may define that name.
    modules = {_module(path): path for path in request.deleted if path.endswith(PYTHON)}
    if not modules:
        return Importers(FrozenDict())
    sources = [
        target
        for target in known.reachable({*map(domain_of, modules.values())})
        if target.has_field(PythonSourceField)
    ]
    parsed = await MultiGet(
        Get(
            ParsedPythonDependencies,
            ParsePythonDependenciesRequest(
                source[PythonSourceField],
                InterpreterConstraints.create_from_targets([source], python_setup)
                or InterpreterConstraints(python_setup.interpreter_constraints),
            ),
        )
        for source in sources
    )
    by_file: dict[str, set[Address]] = {path: set() for path in modules.values()}
    for source, found in zip(sources, parsed):
        for name in found.imports:
            for imported in (name, name.rpartition(".")[0]):
                if imported in modules:
                    by_file[modules[imported]].add(source.address)
    return Importers(
        FrozenDict({path: tuple(sorted(found)) for path, found in by_file.items()})
    )


def _module(path: str) -> str:
    """Return the name of a Python file's module; see `root_patterns` in pants.toml."""
    parts = path.rpartition(".")[0].split("/")
    is_below = parts[0] == "build-support" and len(parts) > 2
    return ".".join(parts[2:] if is_below else parts)


def rules() -> Iterable[Any]:
    return collect_rules()
