"""Finds the targets that changes affect.

It does what stock `--changed-since` does, and what that leaves out: a deleted file that no
target is left to own, changes that affect everything or a whole domain, and modules with two
owners, between which Pants would otherwise choose neither.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Iterable, Mapping, Union

from pants.backend.docker.target_types import DockerImageTarget
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
from pants.engine.addresses import Address, Addresses
from pants.engine.internals.graph import Owners, OwnersRequest
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import (
    AllUnexpandedTargets,
    Dependencies,
    DependenciesRequest,
    ExplicitlyProvidedDependencies,
    Target,
)
from pants.util.frozendict import FrozenDict
from pants.vcs.changed import ChangedAddresses

from marketplace.graph.launch_configs import LaunchConfigTarget
from marketplace.graph.release_target import MarketplaceRelease
from marketplace.graph.sources_below import SourcesBelow, SourcesBelowFieldSet
from marketplace.selection.changes import Changes
from marketplace.selection.known_targets import KnownTargets, domain_of_address
from maxairesources.tree import CONFIGS, DAGS, domain_of

Edges = Mapping[Address, Iterable[Address]]
ByFile = Mapping[str, Iterable[Address]]
Reached = Mapping[Address, Union[Address, str]]


class DomainsMixed(Exception):
    """A target of one domain depends on another domain's."""


@dataclass(frozen=True)
class ChangedTargetsRequest:
    changes: Changes


@dataclass(frozen=True)
class ChangedTargets:
    """The targets that the changed files stand for.

    Attributes:
        by_file: their addresses by file; a file that no target stands for is not there.
        gone: the files that are not there any more, or may have lost what is in them.
    """

    by_file: FrozenDict[str, tuple[Address, ...]]
    gone: tuple[str, ...] = ()

    @property
    def addresses(self) -> set[Address]:
        return {address for addresses in self.by_file.values() for address in addresses}


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
    by_file = {path: set(found) for path, found in zip(changes.files, owners)}
    for path in changes.deleted:
        # Of a deleted test nothing is left to run: its generator stands for all the others.
        by_file[path] -= known.test_generators
    # Of a target that a BUILD file has lost nothing is left either.
    builds = (path for path in changes.files if f"/{path}".endswith("/BUILD"))
    gone = tuple(sorted({*changes.deleted, *builds}))
    for path in gone:
        by_file[path].update(target.address for target in targets if _had(target, path))
    # What imports a deleted module by `from package import module` has no edge left to it,
    # since the package may define that name.
    modules = {
        _module(path): path
        for path in changes.deleted
        if path.endswith((".py", ".pyi"))
    }
    sources = [
        each
        for each in known.reachable({*map(domain_of, modules.values())})
        if modules and each.has_field(PythonSourceField)
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
    for source, found in zip(sources, parsed):
        for name in found.imports:
            for imported in (name, name.rpartition(".")[0]):
                if imported in modules:
                    by_file[modules[imported]].add(source.address)
    # All modules of a package depend on its __init__.py, and those below it too; so do all
    # tests on a conftest.py.
    packages = [
        path
        for path in changes.deleted
        if PurePath(path).stem in ("__init__", "conftest")
    ]
    for path in (*packages, *changes.inherited):
        folder = path[: path.rindex("/") + 1] if "/" in path else ""
        by_file[path].update(
            target.address
            for target in targets
            if f"{target.address.spec_path}/".startswith(folder)
        )
    for path in changes.lists:
        by_file[path].update(
            target.address for target in targets if _is_of(target, changes.domains)
        )
        # What a domain that is gone was a part of stands where the lists are used.
        if any(
            not any(_is_of(t, (name,)) for t in targets) for name in changes.domains
        ):
            by_file[path].update(
                target.address
                for target in targets
                if target.address.spec_path == "build-support"
            )
    return ChangedTargets(
        FrozenDict(
            {path: tuple(sorted(found)) for path, found in by_file.items() if found}
        ),
        gone,
    )


def _had(target: Target, path: str) -> bool:
    """Whether a target had the file among what it gathers, or read it as a config."""
    if isinstance(target, SourcesBelow) and not path.endswith("_test.py"):
        folder = f"{SourcesBelowFieldSet.create(target).path}/"
        below = path[len(folder) :] if path.startswith(folder) else ""
        # Without its BUILD file, a folder has no sources any more.
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
    """The name by which a Python file is imported; see `root_patterns` in pants.toml."""
    parts = path.rpartition(".")[0].split("/")
    is_below = parts[0] == "build-support" and len(parts) > 2
    return ".".join(parts[2:] if is_below else parts)


def _is_of(target: Target, domains: tuple[str, ...]) -> bool:
    """Whether a target is in the resolve of one of the domains, or in its folder."""
    if target.has_field(PythonResolveField):
        return target[PythonResolveField].value in domains
    return target.address.spec_path in {f"maxaiusecases/{name}" for name in domains}


@dataclass(frozen=True)
class ChangedDependents:
    """The targets that directly depend on each target, as far as a change can reach.

    Attributes:
        mapping: by address, the dependents of the ordinary kind.
        launched: by the address of an image or a handler, the configs that launch it.
        gathered: the targets that only gather others, for tests that read them all.
        images: the images.
    """

    mapping: Edges
    launched: Edges = field(default_factory=dict)
    gathered: frozenset[Address] = frozenset()
    images: frozenset[Address] = frozenset()


@rule(desc="Map targets to their dependents")
async def map_dependents(
    changed: ChangedTargets, known: KnownTargets
) -> ChangedDependents:
    # What gathers the files of all domains is for tests that all share.
    of_all = {
        address for address in known.gathered if domain_of_address(address) is None
    }
    reached = {
        domain_of_address(address, known.by_domain)
        for address in changed.addresses - of_all
    }
    # What a deleted file leaves behind has to be asked for, and may be an error.
    reached |= {domain_of(path) for path in changed.gone}
    reachable = known.reachable(reached)
    # Of an image all of them are explicit: `add_content_tag` refuses to build any other, and
    # to look into its Dockerfile would need a tool to be installed.
    images = [each for each in reachable if isinstance(each, DockerImageTarget)]
    explicit = await MultiGet(
        Get(
            ExplicitlyProvidedDependencies,
            DependenciesRequest(target.get(Dependencies)),
        )
        for target in images
    )
    others = [each for each in reachable if not isinstance(each, DockerImageTarget)]
    dependencies = await MultiGet(
        Get(
            Addresses,
            DependenciesRequest(
                target.get(Dependencies), include_special_cased_deps=True
            ),
        )
        for target in others
    )
    found_by_target: list[tuple[Target, Iterable[Address]]] = [
        *zip(others, dependencies),
        *((image, each.includes) for image, each in zip(images, explicit)),
    ]
    dependents: dict[Address, list[Address]] = defaultdict(list)
    launched: dict[Address, list[Address]] = defaultdict(list)
    for target, found in found_by_target:
        # All that a launch config depends on is what it launches.
        edges = launched if isinstance(target, LaunchConfigTarget) else dependents
        domain = domain_of_address(target.address)
        for address in found:
            if domain and (
                address in of_all or domain_of_address(address) not in (None, domain)
            ):
                raise DomainsMixed(
                    f"{target.address} depends on {address}, of another domain: move what "
                    "both need into maxairesources"
                )
            edges[address].append(target.address)
    # A release has the tags of the images, whichever of their handlers a change is in.
    for address in known.images & launched.keys():
        dependents[address].extend(known.releases)
    return ChangedDependents(dependents, launched, known.gathered, known.images)


@rule
async def find_affected_addresses(
    changed: ChangedTargets, dependents: ChangedDependents, known: KnownTargets
) -> ChangedAddresses:
    # A generator stands for all of its targets, of which only some may be reached. It is kept
    # where a file was deleted from it, and then stands for that.
    reached = reach(changed.by_file, dependents)
    return ChangedAddresses(
        sorted(reached.keys() - (known.generators - changed.addresses))
    )


def reach(by_file: ByFile, dependents: ChangedDependents) -> Reached:
    """Each address that the files reach, and what comes before it on a shortest way."""
    reached: dict[Address, Address | str] = {}
    for path in sorted(by_file):
        for address in sorted(by_file[path]):
            reached.setdefault(address, path)

    def follow(found: Iterable[Address], passed: Iterable[Address] = ()) -> None:
        queue = deque(found)
        while queue:
            address = queue.popleft()
            for dependent in sorted(dependents.mapping.get(address, ())):
                if dependent not in reached and dependent not in passed:
                    reached[dependent] = address
                    queue.append(dependent)

    follow([*reached])
    # What is launched concerns the DAGs that launch it and their tests, and not the tests
    # that only read all configs or DAGs. An image that changes with a handler concerns the
    # DAGs that launch that handler; the tests that run the image depend on it themselves.
    launching = {
        config: address
        for address in [*reached]
        for config in dependents.launched.get(address, ())
        if config not in reached
        and (address not in dependents.images or isinstance(reached[address], str))
    }
    reached.update(launching)
    follow(launching, dependents.gathered)
    return reached


def rules() -> Iterable[Any]:
    return collect_rules()
