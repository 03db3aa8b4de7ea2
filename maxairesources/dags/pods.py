"""Finds what Kubernetes would refuse in a pod, or run otherwise than meant."""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import kubernetes_validate
from kubernetes.utils.quantity import parse_quantity

from maxairesources.tree import nearest

# RFC 1123: a label, as the names of containers are, and labels with dots between, as
# those of pods are, of at most 253 characters.
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
NAME = rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*"
# A label's value, which may be empty, and the name in a label's key.
_VALUE = r"([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?"
_KEY = rf"({NAME}/)?(?=.){_VALUE}"
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_EFFECTS = ("NoExecute", "NoSchedule", "PreferNoSchedule")
# What a container may ask for without the name of a vendor.
_RESOURCES = ("cpu", "ephemeral-storage", "memory")
# The smallest part of a processor that Kubernetes counts, and the memory without which no
# container starts: less is a wrong suffix. So are more processors than a machine has.
_LEAST = {"cpu": Decimal("0.001"), "memory": 6 * 2**20}
_MOST = {"cpu": 4096}


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
    yield from _mistakes_in_metadata(pod["metadata"])
    spec = pod["spec"]
    volumes = [volume["name"] for volume in spec.get("volumes") or ()]
    for name in dict.fromkeys(volumes):
        if volumes.count(name) > 1:
            yield f"the pod has {volumes.count(name)} volumes with the name {name!r}"
        if not _fits(_LABEL, name):
            yield f"the volume's name {name!r} is not valid by RFC 1123"
    yield from _mistakes_in_labels("nodeSelector", spec.get("nodeSelector"))
    for toleration in spec.get("tolerations") or ():
        yield from _mistakes_in_toleration(toleration)
    for container in [*spec["containers"], *(spec.get("initContainers") or [])]:
        policy = container.get("imagePullPolicy", "Always")
        if policy not in _PULL_POLICIES:
            remedy = nearest(policy, _PULL_POLICIES)
            yield f"the pod's imagePullPolicy is {policy!r}; {remedy}"
        if not _fits(_LABEL, container["name"]):
            yield f"the container's name {container['name']!r} is not valid by RFC 1123"
        yield from _mistakes_in_mounts(container.get("volumeMounts") or (), volumes)
        yield from _mistakes_in_resources(container.get("resources") or {})


def _fits(pattern: str, text: object) -> bool:
    """Return if a string matches a pattern, or if its value is known only at run time."""
    return "{{" in str(text) or re.fullmatch(pattern, str(text)) is not None


def _mistakes_in_metadata(metadata: dict[str, Any]) -> Iterator[str]:
    if not _fits(NAME, metadata["name"]):
        yield f"the pod's name {metadata['name']!r} is not valid by RFC 1123"
    namespace = metadata.get("namespace")
    if namespace and not _fits(_LABEL, namespace):
        yield f"the pod's namespace {namespace!r} is not valid by RFC 1123"
    yield from _mistakes_in_labels("labels", metadata.get("labels"))
    for key in metadata.get("annotations") or ():
        if not _fits(_KEY, key):
            yield f"the pod's annotations have the invalid key {key!r}"


def _mistakes_in_labels(kind: str, labels: dict[str, str] | None) -> Iterator[str]:
    rule = "use at most 63 letters, digits, '-', '_' and '.'; a letter or digit at each end"
    for key, value in (labels or {}).items():
        if not _fits(_KEY, key):
            yield f"the pod's {kind} have the invalid key {key!r}; {rule}"
        if not _fits(_VALUE, value):
            yield f"the pod's {kind}.{key} is {value!r}; {rule}"


def _mistakes_in_toleration(toleration: dict[str, Any]) -> Iterator[str]:
    operator, effect = toleration.get("operator") or "Equal", toleration.get("effect")
    if operator not in ("Equal", "Exists"):
        remedy = nearest(operator, ("Equal", "Exists"))
        yield f"the pod's toleration has the operator {operator!r}; {remedy}"
    if effect and effect not in _EFFECTS:
        remedy = nearest(effect, _EFFECTS)
        yield f"the pod's toleration has the effect {effect!r}; {remedy}"
    if operator == "Exists" and toleration.get("value"):
        yield "the pod's toleration has a value; remove it, or use the operator Equal"
    if operator == "Equal" and not toleration.get("key"):
        yield "the pod's toleration has no key; add it, or use the operator Exists"


def _mistakes_in_mounts(
    mounts: Sequence[dict[str, Any]], volumes: list[str]
) -> Iterator[str]:
    paths = [mount["mountPath"].rstrip("/") for mount in mounts]
    for path in dict.fromkeys(paths):
        if paths.count(path) > 1:
            yield f"the pod mounts {paths.count(path)} volumes at {path}"
    for mount in mounts:
        # Airflow adds the volume of its sidecar itself.
        if "{{" not in mount["name"] and mount["name"] not in (*volumes, "xcom"):
            remedy = nearest(mount["name"], volumes, "add it to volumes")
            yield f"the pod mounts a volume {mount['name']!r} that it lacks; {remedy}"


def _mistakes_in_resources(resources: dict[str, Any]) -> Iterator[str]:
    sizes: dict[tuple[str, str], Decimal] = {}
    for kind in sorted(resources.keys() & {"limits", "requests"}):
        for name, quantity in (resources[kind] or {}).items():
            place = f"the pod's resources.{kind}.{name}"
            if name not in _RESOURCES and not re.search("/|^hugepages-", name):
                yield f"{place} is unknown; {nearest(name, _RESOURCES)}"
            if "{{" in str(quantity):
                continue
            if re.search(r"\s", str(quantity)):
                yield f"{place}: {quantity!r} contains a space"
                continue
            try:
                size = sizes[kind, name] = parse_quantity(quantity)
            except ValueError as error:
                yield f"{place}: {error}"
                continue
            if size < 0:
                yield f"{place} is {quantity}, but cannot be negative"
            if 0 < size < _LEAST.get(name, 0):
                yield f"{place} is {quantity}, too little for any container"
            if size > _MOST.get(name, size):
                yield f"{place} is {quantity}, too much for any machine; M means millions"
            if "/" in name and size % 1:
                yield f"{place} is {quantity}, but must be a whole number"
    for (kind, name), size in sizes.items():
        limit = sizes.get(("limits", name))
        if kind == "requests" and limit is not None and size > limit:
            yield f"the pod's resources.requests.{name} is above its limit"
        # Kubernetes does not share such a device.
        elif kind == "requests" and "/" in name and size != limit:
            yield f"the pod's resources.requests.{name} must be equal to its limit"
