"""Runs pods with the Docker engine: those of KubernetesPodOperator, and Spark's drivers.

A field that is neither supported nor ignored is an error: it would change the result.

A Secret is the folder local/secrets/<name>/ of the checkout with one file for each key,
and a ConfigMap is local/config-maps/<name>/. A PersistentVolumeClaim is the folder
volumes/<name>/ of the data root; where one is mounted at /data, it is the data root.
"""

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook
from airflow.providers.cncf.kubernetes.utils.xcom_sidecar import PodDefaults
from airflow.sdk.exceptions import AirflowException, AirflowSkipException
from kubernetes.client import ApiClient
from kubernetes.utils.quantity import parse_quantity

from maxairesources.testing.dag_checks import mistakes_in_pod
from maxairesources.errors import InputError
from maxairesources.tree import nearest
from maxaitools.local.containers import (
    Container,
    Pod,
    LocalRun,
    refusal,
    run_container,
    settings,
)
from maxaitools.local.spark_jobs import driver_memory, driver_pod
from maxaitools.local.task_facts import Memory

# An entry covers the fields below it, too. Init containers have the fields of containers.
# Airflow's retries start a task again, so restartPolicy needs no support.
SUPPORTED = """
    apiVersion kind metadata spec.restartPolicy
    spec.containers[].image spec.containers[].name spec.containers[].workingDir
    spec.containers[].args spec.containers[].command spec.containers[].envFrom[]
    spec.containers[].env[].name spec.containers[].env[].value
    spec.containers[].env[].valueFrom.configMapKeyRef
    spec.containers[].env[].valueFrom.secretKeyRef
    spec.containers[].securityContext.readOnlyRootFilesystem
    spec.containers[].resources.limits.memory spec.containers[].terminationMessagePolicy
    spec.containers[].volumeMounts[].mountPath spec.containers[].volumeMounts[].name
    spec.containers[].volumeMounts[].readOnly spec.containers[].volumeMounts[].subPath
    spec.volumes[].name spec.volumes[].emptyDir spec.volumes[].persistentVolumeClaim
    spec.volumes[].configMap spec.volumes[].secret
""".split()
# The container runs as the person who starts it, who owns the output.
IGNORED = """
    spec.affinity spec.nodeName spec.nodeSelector spec.schedulerName spec.tolerations
    spec.priority spec.priorityClassName spec.preemptionPolicy
    spec.topologySpreadConstraints spec.terminationGracePeriodSeconds
    spec.automountServiceAccountToken spec.serviceAccount spec.serviceAccountName
    spec.enableServiceLinks spec.imagePullSecrets spec.securityContext
    spec.containers[].imagePullPolicy spec.containers[].ports
    spec.containers[].resources.limits.ephemeral-storage
    spec.containers[].resources.limits.cpu spec.containers[].resources.requests
    spec.containers[].securityContext spec.containers[].terminationMessagePath
""".split()

# The prefixes of the variables from which handlers read credentials.
_CREDENTIALS = (
    *("AIRFLOW_CONN_", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"),
    *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_STORAGE_", "FSSPEC_"),
)

# Kubernetes replaces such references, and $$ with $; Docker does not.
_REFERENCE = re.compile(r"\$\([A-Za-z_][A-Za-z0-9_.-]*\)|[$][$]")

# The folders below local/, by the kind of object.
_FOLDERS = {"secret": "secrets", "configMap": "config-maps"}

# A file or folder of this machine, its place in a container, and if it is read-only.
Mount = tuple[Path, str, bool]


def pod_of(task: Any, context: Any = None) -> Pod:
    """Return the pod of an operator, as the JSON that Kubernetes would get.

    It lacks the container from which Airflow reads the XCom, but not its volume.
    """
    if not hasattr(task, "build_pod_request_obj"):
        return driver_pod(task)
    # This one is never called. A subclass may have a property of this name.
    type(task).hook = KubernetesHook(conn_id=None)
    built = task.build_pod_request_obj(context, dry_run=True)
    pod: Pod = ApiClient().sanitize_for_serialization(built)
    spec, sidecar = pod["spec"], PodDefaults.SIDECAR_CONTAINER_NAME
    spec["containers"] = [
        each for each in spec["containers"] if each["name"] != sidecar
    ]
    return pod


def docker_containers(pod: Pod, to: LocalRun, folder: Path) -> list[Container]:
    """Return the containers of a pod in the order in which they run.

    Args:
        pod: the pod, as the JSON that Kubernetes would get.
        to: the settings of the run.
        folder: the folder of this run of the pod.

    Raises:
        InputError: the pod has a field that does not work here, or a Secret, a ConfigMap or a
            key of them is missing.
    """
    spec = pod["spec"]
    refused = [path for path in _fields(pod) if not _is_in(path, SUPPORTED + IGNORED)]
    # A second container runs beside the first.
    for path in [*refused, *(["spec.containers[1]"] * (len(spec["containers"]) > 1))]:
        raise refusal(path)
    containers = [*(spec.get("initContainers") or ()), *spec["containers"]]
    return [_docker_container(each, pod, to, folder) for each in containers]


def ignored_in(pod: Pod) -> list[str]:
    """Return the fields of a pod that have no effect in a local run."""
    fields = [path for path in _fields(pod) if not _is_in(path, SUPPORTED)]
    return [each for each in IGNORED if any(_is_in(path, [each]) for path in fields)]


def check(task: Any, to: LocalRun) -> None:
    """Raise an InputError if Kubernetes rejects the pod of a task, or it cannot run here."""
    pod = pod_of(task)
    # A driver's pod is not complete.
    for mistake in mistakes_in_pod(pod) if "kind" in pod else ():
        raise InputError(f"Kubernetes would reject it: {mistake}", "correct the config")
    docker_containers(pod, to, Path())


def execute(self: Any, context: Any) -> Any:
    """Run the pod of an operator here; takes the place of the operator's `execute`.

    The operator gets the attribute `local_memory`: the memory of the last container.

    Returns:
        What the pod writes for Airflow's XCom, if it was asked to.

    Raises:
        AirflowException: a container fails.
    """
    pod = pod_of(self, context)
    # The policy has replaced those of subclasses, and at last the operator's.
    own = [each for each in type(self).__mro__ if vars(each).get("execute") is execute]
    if ignored := [f"{each.__name__}.execute" for each in own[:-1]] + ignored_in(pod):
        print(f"ignored in a local run: {', '.join(ignored)}", flush=True)
    with tempfile.TemporaryDirectory(dir=os.environ["AIRFLOW_HOME"]) as folder:
        for container in docker_containers(pod, settings(), Path(folder)):
            code, peak = run_container(container)
            self.local_memory = Memory(peak, container.limit or driver_memory(self))
            if code in getattr(self, "skip_on_exit_code", ()):
                raise AirflowSkipException(f"the container ended with exit code {code}")
            if code:
                # Airflow's frames explain nothing here.
                sys.tracebacklimit = 0
                killed = "; it may need more memory than its limit" * (code == 137)
                what = f"the container {container.name!r} ended with exit code {code}"
                raise AirflowException(what + killed)
        result = Path(folder, "volumes", PodDefaults.VOLUME.name, "return.json")
        written = result.exists() and result.stat().st_size
        return json.loads(result.read_text()) if written else None


def _docker_container(
    container: Pod, pod: Pod, to: LocalRun, folder: Path
) -> Container:
    """Return one of the containers of a pod."""
    arguments = ["--user", f"{os.getuid()}:{os.getgid()}"]
    mounts = [*_mounts(container, pod["spec"], to, folder)]
    if "/data" not in [target for _, target, _ in mounts]:
        arguments += ["--volume", f"{to.data}:/data"]
    for source, target, read_only in mounts:
        arguments += ["--volume", f"{source}:{target}{':ro' * read_only}"]
    values, secrets = _variables(container, to)
    credentials = {name for name in os.environ if name.startswith(_CREDENTIALS)}
    # Only the names, so that no list of processes shows a secret.
    for name in [*sorted(credentials), *secrets]:
        arguments += ["--env", name]
    for name, value in values.items():
        arguments += ["--env", f"{name}={value}"]
    if container.get("workingDir"):
        arguments += ["--workdir", container["workingDir"]]
    limits, limit = (container.get("resources") or {}).get("limits") or {}, None
    if "memory" in limits:
        limit = int(parse_quantity(limits["memory"]))
        arguments += ["--memory", str(limit)]
    if (container.get("securityContext") or {}).get("readOnlyRootFilesystem"):
        arguments += ["--read-only"]
    command = [*(container.get("command") or ()), *(container.get("args") or ())]
    written = [each.get("value") or "" for each in container.get("env") or ()]
    if reference := _REFERENCE.search("\n".join([*command, *written])):
        problem = f"{reference[0]} is filled in by Kubernetes only"
        raise InputError(problem, "write it out")
    if container.get("command"):
        # Docker's entry point is one word; the others come before the arguments.
        arguments += ["--entrypoint", command.pop(0)]
    image = container.get("image") or ""
    if image not in to.images:
        problem = f"image {image!r} is not built here"
        raise InputError(problem, nearest(image, to.images))
    arguments += [to.images[image], *command]
    folders = [source for source, _, _ in mounts]
    return Container(container["name"], arguments, secrets, folders, limit)


def _fields(value: Any, path: str = "") -> Iterator[str]:
    """Yield the path of each field that is set. An empty one asks for nothing."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _fields(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and isinstance(next(iter(value), None), dict):
        for index, item in enumerate(value):
            yield from _fields(item, f"{path}[{index}]")
    elif value not in (None, False, "", []):
        yield path


def _is_in(path: str, entries: Sequence[str]) -> bool:
    """Return if an entry covers a path."""
    path = re.sub(r"\[\d+\]", "[]", path).replace("initContainers", "containers")
    return any(path == e or path.startswith((f"{e}.", f"{e}[")) for e in entries)


def _mounts(container: Pod, spec: Pod, to: LocalRun, folder: Path) -> Iterator[Mount]:
    """Yield the mounts of a container's volumes; `folder` is that of this run of the pod."""
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


def _variables(container: Pod, to: LocalRun) -> tuple[dict[str, str], dict[str, str]]:
    """Return the variables of a container, and those that come from Secrets."""
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
