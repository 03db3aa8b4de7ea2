"""Selects the targets that changes affect: their own, and all that depend on those.

It does more than stock `--changed-since`: it knows what depended on a file that is gone. And it
reads the imports of those domains only that a change can reach.
"""

from __future__ import annotations

import glob
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Collection, Iterable, Mapping, Optional, Union

from pants.backend.docker.target_types import DockerImageTarget
from pants.backend.python.dependency_inference.module_mapper import (
    FirstPartyPythonModuleMapping,
)
from pants.backend.python.dependency_inference.parse_python_dependencies import (
    ParsedPythonDependencies,
    ParsePythonDependenciesRequest,
)
from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.target_types import (
    PythonResolveField,
    PythonSourceField,
    PythonTestTarget,
)
from pants.backend.python.util_rules.interpreter_constraints import (
    InterpreterConstraints,
)
from pants.engine.addresses import Address, Addresses
from pants.engine.fs import DigestContents, PathGlobs
from pants.engine.internals.graph import Owners, OwnersRequest
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import (
    AllUnexpandedTargets,
    Dependencies,
    DependenciesRequest,
    ExplicitlyProvidedDependencies,
    Target,
    TargetGenerator,
)

from marketplace.changes import Changes
from marketplace.graph import (
    FOR_TESTS,
    PYTHON,
    ConfigTarget,
    MarketplaceError,
    MarketplaceRelease,
    domain_of_address,
    find_named_objectives,
    is_data,
    source_address,
)
from maxairesources.tree import CONFIGS, DAGS, domain_of

Edges = Mapping[Address, Iterable[Address]]
# A change of these files affects all targets in their folder and below.
_OF_FOLDERS = ("BUILD", ".python-version", "__init__.py", "__init__.pyi")


@dataclass(frozen=True)
class KnownTargets:
    """All targets of the repository.

    Attributes:
        by_domain: the targets of each domain; None is the key of the shared targets.
        generators: the addresses of the target generators.
        images: the addresses of the images.
        releases: the addresses of the releases.
    """

    by_domain: Mapping[Optional[str], list[Target]]
    generators: frozenset[Address]
    images: frozenset[Address]
    releases: frozenset[Address]

    def below(self, folder: str) -> set[Address]:
        """Return the addresses of all targets in a folder and below it."""
        domain = domain_of(f"{folder}/")
        return {
            each.address
            for each in self.reachable({domain})
            if f"{each.residence_dir}/".startswith(f"{folder}/")
        }

    def reachable(self, domains: Collection[str | None]) -> list[Target]:
        """Return the targets that a change in some domains can reach.

        They are the targets of those domains and the shared targets. No target may depend on
        another domain's: the change that adds such a dependency is refused. So Pants needs to
        read the imports of these targets only.

        Args:
            domains: the domains; None is a change of a shared target, which reaches all.
        """
        names = self.by_domain if None in domains else {None, *domains}
        return [each for name in names for each in self.by_domain.get(name, ())]


@rule(desc="Sort targets by domain")
async def sort_targets(
    targets: AllUnexpandedTargets, modules: FirstPartyPythonModuleMapping
) -> KnownTargets:
    _refuse_two_owners(modules, targets)

    def of(kind: type[Target]) -> frozenset[Address]:
        return frozenset(each.address for each in targets if isinstance(each, kind))

    names = {domain_of_address(target.address) for target in targets}
    by_domain: dict[str | None, list[Target]] = defaultdict(list)
    for target in targets:
        by_domain[domain_of_address(target.address, names)].append(target)
    return KnownTargets(
        {**by_domain},
        of(TargetGenerator),
        of(DockerImageTarget),
        of(MarketplaceRelease),
    )


def _refuse_two_owners(
    modules: FirstPartyPythonModuleMapping, targets: Iterable[Target]
) -> None:
    # No module imports a test, and several targets may run the same test.
    tests = {each.address for each in targets if isinstance(each, PythonTestTarget)}
    for resolve, providers_of in modules.resolves_to_modules_to_providers.items():
        for module, providers in providers_of.items():
            # A module may have a stub beside it.
            owners = {(e.typ, e.addr) for e in providers if e.addr not in tests}
            if len({kind for kind, _ in owners}) < len(owners):
                names = " and ".join(sorted(address.spec for _, address in owners))
                raise MarketplaceError(
                    f"{module}: the module has two owners in the resolve {resolve}, {names}; "
                    "remove one, because Pants infers no dependency on such a module"
                )


@dataclass(frozen=True)
class Selection:
    """The targets of changed files, and the edges of the graph, as far as a change can reach.

    Attributes:
        by_file: the addresses of the targets that each file belongs to.
        dependents: the addresses that depend on each address, without launch configs.
        launchers: the launch configs by the address of an image or a handler in them.
        known: all targets.
    """

    by_file: Mapping[str, Collection[Address]]
    known: KnownTargets
    dependents: Edges = field(default_factory=dict)
    launchers: Edges = field(default_factory=dict)

    @property
    def addresses(self) -> set[Address]:
        """The selected addresses.

        A generator would select all of its targets, and a change may reach only some of them.
        """
        return self.reached(self.by_file).keys() - self.known.generators

    def reached(self, files: Iterable[str]) -> dict[Address, Union[Address, str]]:
        """Return each address that some changed files affect, with the step before it.

        The step is another address or the file, on a shortest path from one of the files.
        """
        reached: dict[Address, Address | str] = {}
        for path in files:
            for address in sorted(self.by_file.get(path, ())):
                reached.setdefault(address, path)
        queue = [*reached]
        for address in queue:
            found = [*self.dependents.get(address, ())]
            # An image that changes with a handler affects only the DAGs that launch the handler.
            # The tests that run the image depend on the image itself.
            if address not in self.known.images or isinstance(reached[address], str):
                found += self.launchers.get(address, ())
            for dependent in sorted(found):
                if dependent not in reached:
                    reached[dependent] = address
                    queue.append(dependent)
        return reached


async def _find_owners(
    changes: Changes, known: KnownTargets
) -> dict[str, set[Address]]:
    # Pants reads a path as a glob. It takes an escaped name for that of a deleted file, too, and
    # then also finds the generator.
    deleted = {*changes.deleted}
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
    # Nothing depends on the generators of all DAGs, which every domain would have to be read for.
    unused = {each for each in known.generators if each.spec_path == DAGS}
    return {
        path: {*found} - (unused if path in deleted else known.generators)
        for path, found in zip(changes.files, owners)
    }


async def _find_importers(
    changes: Changes, known: KnownTargets, python_setup: PythonSetup
) -> dict[str, set[Address]]:
    # Pants infers no dependency on a deleted module. `from package import module` is not an
    # error either, since the package may define that name.
    modules = {
        # The name of the module; see `root_patterns` in pants.toml.
        re.sub("^build-support/[^/]+/", "", path)
        .rpartition(".")[0]
        .replace("/", "."): path
        for path in changes.deleted
        if path.endswith(PYTHON)
    }
    found: dict[str, set[Address]] = {path: set() for path in changes.deleted}
    domains = {*map(domain_of, modules.values())}
    sources = [
        target
        for target in (known.reachable(domains) if domains else ())
        if target.has_field(PythonSourceField)
    ]
    constraints = InterpreterConstraints(python_setup.interpreter_constraints)
    parsed = await MultiGet(
        Get(
            ParsedPythonDependencies,
            ParsePythonDependenciesRequest(source[PythonSourceField], constraints),
        )
        for source in sources
    )
    for source, dependencies in zip(sources, parsed):
        for name in dependencies.imports:
            for imported in modules.keys() & {name, name.rpartition(".")[0]}:
                found[modules[imported]].add(source.address)
    return found


def _find_users(path: str, known: KnownTargets) -> set[Address]:
    """Return the targets whose inferred dependencies a deleted file may have been one of."""
    folder, _, name = path.rpartition("/")
    found: set[Address] = set()
    if FOR_TESTS.fullmatch(path) and (name == "conftest.py" or is_data(path)):
        below = known.below(re.split("/fixtures/|/[^/]*$", path)[0])
        files = (each for each in below if each.is_file_target)
        return {each for each in files if FOR_TESTS.fullmatch(each.filename)}
    if folder.startswith(f"{CONFIGS}/") or name == "dag.py":
        found = known.below(folder.replace(CONFIGS, DAGS, 1)) | known.releases
    elif name == "conftest.py" or folder.startswith(f"{DAGS}/"):
        found = set() if re.match(r".*_test\.py|test_", name) else known.below(folder)
    # A module reads the data files in its folder and in those below without a module.
    while not found and domain_of(path) and is_data(path) and folder.count("/") > 1:
        found = known.below(folder)
        folder = folder.rpartition("/")[0]
    return found


async def _find_followers(
    changes: Changes, known: KnownTargets
) -> dict[str, set[Address]]:
    """Return the DAGs that name the objective of each config, also those of other domains."""
    objectives = {path: path.split("/")[1:-1] for path in changes.files}
    names = {
        path: "/".join(objective)
        for path, objective in objectives.items()
        if path.startswith(f"{CONFIGS}/") and len(objective) == 3
    }
    globs = [f"{DAGS}/*/*/*/dag.py"] if names else []
    dags = await Get(DigestContents, PathGlobs(globs))
    named = {
        source_address(dag.path): find_named_objectives(dag.content)
        for dag in dags
        # A domain with a problem has no targets.
        if domain_of(dag.path) in known.by_domain
    }
    return {
        path: {dag for dag, found in named.items() if name in found}
        for path, name in names.items()
    }


async def _map_dependents(
    domains: Collection[str | None], known: KnownTargets
) -> tuple[Edges, Edges]:
    targets = known.reachable(domains)
    requests: list[Any] = []
    for target in targets:
        asked = DependenciesRequest(
            target.get(Dependencies), include_special_cased_deps=True
        )
        # All dependencies of an image are explicit: `add_content_tag` refuses any other image.
        # Inferring more from its Dockerfile would install a tool.
        if target.address in known.images:
            requests.append(
                Get(ExplicitlyProvidedDependencies, DependenciesRequest, asked)
            )
        else:
            requests.append(Get(Addresses, DependenciesRequest, asked))
    dependencies: list[Any] = []
    # Requests that are in progress at the same time need memory: all at once, 4 GB for 1,000
    # usecases, with which the daemon ends.
    for start in range(0, len(requests), 100):
        dependencies += await MultiGet(requests[start : start + 100])
    dependents: dict[Address, list[Address]] = defaultdict(list)
    launchers: dict[Address, list[Address]] = defaultdict(list)
    for target, found in zip(targets, dependencies):
        # A launch config depends only on what it launches.
        edges = launchers if isinstance(target, ConfigTarget) else dependents
        domain = domain_of_address(target.address)
        for address in found.includes if target.address in known.images else found:
            is_other = domain and domain_of_address(address) not in (None, domain)
            if is_other and address.spec_path == CONFIGS:
                continue  # See `_find_followers`.
            if is_other:
                raise MarketplaceError(
                    f"{target.address}: depends on {address}, which belongs to another "
                    "domain; move the code that both need into maxairesources"
                )
            edges[address].append(target.address)
    # A release holds the tags of the images, so any change of an image changes it.
    for address in known.images & launchers.keys():
        dependents[address].extend(known.releases)
    return dependents, launchers


@rule(desc="Select what the changes affect")
async def select(
    changes: Changes, known: KnownTargets, python_setup: PythonSetup
) -> Selection:
    if changes.everything:
        all_of = {each.address for each in known.reachable({None})}
        return Selection(dict.fromkeys(changes.everything, all_of), known)
    by_file = await _find_owners(changes, known)
    importers = await _find_importers(changes, known, python_setup)
    for path in changes.deleted:
        by_file[path] |= importers[path] | _find_users(path, known)
    for path, followers in (await _find_followers(changes, known)).items():
        by_file[path] |= followers
    for path in changes.files:
        folder, _, name = path.rpartition("/")
        if name in _OF_FOLDERS and folder:
            by_file[path] |= known.below(folder)
    for resolve, path in python_setup.resolves.items():
        if path in by_file:
            # Pex gives all packages to a test that imports none.
            by_file[path] |= {
                target.address
                for target in known.reachable({None})
                if target.has_field(PythonResolveField)
                and target[PythonResolveField].normalized_value(python_setup) == resolve
            }
    owned = {address for found in by_file.values() for address in found}
    # Nothing depends on a release, which is a shared target.
    domains = {domain_of_address(a, known.by_domain) for a in owned - known.releases}
    # The dependencies on a deleted file may be errors, which only a look at them reveals.
    domains |= {domain_of(path) for path in changes.files} - {None}
    edges = await _map_dependents(domains, known)
    return Selection({path: f for path, f in by_file.items() if f}, known, *edges)


def rules() -> Iterable[Any]:
    return collect_rules()
