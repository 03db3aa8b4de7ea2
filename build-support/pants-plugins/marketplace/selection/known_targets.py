"""Sorts all targets by domain and kind, for `--changed-since`.

Sorting is slow in a large marketplace. It is a separate rule, so Pants repeats it when a BUILD
file or the name of a file changes, but not when somebody edits a line.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Collection, Iterable, Mapping, Optional

from pants.backend.docker.target_types import DockerImageTarget
from pants.backend.python.dependency_inference.module_mapper import (
    FirstPartyPythonModuleMapping,
)
from pants.backend.python.target_types import PythonTestTarget
from pants.engine.addresses import Address
from pants.engine.rules import collect_rules, rule
from pants.engine.target import AllUnexpandedTargets, Target, TargetGenerator

from marketplace.graph.release_target import MarketplaceRelease
from maxairesources.tree import CONFIGS, domain_of


class AmbiguousModule(Exception):
    """A module has two owners in one resolve, so Pants would infer no dependency on it."""


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


def domain_of_address(
    address: Address, known: Collection[str | None] = ()
) -> str | None:
    """Return the domain of an address, from its folder or else from its resolve.

    Args:
        address: the address of a target.
        known: the domains whose resolves count.
    """
    if address.spec_path == CONFIGS and not address.is_file_target:
        # One target generates the configs of each domain.
        return address.target_name
    path = address.filename if address.is_file_target else f"{address.spec_path}/"
    resolve = address.parameters.get("resolve")
    return domain_of(path) or (resolve if resolve in known else None)


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
                raise AmbiguousModule(
                    f"{module}: the module has two owners in the resolve {resolve}, {names}; "
                    "remove one, because Pants infers no dependency on such a module"
                )


def rules() -> Iterable[Any]:
    return collect_rules()
