"""Runs the pods of KubernetesPodOperator with the Docker engine.

The table FIELDS lists what each field of a pod does here. A field that is not in the table
is an error.
"""

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook
from airflow.providers.cncf.kubernetes.utils.xcom_sidecar import PodDefaults
from airflow.sdk.exceptions import AirflowException, AirflowSkipException
from kubernetes.client import ApiClient
from kubernetes.utils.quantity import parse_quantity

from maxairesources.testing.pod_checks import mistakes_in_pod
from maxairesources.errors import InputError
from maxaitools.local.containers import (
    Container,
    Settings,
    common_arguments,
    image_of,
    run_container,
    settings,
)
from maxaitools.local.volumes import make_volumes, volumes_and_variables

_CONTAINER = "spec.containers[]"

# The effect of each field, with the reason. All other fields are refused; the refused ones
# below have a better explanation. Init containers have the same fields as containers.
_RUN = "run: `docker run` gets it"
_FOLDER = "run: a folder of this machine is mounted"
_FILES = "run: from files in local/"
_NONE = "none: "
_REFUSE = "refuse: "
_WHERE = _NONE + "it only matters in a cluster"
FIELDS = {
    "apiVersion": _WHERE,
    "kind": _WHERE,
    "metadata": _WHERE,
    "spec.affinity": _WHERE,
    "spec.automountServiceAccountToken": _WHERE,
    "spec.enableServiceLinks": _WHERE,
    "spec.imagePullSecrets": _NONE + "images are built, not pulled",
    "spec.nodeName": _WHERE,
    "spec.nodeSelector": _WHERE,
    "spec.preemptionPolicy": _WHERE,
    "spec.priority": _WHERE,
    "spec.priorityClassName": _WHERE,
    "spec.restartPolicy": _NONE + "Airflow's retries start a task again",
    "spec.schedulerName": _WHERE,
    "spec.serviceAccount": _WHERE,
    "spec.serviceAccountName": _WHERE,
    "spec.terminationGracePeriodSeconds": _NONE + "a container is ended at once",
    "spec.tolerations": _WHERE,
    "spec.topologySpreadConstraints": _WHERE,
    # The person who runs this should own the files, so the pod's user is ignored.
    "spec.securityContext.fsGroup": _NONE + "it runs as you",
    "spec.securityContext.fsGroupChangePolicy": _NONE + "it runs as you",
    "spec.securityContext.runAsGroup": _NONE + "it runs as you",
    "spec.securityContext.runAsNonRoot": _NONE + "it runs as you",
    "spec.securityContext.runAsUser": _NONE + "it runs as you",
    "spec.securityContext.seccompProfile.type": _RUN,
    f"{_CONTAINER}.args": _RUN,
    f"{_CONTAINER}.command": _RUN,
    f"{_CONTAINER}.env[].name": _RUN,
    f"{_CONTAINER}.env[].value": _RUN,
    f"{_CONTAINER}.env[].valueFrom.configMapKeyRef": _FILES,
    f"{_CONTAINER}.env[].valueFrom.fieldRef": _RUN,
    f"{_CONTAINER}.env[].valueFrom.secretKeyRef": _FILES,
    f"{_CONTAINER}.envFrom[].configMapRef": _FILES,
    f"{_CONTAINER}.envFrom[].prefix": _FILES,
    f"{_CONTAINER}.envFrom[].secretRef": _FILES,
    f"{_CONTAINER}.image": _RUN,
    f"{_CONTAINER}.imagePullPolicy": _NONE + "images are built, not pulled",
    f"{_CONTAINER}.name": _WHERE,
    f"{_CONTAINER}.ports": _NONE + "it only documents them",
    f"{_CONTAINER}.resources.limits.cpu": _RUN,
    f"{_CONTAINER}.resources.limits.ephemeral-storage": _WHERE,
    f"{_CONTAINER}.resources.limits.memory": _RUN,
    f"{_CONTAINER}.resources.requests": _WHERE,
    f"{_CONTAINER}.securityContext.allowPrivilegeEscalation": _RUN,
    f"{_CONTAINER}.securityContext.capabilities.drop": _RUN,
    f"{_CONTAINER}.securityContext.readOnlyRootFilesystem": _RUN,
    f"{_CONTAINER}.securityContext.runAsGroup": _NONE + "it runs as you",
    f"{_CONTAINER}.securityContext.runAsNonRoot": _NONE + "it runs as you",
    f"{_CONTAINER}.securityContext.runAsUser": _NONE + "it runs as you",
    f"{_CONTAINER}.securityContext.seccompProfile.type": _RUN,
    f"{_CONTAINER}.terminationMessagePath": _WHERE,
    f"{_CONTAINER}.terminationMessagePolicy": _WHERE,
    f"{_CONTAINER}.volumeMounts[].mountPath": _FOLDER,
    f"{_CONTAINER}.volumeMounts[].name": _FOLDER,
    f"{_CONTAINER}.volumeMounts[].readOnly": _FOLDER,
    f"{_CONTAINER}.volumeMounts[].subPath": _FOLDER,
    f"{_CONTAINER}.workingDir": _RUN,
    "spec.volumes[].configMap": _FILES,
    "spec.volumes[].emptyDir": _FOLDER,
    "spec.volumes[].name": _FOLDER,
    "spec.volumes[].persistentVolumeClaim": _FOLDER,
    "spec.volumes[].projected.defaultMode": _FILES,
    "spec.volumes[].projected.sources[].configMap": _FILES,
    "spec.volumes[].projected.sources[].secret": _FILES,
    "spec.volumes[].secret": _FILES,
    f"{_CONTAINER}.restartPolicy": _REFUSE + "the containers run one after the other",
    f"{_CONTAINER}.env[].valueFrom.resourceFieldRef": (
        _REFUSE + "only the cluster knows the value"
    ),
    "spec.hostNetwork": _REFUSE + "a container here has a network of its own",
}
_UNKNOWN = "it needs Kubernetes"

# Kubernetes replaces such references, and $$ with $; Docker does not.
_REFERENCE = re.compile(r"\$\([A-Za-z_][A-Za-z0-9_.-]*\)|[$][$]")


def manifest(task: Any, context: Any = None) -> dict[str, Any]:
    """Return the pod of a KubernetesPodOperator as the JSON that Kubernetes would get."""
    # A connection names a cluster, but this one is never called.
    task.hook = KubernetesHook(conn_id=None)
    pod = task.build_pod_request_obj(context, dry_run=True)
    sent: dict[str, Any] = ApiClient().sanitize_for_serialization(pod)
    return sent


def check(pod: dict[str, Any], to: Settings) -> None:
    """Raise an InputError for a pod that Kubernetes rejects, or that cannot run here."""
    for mistake in mistakes_in_pod(pod):
        raise InputError(
            f"Kubernetes would reject the task: {mistake}", "correct it in the config"
        )
    docker_containers(pod, to, Path())


def docker_containers(
    pod: dict[str, Any], to: Settings, folder: Path
) -> list[Container]:
    """Return the containers of a pod in the order in which they run.

    Args:
        pod: the pod, as the JSON that Kubernetes would get.
        to: the settings of the run.
        folder: the folder of this run of the pod.

    Raises:
        InputError: the pod has a field that does not work here.
    """
    pod = _without_sidecar(pod)
    for path in _refused(pod, ""):
        why = FIELDS.get(_pattern(path), _REFUSE + _UNKNOWN)
        raise InputError(
            f"{path} does not work in a local run: {why.removeprefix(_REFUSE)}",
            "remove it (in an overlay, if a cluster needs it)",
        )
    if len(pod["spec"]["containers"]) != 1:
        raise InputError(
            "spec.containers[1] does not work in a local run: only the task's own "
            "container runs here",
            "remove it (in an overlay, if a cluster needs it)",
        )
    containers = [
        *(pod["spec"].get("initContainers") or ()),
        *pod["spec"]["containers"],
    ]
    return [_docker_container(each, pod, to, folder) for each in containers]


def _docker_container(
    container: dict[str, Any], pod: dict[str, Any], to: Settings, folder: Path
) -> Container:
    """Return one of the containers of a pod."""
    command = [*(container.get("command") or ()), *(container.get("args") or ())]
    values = [variable.get("value") or "" for variable in container.get("env") or ()]
    for text in (*command, *values):
        if reference := _REFERENCE.search(text):
            raise InputError(
                f"{reference[0]} is filled in by Kubernetes only", "write it out"
            )
    given, secrets = volumes_and_variables(container, pod, to, folder)
    arguments = [*common_arguments(), *given]
    if container.get("workingDir"):
        arguments += ["--workdir", container["workingDir"]]
    arguments += _limits((container.get("resources") or {}).get("limits") or {}, to)
    arguments += _security(pod["spec"].get("securityContext") or {})
    arguments += _security(container.get("securityContext") or {})
    if container.get("command"):
        # Docker's entry point is one word; the others come before the arguments.
        arguments += ["--entrypoint", command.pop(0)]
    image = image_of(container.get("image") or "", to.images)
    return Container(container["name"], [*arguments, image, *command], secrets)


def execute(self: Any, context: Any) -> Any:
    """Run the pod of a KubernetesPodOperator here; takes the place of its `execute`.

    Returns:
        What the task returns, if it was asked to.

    Raises:
        AirflowException: a container fails.
    """
    with tempfile.TemporaryDirectory(
        dir=os.environ["AIRFLOW_HOME"], ignore_cleanup_errors=True
    ) as name:
        folder, pod = Path(name), manifest(self, context)
        *first, container = docker_containers(pod, settings(), folder)
        make_volumes(pod["spec"], settings(), folder)
        for each in first:
            _raise_for(_run(each), f"the init container {each.name!r}")
        code = _run(container)
        if code in self.skip_on_exit_code:
            raise AirflowSkipException(f"the container ended with exit code {code}")
        _raise_for(code, "the container")
        result = folder / "volumes" / PodDefaults.VOLUME.name / "return.json"
        if self.do_xcom_push and result.exists() and result.stat().st_size:
            return json.loads(result.read_text())
    return None


def _run(container: Container) -> int:
    # The output of a task is in its log, as in a cluster.
    return run_container(container, lambda line: print(line, flush=True))


def _raise_for(code: int, what: str) -> None:
    if code:
        killed = "; it may have needed more memory than its limit" * (code == 137)
        raise AirflowException(f"{what} ended with exit code {code}{killed}")


def _without_sidecar(pod: dict[str, Any]) -> dict[str, Any]:
    """Return a pod without the container from which Airflow reads the XCom.

    The volume for the XCom and its mount stay.
    """
    containers = [
        container
        for container in pod["spec"]["containers"]
        if container["name"] != PodDefaults.SIDECAR_CONTAINER_NAME
    ]
    return {**pod, "spec": {**pod["spec"], "containers": containers}}


def _refused(value: Any, path: str) -> Iterator[str]:
    """Yield the paths of the fields that are set and that no `docker run` can honour."""
    pattern = _pattern(path)
    effect = FIELDS.get(pattern, _REFUSE)
    if not effect.startswith(_REFUSE) or value in (None, False, "", [], {}):
        return
    if isinstance(value, dict) and _has_below(f"{pattern}." if path else ""):
        for key, item in value.items():
            yield from _refused(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and _has_below(f"{pattern}[]"):
        for index, item in enumerate(value):
            yield from _refused(item, f"{path}[{index}]")
    else:
        yield path


def _pattern(path: str) -> str:
    """Return the entry of `FIELDS` for a path."""
    path = re.sub(r"\[\d+\]", "[]", path)
    return re.sub(r"^spec\.initContainers(?!\w)", "spec.containers", path)


def _has_below(prefix: str) -> bool:
    return any(field.startswith(prefix) for field in FIELDS)


def _limits(limits: Mapping[str, str], to: Settings) -> Iterator[str]:
    if "memory" in limits:
        yield from ("--memory", str(int(parse_quantity(limits["memory"]))))
    if "cpu" in limits:
        # Docker refuses more processors than there are; Kubernetes does not.
        cpus = min(parse_quantity(limits["cpu"]), Decimal(to.cpus))
        yield from ("--cpus", f"{cpus:f}")


def _security(context: Mapping[str, Any]) -> Iterator[str]:
    if context.get("allowPrivilegeEscalation") is False:
        yield from ("--security-opt", "no-new-privileges")
    for capability in (context.get("capabilities") or {}).get("drop") or ():
        yield from ("--cap-drop", capability)
    if context.get("readOnlyRootFilesystem"):
        yield "--read-only"
    profile = (context.get("seccompProfile") or {}).get("type", "RuntimeDefault")
    if profile == "Unconfined":
        yield from ("--security-opt", "seccomp=unconfined")
    elif profile != "RuntimeDefault":
        raise InputError(
            f"the seccomp profile {profile} does not work in a local run",
            "use RuntimeDefault",
        )
