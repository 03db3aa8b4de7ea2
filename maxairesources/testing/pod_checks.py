"""Finds what Kubernetes would refuse in a pod, or run otherwise than meant."""

import re
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
from kubernetes.utils.quantity import parse_quantity

from maxairesources.tree import nearest

# RFC 1123: a label, as the names of containers are, and labels with dots between, as
# those of pods are, of at most 253 characters.
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
NAME = rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*"
# A label's value, which may be empty, and a label's key.
_VALUE = r"([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?"
_KEY = rf"({NAME}/)?(?=.){_VALUE}"
_RULE = (
    "use at most 63 letters, digits, '-', '_' and '.'; a letter or digit at each end"
)
# Values that Kubernetes' schema does not list.
_VALUES = {
    "effect": ("NoExecute", "NoSchedule", "PreferNoSchedule"),
    "imagePullPolicy": ("Always", "IfNotPresent", "Never"),
    "operator": ("Equal", "Exists"),
}
# What a container may ask for without the name of a vendor, and how much makes sense: another
# amount has a wrong suffix, such as 500M processors.
_RESOURCES = {"cpu": (0.0009, 4096), "memory": (6 * 2**20, 2**50)}


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
    metadata, spec = pod["metadata"], pod["spec"]
    containers = [*spec["containers"], *(spec.get("initContainers") or ())]
    volumes = spec.get("volumes") or []
    for kind, pattern, name in (
        ("pod", NAME, metadata["name"]),
        ("namespace", _LABEL, metadata.get("namespace") or "default"),
        *(("volume", _LABEL, volume["name"]) for volume in volumes),
        *(("container", _LABEL, container["name"]) for container in containers),
    ):
        if not _fits(pattern, name):
            yield f"the {kind}'s name {name!r} is not valid by RFC 1123"
    for kind, labels in (
        ("labels", metadata.get("labels")),
        ("nodeSelector", spec.get("nodeSelector")),
    ):
        for key, value in (labels or {}).items():
            if not (_fits(_KEY, key) and _fits(_VALUE, value)):
                yield f"the pod's {kind}.{key} is {value!r}; {_RULE}"
    for part in (*containers, *(spec.get("tolerations") or ())):
        for key, values in _VALUES.items():
            if part.get(key) and part[key] not in values:
                yield f"the pod's {key} is {part[key]!r}; {nearest(part[key], values)}"
    for container in containers:
        for mount in container.get("volumeMounts") or ():
            # Airflow adds the volume of its sidecar itself.
            known = [*(volume["name"] for volume in volumes), "xcom"]
            if mount["name"] not in known and "{{" not in mount["name"]:
                remedy = nearest(mount["name"], known[:-1], "add it to volumes")
                yield f"the pod mounts a volume {mount['name']!r} that it lacks; {remedy}"
        yield from _mistakes_in_resources(container.get("resources") or {})


def _fits(pattern: str, text: object) -> bool:
    """Return if a string matches a pattern, or if its value is known only at run time."""
    return "{{" in str(text) or re.fullmatch(pattern, str(text)) is not None


def _mistakes_in_resources(resources: dict[str, Any]) -> Iterator[str]:
    limits = resources.get("limits") or {}
    for kind in sorted(resources.keys() & {"limits", "requests"}):
        for name, quantity in (resources[kind] or {}).items():
            place = f"the pod's resources.{kind}.{name} is {quantity}"
            least, most = _RESOURCES.get(name, (0, 2**60))
            known = [*_RESOURCES, "ephemeral-storage"]
            if name not in known and not re.search("/|^hugepages-", name):
                yield f"{place}, but it is unknown; {nearest(name, known)}"
            if "{{" in f"{quantity}{limits.get(name)}":
                continue
            try:
                if re.search(r"\s", str(quantity)):
                    raise ValueError
                size = parse_quantity(str(quantity))
                limit = parse_quantity(str(limits.get(name, size)))
            except ValueError:
                yield f"{place}; use a quantity such as 500m or 2Gi"
                continue
            if not least <= size <= most and size:
                yield f"{place}, which no machine has; check its suffix"
            if size > limit:
                yield f"{place}, which is above its limit"
