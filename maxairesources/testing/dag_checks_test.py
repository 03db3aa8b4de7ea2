import copy
from typing import Any

import pytest

# This module must be the first to import Airflow.
import maxairesources.testing.dags  # noqa: F401
from maxairesources.testing.dag_checks import mistakes_in_pod

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
        (
            "spec contaners",
            [],
            "'contaners' was unexpected); did you mean containers or",
        ),
        (f"{BASE} resources limitz", {}, "'limitz' was unexpected"),
        (f"{BASE} env", [{"nam": "STAGE"}], "the pod's spec.containers.0.env.0: "),
        (f"{BASE} args", "a.b", "the pod's spec.containers.0.args: 'a.b' is not of ty"),
        ("spec volumes", [{"name": "v", "EmptyDir": {}}], "the pod's spec.volumes.0: "),
        # It leaves them open.
        ("metadata name", "score_clients", "'score_clients' is not valid; use at mos"),
        ("metadata name", "a" * 254, "as RFC 1123 says"),
        (f"{BASE} name", "my.base", "containers.0.name: 'my.base' is not valid; use"),
        (
            "spec initContainers 0 name",
            "a b",
            "initContainers.0.name: 'a b' is not val",
        ),
        ("spec volumes", [{"name": "my_volume"}], "volumes.0.name: 'my_volume' is n"),
        ("metadata namespace", "ML_Team", "metadata.namespace: 'ML_Team' is not va"),
        (f"{BASE} imagePullPolicy", "Alway", "'Alway' is not valid; did you mean Alwa"),
        ("spec tolerations", [{"effect": "NoSchdule"}], "effect: 'NoSchdule' is not "),
        ("spec tolerations", [{"operator": "exists"}], "did you mean Exists?"),
        (
            "spec nodeSelector",
            {"pool": "a b"},
            f"nodeSelector.pool: 'a b' is not valid; {RULE}",
        ),
        (
            "metadata labels",
            {"team": "-shop"},
            f"labels.team: '-shop' is not valid; {RULE}",
        ),
        (
            "metadata labels",
            {"a/b/c": "x"},
            f"metadata.labels: 'a/b/c' is not valid; {RULE}",
        ),
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
