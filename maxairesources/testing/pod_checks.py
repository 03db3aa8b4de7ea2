"""Finds what Kubernetes would refuse in a pod, or run otherwise than meant."""

import re
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
from kubernetes.utils.quantity import parse_quantity

from maxairesources.configs.document import walk
from maxairesources.tree import nearest

# RFC 1123: a label, as the names of containers are, and labels with dots between, as
# those of pods are, of at most 253 characters.
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_NAME = rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*"
_RFC_1123 = "use at most 63 lowercase letters, digits and '-', as RFC 1123 says"
# A label's value, which may be empty, and a label's key.
_VALUE = r"([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?"
_KEY = rf"({_NAME}/)?(?=.){_VALUE}"
_LABELS = (
    "use at most 63 letters, digits, '-', '_' and '.'; a letter or digit at each end"
)
# What Kubernetes' schema leaves open: a place in the pod, the pattern of its value or of its
# keys, and the rule; without a rule, the pattern lists the values.
_PLACES = (
    (r"metadata\.name", _NAME, _RFC_1123),
    (r"metadata\.namespace", _LABEL, _RFC_1123),
    (r"spec\.(volumes|containers|initContainers)\.\d+\.name", _LABEL, _RFC_1123),
    (r"metadata\.labels|spec\.nodeSelector", _KEY, _LABELS),
    (r"(metadata\.labels|spec\.nodeSelector)\..+", _VALUE, _LABELS),
    (r"spec\.\w+\.\d+\.imagePullPolicy", "(Always|IfNotPresent|Never)?", ""),
    (r"spec\.tolerations\.\d+\.effect", "(NoExecute|NoSchedule|PreferNoSchedule)?", ""),
    (r"spec\.tolerations\.\d+\.operator", "(Equal|Exists)?", ""),
)
# What a container may ask for without the name of a vendor, and how much makes sense: another
# amount has a wrong suffix, such as 500M processors.
_RESOURCES = {"cpu": (0.0009, 4096), "memory": (6 * 2**20, 2**50)}


def mistakes_in_pod(pod: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each mistake in a pod, given as the JSON that Kubernetes gets."""
    version = kubernetes_validate.latest_version()
    try:
        kubernetes_validate.validate(pod, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        place = ".".join(str(key) for key in error.path)
        yield f"the pod's {place or 'top level'}: {error.message}"
        return
    for path, value in walk(pod):
        place = ".".join(map(str, path))
        for pattern, valid, rule in _PLACES:
            # A value with a template is known only at run time.
            if "{{" in str(value) or not re.fullmatch(pattern, place):
                continue
            if not re.fullmatch(valid, str(value)):
                advice = rule or nearest(str(value), re.findall(r"\w+", valid))
                yield f"the pod's {place}: {value!r} is not valid; {advice}"
    spec = pod["spec"]
    containers = [*spec["containers"], *(spec.get("initContainers") or ())]
    volumes = spec.get("volumes") or []
    for container in containers:
        for mount in container.get("volumeMounts") or ():
            # Airflow adds the volume of its sidecar itself.
            known = [*(volume["name"] for volume in volumes), "xcom"]
            if mount["name"] not in known and "{{" not in mount["name"]:
                remedy = nearest(mount["name"], known[:-1], "add it to volumes")
                yield f"the pod mounts a volume {mount['name']!r} that it lacks; {remedy}"
        yield from _mistakes_in_resources(container.get("resources") or {})


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
