"""Finds the targets that changed files belong to.

It does more than stock `--changed-since`. It also handles deleted files that no target owns any
more, changes that affect everything, and changes that affect a whole domain.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Iterable, Mapping

from pants.backend.python.dependency_inference.parse_python_dependencies import (
    ParsedPythonDependencies,
    ParsePythonDependenciesRequest,
)
from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.target_types import (
    PythonResolveField,
    PythonSourceField,
)
from pants.backend.python.util_rules.interpreter_constraints import (
    InterpreterConstraints,
)
from pants.engine.addresses import Address
from pants.engine.internals.graph import Owners, OwnersRequest
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import AllUnexpandedTargets, Target
from pants.util.frozendict import FrozenDict

from marketplace.graph.data_files import folders_that_read
from marketplace.graph.release_target import MarketplaceRelease
from marketplace.graph.sources_below import SourcesBelow, SourcesBelowFieldSet
from marketplace.selection.changes import Changes
from marketplace.selection.known_targets import KnownTargets
from maxairesources.tree import CONFIGS, DAGS, USECASES, domain_of

ByFile = Mapping[str, Iterable[Address]]


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
    request: ChangedTargetsRequest, targets: AllUnexpandedTargets, known: KnownTargets
) -> ChangedTargets:
    changes = request.changes
    if changes.everything:
        everything = tuple(target.address for target in targets)
        return ChangedTargets(
            FrozenDict({path: everything for path in changes.everything})
        )

    owners = await MultiGet(
        Get(
            Owners,
            OwnersRequest((path,), match_if_owning_build_file_included_in_sources=True),
        )
        for path in changes.files
    )
    importers = await Get(Importers, ImportersRequest(changes.deleted))
    by_file = {path: set(found) for path, found in zip(changes.files, owners)}
    for path in changes.deleted:
        # The generator owns a deleted test, and selecting it would run all of its tests.
        by_file[path] -= known.no_owners
    # A changed BUILD file may have lost a target, like a deleted file.
    builds = (path for path in changes.files if PurePath(path).name == "BUILD")
    gone = tuple(sorted({*changes.deleted, *builds}))
    python = {
        target.address.filename.rpartition("/")[0]
        for target in (targets if gone else ())
        if target.has_field(PythonSourceField) and target.address.is_file_target
    }
    for path in gone:
        by_file[path].update(
            target.address for target in targets if _depended_on(target, path)
        )
        if not path.endswith((".py", ".pyi", "/BUILD")):
            # The modules beside a data file may have read it.
            folders = folders_that_read(path, python)
            by_file[path].update(
                target.address
                for target in (targets if folders else ())
                if target.has_field(PythonSourceField)
                and target.address.spec_path in folders
            )
    for path, found in importers.by_file.items():
        by_file[path].update(found)
    # The modules of a package and of its subpackages depend on its __init__.py, and all tests
    # below a folder on its conftest.py.
    packages = (
        path
        for path in changes.deleted
        if PurePath(path).stem in ("__init__", "conftest")
    )
    for path in (*packages, *changes.inherited):
        by_file[path].update(_below(targets, path.rpartition("/")[0]))
    for path in changes.lists:
        by_file[path].update(_of_domains(targets, changes.domains))
    return ChangedTargets(
        FrozenDict(
            {path: tuple(sorted(found)) for path, found in by_file.items() if found}
        ),
        gone,
    )


@rule
async def find_importers(
    request: ImportersRequest, known: KnownTargets, python_setup: PythonSetup
) -> Importers:
    # Pants infers no dependency on a deleted module. `from package import module` is not an
    # error either, since the package may define that name.
    modules = {
        _module(path): path
        for path in request.deleted
        if path.endswith((".py", ".pyi"))
    }
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


def _depended_on(target: Target, path: str) -> bool:
    """Return if the graph inferred that a target depended on a file that is gone."""
    if isinstance(target, SourcesBelow) and not path.endswith("_test.py"):
        folder = f"{SourcesBelowFieldSet.create(target).path}/"
        below = path[len(folder) :] if path.startswith(folder) else ""
        # Without a BUILD file, the files of its folder are not sources any more.
        return "/" in below and below.endswith((".py", ".json", "/BUILD"))
    tree, _, names = path.rpartition("/")[0].partition("/")
    if isinstance(target, MarketplaceRelease):
        return tree in (CONFIGS, DAGS) and path.endswith((".json", "/dag.py", "/BUILD"))
    folder = f"{target.address.spec_path}/"
    return (
        tree == CONFIGS
        and target.address.is_file_target
        and target.address.filename.endswith("/dag.py")
        and folder.startswith(f"{DAGS}/{names}/")
    )


def _module(path: str) -> str:
    """Return the name of a Python file's module; see `root_patterns` in pants.toml."""
    parts = path.rpartition(".")[0].split("/")
    is_below = parts[0] == "build-support" and len(parts) > 2
    return ".".join(parts[2:] if is_below else parts)


def _below(targets: Iterable[Target], folder: str) -> set[Address]:
    """Return the addresses of all targets in a folder and below it; "" is the root."""
    return {
        target.address
        for target in targets
        if not folder or f"{target.address.spec_path}/".startswith(f"{folder}/")
    }


def _of_domains(targets: Iterable[Target], domains: tuple[str, ...]) -> set[Address]:
    """Return the addresses of the targets that a change in the lists of domains affects."""
    found: set[Address] = set()
    for domain in domains:
        of_domain = {
            target.address for target in targets if _is_of_domain(target, domain)
        }
        # The targets that use the lists have lost a domain that is gone.
        found |= of_domain or {
            target.address
            for target in targets
            if target.address.spec_path == "build-support"
        }
    return found


def _is_of_domain(target: Target, domain: str) -> bool:
    """Return if a target is in the resolve of a domain, or in the domain's own folder."""
    if target.has_field(PythonResolveField):
        return target[PythonResolveField].value == domain
    return target.address.spec_path == f"{USECASES}/{domain}"


def rules() -> Iterable[Any]:
    return collect_rules()
