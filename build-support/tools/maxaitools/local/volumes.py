"""Volumes of a pod, and variables from its Secrets and ConfigMaps, on a laptop.

A Secret is the folder local/secrets/<name>/ of the checkout with one file for each key,
and a ConfigMap is local/config-maps/<name>/. A PersistentVolumeClaim is the folder
volumes/<name>/ of the data root; where one is mounted at /data, it is the data root.
"""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from maxairesources.testing.pod_checks import NAME
from maxairesources.errors import InputError
from maxairesources.tree import nearest
from maxaitools.local.containers import Settings

# Where the data root is in a container, as in the examples of the domains' READMEs.
_DATA = "/data"

# The folders below local/, by the kind of object.
_FOLDERS = {"secret": "secrets", "configMap": "config-maps"}
_KEY = re.compile(r"(?!\.\.?$)[-._a-zA-Z0-9]+")
_FIELD = re.compile(r"metadata\.(?:(name|namespace)|(labels|annotations)\['(.+)'\])")


def volumes_and_variables(
    container: Mapping[str, Any], pod: Mapping[str, Any], to: Settings, folder: Path
) -> tuple[list[str], dict[str, str]]:
    """Return the arguments of `docker run` for a container's volumes and variables.

    The data root is mounted at /data unless the container has a volume there.

    Args:
        container: one of the pod's containers, as the JSON that Kubernetes would get.
        pod: the pod.
        to: the settings of the run.
        folder: the folder of this run of the pod.

    Returns:
        The arguments, and the values of the variables that they only name.

    Raises:
        InputError: a Secret, a ConfigMap or a key is missing, or Kubernetes would reject
            a volume or a mount.
    """
    arguments = []
    mounts = _mounts(container, pod["spec"], to, folder)
    for value in ({_DATA: f"{to.data}:{_DATA}"} | mounts).values():
        arguments += ["--volume", value]
    secrets = {}
    for name, (kind, value) in _variables(container, pod["metadata"], to).items():
        # Only its name, so that no list of processes shows a secret.
        arguments += ["--env", name if kind == "secret" else f"{name}={value}"]
        if kind == "secret":
            secrets[name] = value
    return arguments, secrets


def make_volumes(spec: Mapping[str, Any], to: Settings, folder: Path) -> None:
    """Make the folders and files of a pod's volumes.

    Args:
        spec: the pod's specification, of which `volumes_and_variables` refuses nothing.
        to: the settings of the run.
        folder: the folder of this run of the pod.
    """
    volumes = {volume["name"]: volume for volume in spec.get("volumes") or ()}
    for volume in volumes.values():
        for path, (file, mode) in (_files(volume, to) or {}).items():
            copy = _place(volume, to, folder) / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
            # The container runs as you, and not as root.
            copy.chmod(mode | 0o400)
    for container in [*(spec.get("initContainers") or ()), *spec["containers"]]:
        for mount in container.get("volumeMounts") or ():
            source = _source(mount, volumes[mount["name"]], to, folder)
            # Docker would make it, too, but as root.
            if not source.is_file():
                source.mkdir(parents=True, exist_ok=True)


def _variables(
    container: Mapping[str, Any], metadata: Mapping[str, Any], to: Settings
) -> dict[str, tuple[str, str]]:
    """Return a container's variables by name: what each comes from, and its value."""
    found: dict[str, tuple[str, str]] = {}
    for source in container.get("envFrom") or ():
        for kind in _FOLDERS:
            if ref := source.get(f"{kind}Ref"):
                for key, file in _keys(kind, ref, to).items():
                    found[(source.get("prefix") or "") + key] = (kind, _value(file))
    for variable in container.get("env") or ():
        name, origin = variable["name"], variable.get("valueFrom") or {}
        if "fieldRef" in origin:
            found[name] = ("", _field(origin["fieldRef"]["fieldPath"], metadata))
        elif not origin:
            found[name] = ("", variable.get("value") or "")
        for kind in _FOLDERS:
            if ref := origin.get(f"{kind}KeyRef"):
                for file in _keys(kind, ref, to, [ref["key"]]).values():
                    found[name] = (kind, _value(file))
    return found


def _mounts(
    container: Mapping[str, Any], spec: Mapping[str, Any], to: Settings, folder: Path
) -> dict[str, str]:
    """Return what is mounted, as `--volume` takes it, by the place in the container."""
    volumes = {volume["name"]: volume for volume in spec.get("volumes") or ()}
    # Kubernetes waits for all Secrets, those that nothing mounts, too.
    contents = {name: _files(volume, to) for name, volume in volumes.items()}
    mounts: dict[str, str] = {}
    for mount in container.get("volumeMounts") or ():
        name, target = mount["name"], _target(mount)
        volume, files = volumes[name], contents[name]
        if files is not None and mount.get("subPath"):
            _check_file(mount["subPath"], files, volume, to)
        claim = volume.get("persistentVolumeClaim") or {}
        mounts[target] = f"{_source(mount, volume, to, folder)}:{target}"
        if files is not None or claim.get("readOnly") or mount.get("readOnly"):
            mounts[target] += ":ro"
    return mounts


def _target(mount: Mapping[str, Any]) -> str:
    target = str(PurePosixPath(mount["mountPath"]))
    if not re.fullmatch("/[^:]+", target):
        raise InputError(
            f"the mountPath {target!r} is not valid", "use an absolute path"
        )
    return target


def _source(
    mount: Mapping[str, Any], volume: Mapping[str, Any], to: Settings, folder: Path
) -> Path:
    """Return the path on this machine of a mount."""
    place = _place(volume, to, folder) / _inside(mount.get("subPath") or "")
    at_data = "persistentVolumeClaim" in volume and _target(mount) == _DATA
    return Path(to.data) if at_data else place


def _place(volume: Mapping[str, Any], to: Settings, folder: Path) -> Path:
    """Return the folder that a volume is."""
    if claim := volume.get("persistentVolumeClaim"):
        return Path(to.data, "volumes", _valid(claim["claimName"]))
    return folder / "volumes" / str(volume["name"])


def _files(
    volume: Mapping[str, Any], to: Settings
) -> dict[str, tuple[Path, int]] | None:
    """Return the files of a volume and their modes by their paths in it.

    None means that the volume is not of a Secret or a ConfigMap.
    """
    sources, mode = [volume], 0o644
    if projected := volume.get("projected"):
        sources, mode = (
            projected.get("sources") or [],
            projected.get("defaultMode") or mode,
        )
    elif not volume.keys() & _FOLDERS.keys():
        return None
    found = {}
    for kind, source in (
        (kind, source[kind])
        for source in sources
        for kind in _FOLDERS
        if kind in source
    ):
        items = source.get("items")
        wanted = [item["key"] for item in items] if items else None
        keys = _keys(kind, source, to, wanted)
        for item in items or ({"key": key, "path": key} for key in keys):
            if file := keys.get(item["key"]):
                own = item.get("mode") or source.get("defaultMode") or mode
                found[_inside(item["path"])] = (file, own)
    return found


def _check_file(
    path: str,
    files: Mapping[str, object],
    volume: Mapping[str, Any],
    to: Settings,
) -> None:
    """Raise an InputError if a volume of files lacks the one that a subPath names.

    Kubernetes would mount an empty folder.
    """
    if any(file == path or file.startswith(f"{path}/") for file in files):
        return
    for kind in _FOLDERS:
        if (source := volume.get(kind)) and not source.get("items"):
            _keys(kind, source, to, [path])
        if source and source.get("optional"):
            return
    raise InputError(
        f"the volume {volume['name']!r} has no file {path!r}", nearest(path, files)
    )


def _inside(path: str) -> str:
    """Return a path that stays inside a volume."""
    if path.startswith("/") or ".." in path.split("/"):
        raise InputError(f"{path!r} leads out of its volume", "use a path inside it")
    return path


def _valid(name: str) -> str:
    """Return the name of an object of Kubernetes, which may become one of a folder."""
    if not re.fullmatch(NAME, name):
        problem = f"{name!r} is not a valid name in Kubernetes"
        raise InputError(problem, "use lowercase letters, digits, '-' and '.'")
    return name


def _keys(
    kind: str,
    source: Mapping[str, Any],
    to: Settings,
    keys: Sequence[str] | None = None,
) -> dict[str, Path]:
    """Return the files of a Secret or a ConfigMap by their keys.

    Args:
        kind: a key of `_FOLDERS`.
        source: the part of the pod that names the object.
        to: the settings of the run.
        keys: the keys; None means all that it has.

    Raises:
        InputError: the object or a key is missing and not optional, or a file's name is
            not a valid key.
    """
    name = _valid(source.get("secretName") or source.get("name") or "")
    folder = Path(to.local, _FOLDERS[kind], name)
    shown = f"local/{_FOLDERS[kind]}/{name}"
    if keys is None:
        files = {file.name: file for file in folder.glob("*")}
        missing = [] if folder.is_dir() else ["KEY"]
    else:
        files = {key: folder / key for key in keys}
        missing = [key for key, file in files.items() if not file.exists()]
    for key, file in files.items():
        if not _KEY.fullmatch(key) or file.is_dir():
            problem = f"{shown}/{key} is not a file with a valid key as its name"
            raise InputError(problem, "use letters, digits, '-', '_' and '.'")
    if missing and not source.get("optional"):
        what = "folder" if keys is None else "file"
        make = "" if folder.is_dir() else f"mkdir -p {shown} && "
        raise InputError(
            f"a local run reads the {kind[0].upper()}{kind[1:]} {name!r} from the {what} "
            f"{shown}{f'/{missing[0]}' if keys else ''}, which is missing",
            f"type `{make}printf %s VALUE > {shown}/{missing[0]}`",
        )
    return {key: file for key, file in sorted(files.items()) if key not in missing}


def _value(file: Path) -> str:
    """Return a variable's value; the newline that an editor adds is not part of it."""
    value = file.read_bytes().removesuffix(b"\n")
    if b"\0" in value:
        problem = f"{'/'.join(file.parts[-4:])} is binary, so no variable can hold it"
        raise InputError(problem, "mount it as a volume")
    return os.fsdecode(value)


def _field(path: str, metadata: Mapping[str, Any]) -> str:
    """Return what a fieldRef names."""
    if not (match := _FIELD.fullmatch(path)):
        raise InputError(
            f"fieldRef {path} does not work in a local run: only the cluster knows it",
            "remove it (in an overlay, if a cluster needs it)",
        )
    name, group, key = match.groups()
    return str(metadata.get(name) if name else (metadata.get(group) or {}).get(key, ""))
