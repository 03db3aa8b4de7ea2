import copy
from typing import Any

import pytest

from maxairesources.testing.pod_checks import mistakes_in_pod

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


BASE = "spec containers 0"
MOUNTS = [{"name": "data", "mountPath": "/data"}]
RULE = "use at most 63 letters"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        # Kubernetes' schema lacks them.
        ("spec contaners", [], "'contaners' was unexpected"),
        (f"{BASE} resources limitz", {}, "'limitz' was unexpected"),
        (f"{BASE} env", [{"nam": "STAGE"}], "the pod's spec.containers.0.env.0: "),
        (f"{BASE} args", "a.b", "the pod's spec.containers.0.args: 'a.b' is not of ty"),
        ("spec volumes", [{"name": "v", "EmptyDir": {}}], "the pod's spec.volumes.0: "),
        # It leaves them open.
        ("metadata name", "score_clients", "name 'score_clients' is not valid by RFC"),
        ("metadata name", "a" * 254, "is not valid by RFC 1123"),
        (f"{BASE} name", "my.base", "the container's name 'my.base' is not valid by R"),
        ("spec initContainers 0 name", "a b", "the container's name 'a b' is not vali"),
        ("spec volumes", [{"name": "my_volume"}], "volume's name 'my_volume' is not"),
        ("metadata namespace", "ML_Team", "namespace's name 'ML_Team' is not valid"),
        (f"{BASE} imagePullPolicy", "Alway", "Policy is 'Alway'; did you mean Always?"),
        ("spec tolerations", [{"effect": "NoSchdule"}], "effect is 'NoSchdule'; did "),
        ("spec tolerations", [{"operator": "exists"}], "did you mean Exists?"),
        ("spec nodeSelector", {"pool": "a b"}, f"nodeSelector.pool is 'a b'; {RULE}"),
        ("metadata labels", {"team": "-shop"}, f"labels.team is '-shop'; {RULE}"),
        ("metadata labels", {"a/b/c": "x"}, f"labels.a/b/c is 'x'; {RULE}"),
        (f"{BASE} volumeMounts", MOUNTS, "mounts a volume 'data' that it lacks; add i"),
        ("spec initContainers 0 volumeMounts", MOUNTS, "a volume 'data' that it lacks"),
        (f"{BASE} resources requests memory", "1gb", "requests.memory is 1gb; use a q"),
        (f"{BASE} resources requests memory", "1 Gi", "requests.memory is 1 Gi; use a"),
        (f"{BASE} resources requests memroy", "1Gi", "unknown; did you mean memory?"),
        (f"{BASE} resources limits gpu", "1", "limits.gpu is 1, but it is unknown; di"),
        (f"{BASE} resources requests memory", "512m", "is 512m, which no machine has;"),
        (f"{BASE} resources requests cpu", "500M", "requests.cpu is 500M, which no ma"),
        (f"{BASE} resources requests cpu", "-1", "requests.cpu is -1, which no machi"),
        (f"{BASE} resources requests memory", "2Gi", "is 2Gi, which is above its limi"),
    ],
)
def test_a_mistake_in_a_pod(path: str, value: Any, expected: str) -> None:
    (reported,) = mistakes(path, value)
    assert expected in reported


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata labels", {"k8s.io/name": "", "a": "B_c.d", "b": "{{ x }}"}),
        ("metadata annotations", {"example.com/any": "a b\n!"}),
        ("metadata namespace", "{{ var.value.namespace }}"),
        ("spec tolerations", [{"key": "a", "operator": "Exists", "effect": ""}]),
        ("spec nodeSelector", {"cloud.google.com/gke-spot": "true"}),
        (f"{BASE} resources requests", {"cpu": 0.001, "memory": "{{ x }}"}),
        (f"{BASE} resources limits", {"nvidia.com/gpu": "1", "hugepages-2Mi": "4Mi"}),
        (f"{BASE} resources", None),
        (f"{BASE} volumeMounts", [{"name": "xcom", "mountPath": "/airflow/xcom"}]),
    ],
)
def test_a_valid_pod(path: str, value: Any) -> None:
    assert mistakes(path, value) == []
