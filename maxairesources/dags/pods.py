"""Finds what Kubernetes would refuse in a pod, or run otherwise than meant."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import kubernetes_validate
from kubernetes.utils.quantity import parse_quantity

from maxairesources.tree import nearest

# RFC 1123: a label, as the names of containers are, and labels with dots between, as
# those of pods are, of at most 253 characters.
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
NAME = rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*"
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
# What a container may ask for without the name of a vendor.
_RESOURCES = ("cpu", "ephemeral-storage", "memory")
# The smallest part of a processor that Kubernetes counts, and the memory without which no
# container starts: less is a wrong suffix.
_LEAST = {"cpu": Decimal("0.001"), "memory": 6 * 2**20}


def mistakes_in_pod(pod: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each mistake in a pod.

    Args:
        pod: the pod as the JSON that Kubernetes gets.
    """
    version = kubernetes_validate.latest_version()
    try:
        kubernetes_validate.validate(pod, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        place = ".".join(str(key) for key in error.path)
        yield f"the pod's {place or 'top level'}: {error.message}"
        return
    if not re.fullmatch(NAME, pod["metadata"]["name"]):
        yield f"the pod's name {pod['metadata']['name']!r} is not valid by RFC 1123"
    spec = pod["spec"]
    for container in [*spec["containers"], *(spec.get("initContainers") or [])]:
        policy = container.get("imagePullPolicy", "Always")
        if policy not in _PULL_POLICIES:
            remedy = nearest(policy, _PULL_POLICIES)
            yield f"the pod's imagePullPolicy is {policy!r}; {remedy}"
        if not re.fullmatch(_LABEL, container["name"]):
            yield f"the container's name {container['name']!r} is not valid by RFC 1123"
        yield from _mistakes_in_resources(container.get("resources", {}))


def _mistakes_in_resources(resources: dict[str, Any]) -> Iterator[str]:
    sizes: dict[tuple[str, str], Decimal] = {}
    for kind in resources.keys() & {"limits", "requests"}:
        for name, quantity in (resources[kind] or {}).items():
            place = f"the pod's resources.{kind}.{name}"
            if name not in _RESOURCES and not re.search("/|^hugepages-", name):
                yield f"{place} is unknown; {nearest(name, _RESOURCES)}"
            if re.search(r"\s", str(quantity)):
                yield f"{place}: {quantity!r} contains a space"
                continue
            try:
                size = sizes[kind, name] = parse_quantity(quantity)
            except ValueError as error:
                yield f"{place}: {error}"
                continue
            if 0 < size < _LEAST.get(name, 0):
                yield f"{place} is {quantity}, too little for any container"
    for (kind, name), size in sizes.items():
        if kind == "requests" and size > sizes.get(("limits", name), size):
            yield f"the pod's resources.requests.{name} is above its limit"
