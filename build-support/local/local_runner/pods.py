"""Pods for a laptop: runs by the Docker engine what Kubernetes would be given.

The pod is the one that Airflow's KubernetesPodOperator makes. What a field of it does
here is in one table; a pod with a field that is not in it is refused.
"""

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from airflow.sdk.exceptions import AirflowException, AirflowSkipException
from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook
from airflow.providers.cncf.kubernetes.utils.xcom_sidecar import PodDefaults
from kubernetes.client import ApiClient
from kubernetes.utils.quantity import parse_quantity

from local_runner.containers import (
    Settings,
    common_arguments,
    image_of,
    run_container,
    settings,
)
from maxairesources.errors import InputError
from maxairesources.pods import mistakes_in_pod

_CONTAINER = "spec.containers[]"

# What is done with a field, and why. Whatever is not here is refused; what stands here
# as refused is only explained better.
_RUN = "run: `docker run` is told the same"
_NONE = "none: "
_REFUSE = "refuse: "
_WHERE = _NONE + "it only says where in a cluster, or as what"
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
    # Files belong to whoever runs this, so the user is theirs, whatever the pod says.
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
    f"{_CONTAINER}.workingDir": _RUN,
    f"{_CONTAINER}.env[].valueFrom": _REFUSE + "only the cluster knows the value",
    f"{_CONTAINER}.envFrom": _REFUSE + "only the cluster knows the values",
    f"{_CONTAINER}.volumeMounts": _REFUSE + "only the cluster has volumes",
    "spec.hostNetwork": _REFUSE + "a container here has a network of its own",
    "spec.initContainers": _REFUSE + "only the task's own container runs here",
    "spec.volumes": _REFUSE + "only the cluster has volumes (secrets are such, too)",
}
_UNKNOWN = "this tool does not know how to do that without Kubernetes"

# Kubernetes fills in such references, and makes $$ one; Docker does not.
_REFERENCE = re.compile(r"\$\([A-Za-z_][A-Za-z0-9_.-]*\)|[$][$]")


def manifest(task: Any, context: Any = None) -> dict[str, Any]:
    """Return the pod of a KubernetesPodOperator, as Kubernetes would be sent it."""
    # A connection tells which cluster; none is asked.
    task.hook = KubernetesHook(conn_id=None)
    pod = task.build_pod_request_obj(context, dry_run=True)
    sent: dict[str, Any] = ApiClient().sanitize_for_serialization(pod)
    return sent


def check(pod: dict[str, Any], to: Settings) -> None:
    """Raise an InputError for a pod that no Kubernetes takes, or that cannot run here."""
    for mistake in mistakes_in_pod(pod):
        raise InputError(f"Kubernetes would refuse {mistake}", "mend it")
    docker_arguments(pod, to, Path())


def docker_arguments(pod: dict[str, Any], to: Settings, xcom: Path) -> list[str]:
    """Return the arguments of `docker run` for a pod.

    Args:
        pod: the pod, as Kubernetes would be sent it.
        to: the settings of the run.
        xcom: the folder for the value that the task returns, if it returns one.

    Raises:
        InputError: the pod has what cannot be honoured here.
    """
    pod, has_xcom = _without_sidecar(pod)
    for path in _refused(pod, ""):
        why = FIELDS.get(re.sub(r"\[\d+\]", "[]", path), _REFUSE + _UNKNOWN)
        raise InputError(
            f"{path} cannot be honoured on a laptop: {why.removeprefix(_REFUSE)}",
            "drop it (in an overlay, if a cluster needs it)",
        )
    if len(pod["spec"]["containers"]) != 1:
        raise InputError(
            "spec.containers[1] cannot be honoured on a laptop: only the task's own "
            "container runs here",
            "drop it (in an overlay, if a cluster needs it)",
        )
    (container,) = pod["spec"]["containers"]
    command = [*(container.get("command") or ()), *(container.get("args") or ())]
    variables = [
        f"{env['name']}={env.get('value') or ''}" for env in container.get("env") or ()
    ]
    for text in (*command, *variables):
        if reference := _REFERENCE.search(text):
            raise InputError(
                f"{reference[0]} is filled in by Kubernetes only", "write it out"
            )
    arguments = common_arguments(to)
    if has_xcom:
        arguments += ["--volume", f"{xcom}:{PodDefaults.XCOM_MOUNT_PATH}"]
    for variable in variables:
        arguments += ["--env", variable]
    if container.get("workingDir"):
        arguments += ["--workdir", container["workingDir"]]
    arguments += _limits((container.get("resources") or {}).get("limits") or {}, to)
    arguments += _security(pod["spec"].get("securityContext") or {})
    arguments += _security(container.get("securityContext") or {})
    if container.get("command"):
        # Docker's entry point is one word; the others come before the arguments.
        arguments += ["--entrypoint", command.pop(0)]
    return [*arguments, image_of(container["image"], to.images), *command]


def execute(self: Any, context: Any) -> Any:
    """Run the pod of a KubernetesPodOperator here; takes the place of its `execute`.

    Returns:
        What the task returns, if it was asked to.

    Raises:
        AirflowException: the container fails.
    """
    with tempfile.TemporaryDirectory(dir=os.environ["AIRFLOW_HOME"]) as folder:
        arguments = docker_arguments(manifest(self, context), settings(), Path(folder))
        # Whatever a task prints is in its log, here as in a cluster.
        code = run_container(arguments, lambda line: print(line, flush=True))
        if code in self.skip_on_exit_code:
            raise AirflowSkipException(f"the container ended with exit code {code}")
        if code:
            killed = "; it may have needed more memory than its limit" * (code == 137)
            raise AirflowException(f"the container ended with exit code {code}{killed}")
        result = Path(folder) / "return.json"
        if self.do_xcom_push and result.exists() and result.stat().st_size:
            return json.loads(result.read_text())
    return None


def _without_sidecar(pod: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return a pod without what Airflow adds to get a task's value, and if it did add."""
    spec, (container, *others) = pod["spec"], pod["spec"]["containers"]
    client = ApiClient()
    volume = client.sanitize_for_serialization(PodDefaults.VOLUME)
    mount = client.sanitize_for_serialization(PodDefaults.VOLUME_MOUNT)
    left = [o for o in others if o["name"] != PodDefaults.SIDECAR_CONTAINER_NAME]
    if len(left) == len(others):
        return pod, False
    mounts = [m for m in container.get("volumeMounts") or () if m != mount]
    container = {**container, "volumeMounts": mounts}
    volumes = [v for v in spec.get("volumes") or () if v != volume]
    spec = {**spec, "containers": [container, *left], "volumes": volumes}
    return {**pod, "spec": spec}, True


def _refused(value: Any, path: str) -> Iterator[str]:
    """Yield the paths of the fields that are set and that no `docker run` can honour."""
    pattern = re.sub(r"\[\d+\]", "[]", path)
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
            f"the seccomp profile {profile} cannot be honoured on a laptop",
            "give RuntimeDefault",
        )
