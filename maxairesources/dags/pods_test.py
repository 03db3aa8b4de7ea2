import copy
from typing import Any

import pytest

from maxairesources.dags.pods import mistakes_in_pod

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "score-clients", "labels": {"team": "shop"}},
    "spec": {
        "containers": [
            {
                "name": "base",
                "image": "maxai/shop",
                "imagePullPolicy": "IfNotPresent",
                "args": ["a.b"],
                "env": [{"name": "STAGE", "value": "dev"}],
                "resources": {
                    "requests": {"cpu": "500m", "memory": "1Gi"},
                    "limits": {"memory": "1Gi", "nvidia.com/gpu": "1"},
                },
            }
        ],
        "initContainers": [{"name": "first", "image": "maxai/shop"}],
        "restartPolicy": "Never",
    },
}


def mistakes(path: str, value: Any) -> list[str]:
    """Return the mistakes in the good pod with one place changed."""
    pod = copy.deepcopy(POD)
    *parents, last = path.split()
    part: Any = pod
    for key in parents:
        part = part[int(key) if key.isdigit() else key]
    part[last] = value
    return [*mistakes_in_pod(pod)]


def test_good_pod() -> None:
    assert [*mistakes_in_pod(POD)] == []


BASE = "spec containers 0"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        # What Kubernetes' schema lacks.
        ("spce", {}, "'spce' was unexpected"),
        ("spec contaners", [], "'contaners' was unexpected"),
        (f"{BASE} imag", "x", "'imag' was unexpected"),
        (f"{BASE} resources limitz", {}, "'limitz' was unexpected"),
        (
            f"{BASE} env",
            [{"nam": "STAGE", "value": "dev"}],
            "spec.containers.0.env.0: ",
        ),
        (f"{BASE} env", {"STAGE": "dev"}, "the pod's spec.containers.0.env: {'STAGE'"),
        (
            f"{BASE} args",
            "a.b",
            "the pod's spec.containers.0.args: 'a.b' is not of type",
        ),
        (f"{BASE} name", None, "the pod's spec.containers.0.name: None is not of type"),
        # What it leaves open.
        (
            "metadata name",
            "score_clients",
            "name 'score_clients' is not valid by RFC 1123",
        ),
        ("metadata name", "Score", "the pod's name 'Score' is not valid by RFC 1123"),
        ("metadata name", "-score", "the pod's name '-score' is not valid by RFC 1123"),
        ("metadata name", "a" * 254, "is not valid by RFC 1123"),
        (
            f"{BASE} name",
            "my.base",
            "the container's name 'my.base' is not valid by RFC 1123",
        ),
        (
            "spec initContainers 0 name",
            "a b",
            "the container's name 'a b' is not valid by RFC",
        ),
        (f"{BASE} imagePullPolicy", "Alway", "Policy is 'Alway'; did you mean Always?"),
        (
            f"{BASE} resources limits memory",
            "1gb",
            "the pod's resources.limits.memory: I",
        ),
        (
            f"{BASE} resources limits memory",
            "1 Gi",
            "the pod's resources.limits.memory: ",
        ),
        (
            f"{BASE} resources requests cpu",
            "half",
            "the pod's resources.requests.cpu: In",
        ),
        (
            f"{BASE} resources requests memroy",
            "1Gi",
            "memroy is unknown; did you mean me",
        ),
        (
            f"{BASE} resources limits gpu",
            "1",
            "limits.gpu is unknown; did you mean cpu?",
        ),
        (
            f"{BASE} resources requests memory",
            "512m",
            "is 512m, too little for any conta",
        ),
        (
            f"{BASE} resources requests cpu",
            "500n",
            "is 500n, too little for any contain",
        ),
        (
            f"{BASE} resources requests memory",
            "2Gi",
            "requests.memory is above its limit",
        ),
        (
            f"{BASE} resources requests cpu",
            "500M",
            "requests.cpu is 500M, too much for any machine; M means millions",
        ),
        (
            f"{BASE} resources limits ephemeral-storage",
            "-1Gi",
            "is -1Gi, but cannot be negative",
        ),
        (
            f"{BASE} resources limits",
            {"memory": "1Gi", "nvidia.com/gpu": "0.5"},
            "limits.nvidia.com/gpu is 0.5, but must be a whole number",
        ),
        (
            f"{BASE} resources requests",
            {"amd.com/gpu": "1"},
            "requests.amd.com/gpu must be equal to its limit",
        ),
        ("spec volumes", [{"name": "v"}] * 2, "has 2 volumes with the name 'v'"),
        ("spec volumes", [{"name": "my_volume"}], "volume's name 'my_volume' is not"),
        (
            "spec volumes",
            [{"name": "v", "EmptyDir": {}}],
            "the pod's spec.volumes.0: ",
        ),
        (
            f"{BASE} volumeMounts",
            [{"name": "data", "mountPath": "/data"}],
            "mounts a volume 'data' that it lacks; add it to volumes",
        ),
        (
            "spec initContainers 0 volumeMounts",
            [{"name": "data", "mountPath": "/data"}],
            "mounts a volume 'data' that it lacks",
        ),
        (
            f"{BASE} volumeMounts",
            [{"name": "xcom", "mountPath": "/data"}] * 2,
            "mounts 2 volumes at /data",
        ),
        (
            "spec tolerations",
            [{"key": "gpu", "operator": "Exists", "effect": "NoSchdule"}],
            "has the effect 'NoSchdule'; did you mean NoSchedule",
        ),
        (
            "spec tolerations",
            [{"key": "gpu", "operator": "exists"}],
            "has the operator 'exists'; did you mean Exists?",
        ),
        (
            "spec tolerations",
            [{"key": "gpu", "operator": "Exists", "value": "true"}],
            "has a value; remove it, or use the operator Equal",
        ),
        ("spec tolerations", [{"value": "a"}], "toleration has no key; add it, or"),
        ("spec nodeSelector", {"pool": "a b"}, "nodeSelector.pool is 'a b'; use at"),
        ("metadata namespace", "ML_Team", "namespace 'ML_Team' is not valid by RFC"),
        ("metadata labels", {"team": "-shop"}, "labels.team is '-shop'; use at most"),
        ("metadata labels", {"team": "a" * 64}, "aa'; use at most 63 letters"),
        ("metadata labels", {"a/b/c": "x"}, "labels have the invalid key 'a/b/c'"),
        ("metadata labels", {"": "x"}, "labels have the invalid key ''; use at most"),
        (
            "metadata annotations",
            {"a b": "x"},
            "annotations have the invalid key 'a b'",
        ),
    ],
)
def test_mistake_is_reported_with_its_place(
    path: str, value: Any, expected: str
) -> None:
    reported = mistakes(path, value)
    assert len(reported) == 1
    assert expected in reported[0]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata labels", {"app.kubernetes.io/name": "", "a": "B_c.d"}),
        ("metadata labels", {"run": "{{ run_id }}"}),
        ("metadata annotations", {"example.com/any": "a b\n!"}),
        ("metadata namespace", "{{ var.value.namespace }}"),
        ("spec tolerations", [{"operator": "Exists"}, {"key": "a", "value": "b"}]),
        ("spec tolerations", [{"key": "a", "operator": "Exists", "effect": ""}]),
        ("spec nodeSelector", {"cloud.google.com/gke-spot": "true"}),
        (
            f"{BASE} resources",
            {
                "requests": {"cpu": 0.5, "nvidia.com/gpu": 1, "memory": "{{ x }}"},
                "limits": {"nvidia.com/gpu": "1", "hugepages-2Mi": "4Mi"},
            },
        ),
        (f"{BASE} resources", None),
        (f"{BASE} volumeMounts", [{"name": "xcom", "mountPath": "/airflow/xcom"}]),
    ],
)
def test_what_kubernetes_accepts_is_valid(path: str, value: Any) -> None:
    assert mistakes(path, value) == []


def test_every_mistake_in_quantities_and_names_is_reported() -> None:
    pod = copy.deepcopy(POD)
    pod["metadata"]["name"] = "A"
    pod["spec"]["containers"][0]["resources"]["requests"] = {"cpu": "x", "memory": "y"}
    assert len([*mistakes_in_pod(pod)]) == 3
