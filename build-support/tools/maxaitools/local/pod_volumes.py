"""Volumes of a pod, and variables from its Secrets and ConfigMaps, on a laptop.

A Secret is the folder local/secrets/<name>/ of the checkout with one file for each key,
and a ConfigMap is local/config-maps/<name>/. A PersistentVolumeClaim is the folder
volumes/<name>/ of the data root; where one is mounted at /data, it is the data root.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from maxairesources.errors import InputError
from maxaitools.local.containers import Pod, LocalRun

# The folders below local/, by the kind of object.
_FOLDERS = {"secret": "secrets", "configMap": "config-maps"}

# A file or folder of this machine, its place in a container, and if it is read-only.
Mount = tuple[Path, str, bool]


def mounts_of(container: Pod, spec: Pod, to: LocalRun, folder: Path) -> Iterator[Mount]:
    """Yield the mounts of a container's volumes.

    Args:
        container: one of the pod's containers, as the JSON that Kubernetes would get.
        spec: the pod's specification.
        to: the settings of the run.
        folder: the folder of this run of the pod.

    Raises:
        InputError: a Secret, a ConfigMap or a key is missing.
    """
    volumes = {volume["name"]: volume for volume in spec.get("volumes") or ()}
    for mount in container.get("volumeMounts") or ():
        volume, target = volumes[mount["name"]], mount["mountPath"].rstrip("/")
        inside, read_only = mount.get("subPath") or "", bool(mount.get("readOnly"))
        for kind in _FOLDERS.keys() & volume.keys():
            yield from _files(kind, volume[kind], target, inside, to)
            break
        else:
            place = folder / "volumes" / volume["name"] / inside
            if claim := volume.get("persistentVolumeClaim"):
                place = Path(to.data, "volumes", claim["claimName"], inside)
                place = Path(to.data) if target == "/data" else place
                read_only = read_only or bool(claim.get("readOnly"))
            yield place, target, read_only


def _files(
    kind: str, source: Pod, target: str, inside: str, to: LocalRun
) -> Iterator[Mount]:
    """Yield the mounts of a Secret or a ConfigMap: its folder, or the files of its keys."""
    paths = {item["path"]: item["key"] for item in source.get("items") or ()}
    places = {key: f"{target}/{path}" for path, key in paths.items()}
    if inside or not paths:
        places = {paths.get(inside, inside): target}
    for key, place in places.items():
        if found := _find(kind, source, to, key):
            yield found, place, True


def variables_of(container: Pod, to: LocalRun) -> tuple[dict[str, str], dict[str, str]]:
    """Return the variables of a container, and those of them that come from Secrets.

    Args:
        container: the container, as the JSON that Kubernetes would get.
        to: the settings of the run.

    Raises:
        InputError: a Secret, a ConfigMap or a key is missing.
    """
    found: dict[str, tuple[str, str]] = {}
    for source in container.get("envFrom") or ():
        kind = "secret" if "secretRef" in source else "configMap"
        folder = _find(kind, source[f"{kind}Ref"], to)
        for file in sorted(folder.iterdir()) if folder else ():
            found[(source.get("prefix") or "") + file.name] = (kind, _value(file))
    for variable in container.get("env") or ():
        name, origin = variable["name"], variable.get("valueFrom") or {}
        if not origin:
            found[name] = ("", variable.get("value") or "")
        for kind in _FOLDERS:
            ref = origin.get(f"{kind}KeyRef")
            if ref and (path := _find(kind, ref, to, ref["key"])):
                found[name] = (kind, _value(path))
    return (
        {name: value for name, (kind, value) in found.items() if kind != "secret"},
        {name: value for name, (kind, value) in found.items() if kind == "secret"},
    )


def _find(kind: str, source: Pod, to: LocalRun, key: str = "") -> Path | None:
    """Return the folder of a Secret or a ConfigMap, or the file of one of its keys.

    None means that it is missing and optional.
    """
    name = source.get("secretName") or source.get("name") or ""
    path = Path(to.local, _FOLDERS[kind], name, key)
    if path.exists():
        return path
    if source.get("optional"):
        return None
    folder = f"local/{_FOLDERS[kind]}/{name}"
    raise InputError(
        f"a local run reads the {kind[0].upper()}{kind[1:]} {name!r} from "
        f"{folder}/{key}, which is missing",
        f"type `mkdir -p {folder} && printf %s VALUE > {folder}/{key or 'KEY'}`",
    )


def _value(file: Path) -> str:
    """Return a variable's value; the newline that an editor adds is not part of it."""
    return os.fsdecode(file.read_bytes().removesuffix(b"\n"))
