"""Finds the targets that depend on changed targets, as far as a change can reach."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any, Iterable, Mapping, Union

from pants.backend.docker.target_types import DockerImageTarget
from pants.engine.addresses import Address, Addresses
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import (
    Dependencies,
    DependenciesRequest,
    ExplicitlyProvidedDependencies,
    Target,
)
from pants.vcs.changed import ChangedAddresses

from marketplace.graph.configs import ConfigTarget
from marketplace.selection.changed_targets import ByFile, ChangedTargets
from marketplace.selection.known_targets import KnownTargets, domain_of_address
from maxairesources.tree import domain_of

Edges = Mapping[Address, Iterable[Address]]
Reached = Mapping[Address, Union[Address, str]]


class DomainsMixed(Exception):
    """A target of one domain depends on another domain's target."""


@dataclass(frozen=True)
class ChangedDependents:
    """The targets that directly depend on each target, as far as a change can reach.

    Attributes:
        mapping: the dependents by address, without the launch configs.
        launched: the launch configs by the address of an image or a handler in them.
        generators: the target generators.
        images: the images.
    """

    mapping: Edges
    launched: Edges = field(default_factory=dict)
    generators: frozenset[Address] = frozenset()
    images: frozenset[Address] = frozenset()


async def _direct_dependencies(
    targets: Iterable[Target],
) -> list[tuple[Target, Iterable[Address]]]:
    """Return each target with the addresses that it directly depends on."""
    # All dependencies of an image are explicit: `add_content_tag` refuses any other image.
    # Inferring more from its Dockerfile would install a tool.
    images = [each for each in targets if isinstance(each, DockerImageTarget)]
    explicit = await MultiGet(
        Get(
            ExplicitlyProvidedDependencies,
            DependenciesRequest(target.get(Dependencies)),
        )
        for target in images
    )
    others = [each for each in targets if not isinstance(each, DockerImageTarget)]
    dependencies = await MultiGet(
        Get(
            Addresses,
            DependenciesRequest(
                target.get(Dependencies), include_special_cased_deps=True
            ),
        )
        for target in others
    )
    return [
        *zip(others, dependencies),
        *((image, each.includes) for image, each in zip(images, explicit)),
    ]


@rule(desc="Map targets to their dependents")
async def map_dependents(
    changed: ChangedTargets, known: KnownTargets
) -> ChangedDependents:
    # Nothing but a deployment depends on a release, and both are shared targets.
    reached = {
        domain_of_address(address, known.by_domain)
        for address in changed.addresses - known.releases
    }
    # The dependencies on a deleted file may be errors, which only a look at them reveals.
    reached |= {domain_of(path) for path in changed.gone}
    dependencies = await _direct_dependencies(known.reachable(reached))
    dependents: dict[Address, list[Address]] = defaultdict(list)
    launched: dict[Address, list[Address]] = defaultdict(list)
    for target, found in dependencies:
        # A launch config depends only on what it launches.
        edges = launched if isinstance(target, ConfigTarget) else dependents
        domain = domain_of_address(target.address)
        for address in found:
            if domain and domain_of_address(address) not in (None, domain):
                raise DomainsMixed(
                    f"{target.address}: depends on {address}, which belongs to another "
                    "domain; move the code that both need into maxairesources"
                )
            edges[address].append(target.address)
    # A release holds the tags of the images, so any change of an image changes it.
    for address in known.images & launched.keys():
        dependents[address].extend(known.releases)
    return ChangedDependents(dependents, launched, known.generators, known.images)


@rule
async def find_affected_addresses(
    changed: ChangedTargets, dependents: ChangedDependents, known: KnownTargets
) -> ChangedAddresses:
    # A generator selects all of its targets, and the change may reach only some of them.
    reached = reach(changed.by_file, dependents)
    return ChangedAddresses(sorted(reached.keys() - known.generators))


def reach(by_file: ByFile, dependents: ChangedDependents) -> Reached:
    """Return each address that the files reach, with the previous step of a shortest path.

    The previous step is an address, or the path of a file.
    """
    reached: dict[Address, Address | str] = {}
    for path in sorted(by_file):
        for address in sorted(by_file[path]):
            reached.setdefault(address, path)

    def follow(found: Iterable[Address], excluded: Iterable[Address] = ()) -> None:
        queue = deque(found)
        while queue:
            address = queue.popleft()
            for dependent in sorted(dependents.mapping.get(address, ())):
                if dependent not in reached and dependent not in excluded:
                    reached[dependent] = address
                    queue.append(dependent)

    follow([*reached])
    # An image that changes with a handler affects only the DAGs that launch that handler. The
    # tests that run the image depend on the image itself.
    launching = {
        config: address
        for address in [*reached]
        for config in dependents.launched.get(address, ())
        if config not in reached
        and (address not in dependents.images or isinstance(reached[address], str))
    }
    reached.update(launching)
    # The tests that read all configs of a domain do not see what those launch.
    follow(launching, dependents.generators)
    return reached


def rules() -> Iterable[Any]:
    return collect_rules()
