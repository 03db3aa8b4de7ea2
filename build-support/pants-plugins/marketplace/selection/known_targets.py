"""Sorts all targets by domain and kind, for `--changed-since`.

Sorting is slow in a large marketplace. It is a separate rule, so Pants repeats it when a BUILD
file or the name of a file changes, but not when somebody edits a line.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Collection, Iterable, Mapping

from pants.backend.docker.target_types import DockerImageTarget
from pants.backend.python.dependency_inference.module_mapper import (
    FirstPartyPythonModuleMapping,
)
from pants.backend.python.target_types import (
    PythonSourceField,
    PythonTestsGeneratorTarget,
    PythonTestTarget,
)
from pants.core.target_types import ResourcesGeneratorTarget
from pants.engine.addresses import Address
from pants.engine.rules import collect_rules, rule
from pants.engine.target import AllUnexpandedTargets, Target, TargetGenerator

from marketplace.graph.release_target import MarketplaceRelease
from maxairesources.tree import CONFIGS, DAGS, domain_of


class AmbiguousModule(Exception):
    """A module has two owners in one resolve, so Pants would infer no dependency on it."""


@dataclass(frozen=True)
class KnownTargets:
    """All targets of the repository by domain, and the addresses of some kinds of targets.

    Attributes:
        by_domain: the targets of each domain; None is the key of the shared targets.
        generators: the target generators.
        images: the images.
        releases: the releases.
        no_owners: the generators of tests, data files and DAGs, on which nothing depends.
        python: the addresses of the Python files in each folder.
    """

    by_domain: Mapping[str | None, tuple[Target, ...]]
    generators: frozenset[Address]
    images: frozenset[Address]
    releases: frozenset[Address]
    no_owners: frozenset[Address]
    python: Mapping[str, tuple[Address, ...]]

    def below(self, folder: str) -> list[Address]:
        """Return the addresses of all targets in a folder and below it."""
        return [
            target.address
            for target in self.by_domain.get(domain_of(f"{folder}/"), ())
            if f"{_folder_of(target)}/".startswith(f"{folder}/")
        ]

    def reachable(self, domains: Collection[str | None]) -> list[Target]:
        """Return the targets that a change in some domains can reach.

        They are the targets of those domains and the shared targets. No target may depend on
        another domain's: the change that adds such a dependency is refused. So Pants needs to
        read the imports of these targets only.

        Args:
            domains: the domains; None is a change of a shared target, which reaches all.
        """
        reached = {None, *domains}
        names = self.by_domain if None in domains else reached
        return [each for name in names for each in self.by_domain.get(name, ())]


@rule(desc="Sort targets by domain")
async def sort_targets(
    targets: AllUnexpandedTargets, modules: FirstPartyPythonModuleMapping
) -> KnownTargets:
    _refuse_two_owners(modules, targets)

    def of(*kinds: type[Target]) -> frozenset[Address]:
        return frozenset(each.address for each in targets if isinstance(each, kinds))

    names = {domain_of_address(target.address) for target in targets}
    by_domain: dict[str | None, list[Target]] = defaultdict(list)
    for target in targets:
        by_domain[domain_of_address(target.address, names)].append(target)
    python: dict[str, list[Address]] = defaultdict(list)
    for target in targets:
        if target.has_field(PythonSourceField) and target.address.is_file_target:
            python[_folder_of(target)].append(target.address)
    return KnownTargets(
        {name: tuple(found) for name, found in by_domain.items()},
        generators=of(TargetGenerator),
        images=of(DockerImageTarget),
        releases=of(MarketplaceRelease),
        no_owners=of(PythonTestsGeneratorTarget, ResourcesGeneratorTarget)
        | {Address(DAGS, target_name="dags")},
        python={folder: tuple(found) for folder, found in python.items()},
    )


def _folder_of(target: Target) -> str:
    return target.residence_dir or ""


def domain_of_address(
    address: Address, known: Collection[str | None] = frozenset()
) -> str | None:
    """Return the domain of an address, from its folder or else from its resolve.

    Args:
        address: the address of a target.
        known: the domains whose resolves count.
    """
    path = address.filename if address.is_file_target else f"{address.spec_path}/"
    if domain := domain_of(path):
        return domain
    if address.spec_path == CONFIGS:
        # One target generates the configs of each domain.
        return address.target_name
    resolve = address.parameters.get("resolve")
    return resolve if resolve in known else None


def _refuse_two_owners(
    modules: FirstPartyPythonModuleMapping, targets: Iterable[Target]
) -> None:
    # No module imports a test, and several targets may run the same test.
    tests = {
        target.address for target in targets if isinstance(target, PythonTestTarget)
    }
    for resolve, providers_of in modules.resolves_to_modules_to_providers.items():
        for module, providers in providers_of.items():
            # A module may have a stub beside it.
            owners = {
                (each.typ, each.addr) for each in providers if each.addr not in tests
            }
            if len({kind for kind, _ in owners}) < len(owners):
                names = " and ".join(sorted(address.spec for _, address in owners))
                raise AmbiguousModule(
                    f"{module}: the module has two owners in the resolve {resolve}, {names}; "
                    "remove one, because Pants infers no dependency on such a module"
                )


def rules() -> Iterable[Any]:
    return collect_rules()
