"""Sort all targets by domain and kind, for `--changed-since`.

This takes a while in a large marketplace. It is a separate rule, so that Pants repeats it only
when a BUILD file or the name of a file changes, and not when somebody edits a line.
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
    PythonTestsGeneratorTarget,
    PythonTestTarget,
)
from pants.engine.addresses import Address
from pants.engine.rules import collect_rules, rule
from pants.engine.target import AllUnexpandedTargets, Target, TargetGenerator

from marketplace.graph.release_target import MarketplaceRelease
from marketplace.graph.sources_below import SourcesBelow
from maxairesources.tree import domain_of


class AmbiguousModule(Exception):
    """A module has two owners in one resolve, so that imports of it would be no edges."""


@dataclass(frozen=True)
class KnownTargets:
    """All targets of the repository by domain, and the addresses of some kinds of targets.

    Attributes:
        by_domain: the targets of each domain; None stands for what all share.
        gathered: the targets that only gather others, for tests that read them all.
        generators: the targets that others are generated from.
        images: the images.
        releases: the releases.
        test_generators: those of the generators that stand for tests.
    """

    by_domain: Mapping[str | None, tuple[Target, ...]]
    gathered: frozenset[Address]
    generators: frozenset[Address]
    images: frozenset[Address]
    releases: frozenset[Address]
    test_generators: frozenset[Address]

    def reachable(self, domains: Collection[str | None]) -> list[Target]:
        """The targets of some domains, and of what all share; with None, all.

        Nothing leads from one domain to another: that is refused as soon as whatever leads
        there is changed. So a change within domains reaches those alone and what all share, and
        no more imports than theirs have to be read.
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
    return KnownTargets(
        {name: tuple(found) for name, found in by_domain.items()},
        gathered=of(SourcesBelow),
        generators=of(TargetGenerator),
        images=of(DockerImageTarget),
        releases=of(MarketplaceRelease),
        test_generators=of(PythonTestsGeneratorTarget),
    )


def domain_of_address(
    address: Address, known: Collection[str | None] = frozenset()
) -> str | None:
    """The domain that an address is of: by its folder, or a shared module's by its resolve.

    Args:
        address: the address of a target.
        known: the domains whose resolves count.
    """
    if domain := domain_of(f"{address.spec_path}/"):
        return domain
    resolve = address.parameters.get("resolve")
    return resolve if resolve in known else None


def _refuse_two_owners(
    modules: FirstPartyPythonModuleMapping, targets: Iterable[Target]
) -> None:
    # Nothing imports a test, and several targets may run the same one.
    tests = {
        target.address for target in targets if isinstance(target, PythonTestTarget)
    }
    for resolve, providers_of in modules.resolves_to_modules_to_providers.items():
        for module, providers in providers_of.items():
            # A stub may stand beside its module.
            owners = {
                (each.typ, each.addr) for each in providers if each.addr not in tests
            }
            if len({kind for kind, _ in owners}) < len(owners):
                names = " and ".join(sorted(address.spec for _, address in owners))
                raise AmbiguousModule(
                    f"the module {module} of the resolve {resolve} has two owners, {names}: "
                    "remove one, or what imports it would not be selected when it changes"
                )


def rules() -> Iterable[Any]:
    return collect_rules()
