"""Tests of the messages for mistakes in a dag.py and in what its configs give to Airflow."""

import json
import re
from typing import Any

# isort: off
# This module must be the first to import Airflow.
from maxairesources.dags.conftest import (
    BOTH,
    CONFIGS,
    DAG_FILE,
    FEATURES,
    IMAGE,
    SCORE,
    Objective,
)

# isort: on
import pytest

from maxairesources.testing.dag_checks import _OF_AIRFLOW_2

DUMMY = "f.add('a', 'DummyOperator', ['root']{})\n"
BASH = "f.add('a', 'BashOperator', ['root'], {})\n"
POD = "f.add('score', 'KubernetesPodOperator', ['root'], {})\n"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("f.add('a', 'DumyOperator', ['root'])", "unknown operator 'DumyOperator'; di"),
        ("f.add('a', None, ['root'])", "task 'a': unknown operator None; use the clas"),
        ("f.add('a', 'DummyOperator', ['Root'])", "parent 'Root'; did you mean root?"),
        (SCORE + "f.add('a', 'DummyOperator', ['scroe'])", "did you mean score?"),
        ("f.add('a', 'DummyOperator', 'root')", "has the parent 'root'; use a list of"),
        ("f.add('a', 'DummyOperator', [])", "has the parent []; use a list of task id"),
        (f"{DUMMY.format('')}f.add('b', 'DummyOperator', [f])", "b': unknown parent <"),
        ("f.add('a', 'DummyOperator')", "missing 1 required positional argument"),
        ("f.add('root', 'DummyOperator', ['root'])", "task 'root': is reserved: it"),
        (DUMMY.format("") * 2, "task 'a': Airflow rejects it (Task id 'a' has already"),
        ("f.add('a b', 'DummyOperator', ['root'])", "task 'a b': Airflow rejects it ("),
        (BASH.format("bash_comand='x'"), "no argument 'bash_comand'; did you mean bas"),
        (BASH.format(""), "task 'a': Airflow rejects it (missing keyword argument"),
        (BASH.format("expand={'bash_comand': ['x']}"), "unexpected keyword argument '"),
        (POD.format("image='a'"), "image is given here and in maxaiconfigs/qsr/custom"),
        (POD.format("expand={'image': ['a']}"), "image is given here and in maxaiconf"),
        (POD.format("expand={'arguments': []}"), "; to map a task, use env_vars"),
        (
            "f.add('scores', 'KubernetesPodOperator', ['root'])",
            f"'scores': is not in {CONFIGS}/kubepod_config.json; did you mean score?",
        ),
        (
            "f.add('score', 'SparkSubmitOperator', ['root'])",
            f"task 'score': is not in {CONFIGS}/spark_config.json; add it there",
        ),
    ],
)
def test_a_mistake_in_a_task(lines: str, expected: str, tree: Objective) -> None:
    reported = tree.error(lines)
    assert expected in reported
    assert reported.startswith("TypeError") or f"InputError: {DAG_FILE}: " in reported


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            "catchupp=True",
            f"{DAG_FILE}: DAG has no argument 'catchupp'; did you mean c",
        ),
        ("schedule_interval='@daily', schedule='@weekly'", "multiple values for keywo"),
        ("max_active_tasks='x'", "dag.py: Airflow rejects it ("),
        ("schedule='0 6 * * MNO'", "[0 6 * * mno] is not acceptable"),
        ("obj='obj1'", "is the DAG of qsr/customer360/obj1, but it is in another fold"),
        ("usecase='uc'", "; move it to maxaidags/qsr/uc/obj0/, or correct the names"),
    ],
)
def test_a_mistake_in_the_arguments_of_a_dag(
    arguments: str, expected: str, tree: Objective
) -> None:
    assert expected in tree.error(BOTH, arguments)


def test_the_mistakes_of_all_configs_are_reported_at_once(tree: Objective) -> None:
    tree.configs({"score": {"env": {}, "image_pul": "x"}, "b": {"retires": 2}})
    path = tree.root / CONFIGS / "kubepod_config.json"
    config = {**json.loads(path.read_text()), "conf": {"namespaces": "all"}}
    path.write_text(json.dumps(config))
    places = [line.split(": ")[1] for line in tree.mistakes(BOTH).splitlines()]
    # The common conf is reported once, and where it is.
    keys = "conf.namespaces tasks[0].conf.env tasks[0].conf.image_pul tasks[1].conf.retires"
    named = [f"$.{key}" for key in keys.split()]
    assert sorted(places) == named
    tree.write(f"{CONFIGS}/obj0/py_config.json", {"score": {"args": {}}})
    # Of a task without its arguments, the operator's are not known.
    spark = {"conf": {}, "tasks": [{"id": 1, "name": "features", "conf": {"a": 1}}]}
    tree.write(f"{CONFIGS}/spark_config.json", spark)
    found = tree.mistakes(BOTH)
    assert all(place in found for place in named) and ".score has an unk" in found
    assert found.count("spark_config.json: ") == 2 and "no argument 'a'" not in found
    tree.configs()
    bash = BASH.format("bash_command='x', retires=2, ownr='me'")
    assert len(tree.mistakes(BOTH + bash).strip().splitlines()) == 2


def test_a_factory_outside_of_a_dag_file(tree: Objective) -> None:
    reported = tree.error(BOTH, dag_file="maxaidags/qsr/customer360/dag.py")
    assert "; call it in maxaidags/<domain>/<usecase>/<objective>/dag.py" in reported


@pytest.mark.parametrize(
    ("lines", "arguments", "expected"),
    [
        (
            FEATURES,
            "",
            f"{CONFIGS}/obj0/py_config.json: $.score: {DAG_FILE} launches no ta",
        ),
        (
            FEATURES + "f.add('score', 'DummyOperator', ['root'])",
            "",
            "is not a Kubernetes",
        ),
        (BOTH, "default_args={'retires': 3}", "no operator has an argument 'retires';"),
        (BOTH, "dag_id='x'", "has the DAGs ['x'], not qsr.customer360.obj0; use this"),
        ("import airflow.providers.dbt.cloud", "", "apache-airflow-providers-dbt, to"),
        (
            f"a = {DUMMY.format('')}b = f.add('b', 'DummyOperator', ['a'])\nb >> a",
            "",
            "Cycle detected in Dag",
        ),
    ],
)
def test_a_mistake_that_the_test_of_the_dag_finds(
    lines: str, arguments: str, expected: str, tree: Objective
) -> None:
    assert expected in tree.mistakes(lines, arguments)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"imagePullPolcy": "x"}, "{file}: {place}.imagePullPolcy: KubernetesPodOper"),
        ({"imagePullPolcy": "x"}, "no argument 'imagePullPolcy'; did you mean image_"),
        ({"env": {}}, "has no argument 'env'; did you mean env_vars or env_from?"),
        ({"on_finish_action": "delete"}, "Airflow rejects it ('delete' is not a valid"),
        ({"do_xcom_push": "true"}, "{file}: {place}.do_xcom_push is 'true'; use a val"),
        ({"get_logs": None}, ".get_logs is null; use a value of the type bool"),
        ({"on_failure_callback": "notify"}, ".on_failure_callback is a function in Py"),
        ({"on_finish_action": "{{ ds }}"}, "Airflow rejects it ("),
        ({"in_cluster": "{{ ds }}"}, ".in_cluster is "),
        ({"labels": {"a": ["{{ dss }}"]}}, "{place}.labels.a[0]: '{{ dss }}' has an u"),
        ({"execution_timeout": "an hour"}, "; use a number of seconds, or ISO 8601 su"),
        ({"retry_delay": [1]}, ".retry_delay is [1]; use a number of seconds"),
        ({"volumes": [{"nam": "v"}]}, "[{'nam': 'v'}] (unknown key 'nam': did you me"),
        ({"volumes": [{"name": 1, "nfs": {}}]}, "(Invalid value for `path`, must not"),
        (
            {"volumes": [{"name": "v", "persistent_volume_claim": {}}]},
            "(unknown key 'persistent_volume_claim': did you mean persistentVolumeClaim?)",
        ),
        ({"tolerations": [{"operatr": "Exists"}]}, "'operatr': did you mean operator?"),
        ({"image_pull_secrets": "registry"}, ".image_pull_secrets is 'registry' (with"),
        ({"env_from": [{"secretref": {}}]}, "'secretref': did you mean secretRef?"),
        ({"container_resources": {"limit": {}}}, "unexpected); did you mean limits?"),
        ({"container_resources": {"limits": {"cpu": "500M"}}}, "resources.limits.cpu"),
        ({"image": "maxai/shop"}, "{place}.image is 'maxai/shop'; use maxai/qsr, the"),
        ({"image": ""}, "{file}: {place}.image is ''; use maxai/qsr, the image of the"),
        ({"arguments": []}, "{file}: {place}.arguments is missing; add it"),
        ({"arguments": "a.b"}, "{place}.arguments is 'a.b'; use a value of the type l"),
        ({"arguments": ["a", 1]}, ".arguments is ['a', 1]; use a value of the type l"),
        ({"init_containers": [{"name": "x", "image": "a/x:v4"}]}, "[0].image is 'a/x"),
        (
            {"init_containers": [{"name": "x", "image": f"a/x@sha256:{'0' * 64}"}]},
            "; use maxai/qsr, the image of the domain, or one from `images` in marketpl",
        ),
        ({"pod_template_file": "s3://x"}, "{place}.pod_template_file: a pod template"),
    ],
)
def test_a_mistake_in_the_arguments_of_a_config(
    arguments: dict[str, Any], expected: str, tree: Objective
) -> None:
    tree.configs({"score": arguments}, {})
    place, file = "$.tasks[0].conf", f"{CONFIGS}/kubepod_config.json"
    expected = expected.replace("{place}", place).replace("{file}", file)
    assert expected in tree.mistakes(SCORE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ dss }}", "'{{ dss }}' has an unknown variable 'dss'; did you mean ds"),
        ("{{ ds }", "is not a valid template (unexpected '}')"),
        ("{{ ds | uper }}", "is not a valid template (No filter named 'uper'.)"),
        ("a" * 500 + "{{ dss }}", f"'{'a' * 76}... has an unknown variable 'dss'"),
        *(
            (f"{{{{ {old} }}}}", f"; Airflow 3 has {new} instead")
            for old, new in _OF_AIRFLOW_2.items()
        ),
        *((f"{{{{ {new} }}}}", "") for new in _OF_AIRFLOW_2.values()),
        ("{{ params['n'] }}{{- ds -}} {% if ti.try_number > 1 %}a{% endif %}", ""),
        ('$HOME $$ a {b} c {"a": {"b": 1}}', ""),
    ],
)
def test_a_template(text: str, expected: str, tree: Objective) -> None:
    tree.configs(args={"days": [text]})
    place = "$.features.function.args.days[0]: "
    start = f"{CONFIGS}/obj0/py_config.json: {place}" if expected else ""
    reported = tree.mistakes(BOTH)
    assert reported.startswith(start) and expected in reported
    assert bool(reported) is bool(expected)


@pytest.mark.parametrize(
    "name", ["obj0/py_config.json", "spark_config.json", "kubepod_config.json"]
)
def test_one_wrong_letter_in_any_key_or_name_is_reported_with_its_file(
    name: str, tree: Objective
) -> None:
    tree.configs(
        {"score": {"do_xcom_push": True, "image_pull_policy": "Always"}},
        {"features": {"verbose": True, "conf": {"spark.executor.memory": 1}}},
        {"spark.eventLog.enabled": True},
    )
    assert tree.mistakes(BOTH) == ""
    path = tree.root / CONFIGS / name
    text = path.read_text()
    # A handler's own test knows its arguments.
    pattern = r'"([^"]+)": |"(?:file|csv|pandas|features|score)"|\btrue\b'
    places = [m for m in re.finditer(pattern, text) if m[1] != "as_of"]
    assert len(places) > 10
    for place in places:
        at = place.start() + 2
        path.write_text(f"{text[:at]}~{text[at + 1 :]}")
        reported = tree.mistakes(BOTH)
        # It is unknown which of two files has the wrong name of a task.
        assert f"{CONFIGS}/" in reported, (place, reported)


def test_a_dag_is_checked_with_the_overlays_of_all_deployments(tree: Objective) -> None:
    # An overlay of another usecase does not affect this DAG.
    tree.write("maxaiconfigs/qsr/other/spark_config.prod.json", "{")
    tree.write(f"{CONFIGS}/spark_config.dev.json", {})
    assert tree.mistakes(BOTH) == ""
    overlay = tree.write(
        f"{CONFIGS}/spark_config.staging_2.json", {"conf": {IMAGE: None}}
    )
    assert f"task features: {IMAGE} is missing" in tree.mistakes(BOTH)
    overlay.unlink()
    patch = {"tasks": [{"name": "score", "conf": {"image": None}}]}
    overlay = tree.write(f"{CONFIGS}/kubepod_config.prod.json", patch)
    assert "kubepod_config.prod.json: $.tasks[0].conf.image is m" in tree.mistakes(BOTH)
    overlay.unlink()
    tree.write(f"{CONFIGS}/obj0/py_config.prod.json", {"score": None})
    expected = (
        f"task 'score' is not in {CONFIGS}/obj0/py_config.json with py_config.prod"
    )
    assert expected in tree.mistakes(BOTH)


def test_each_pod_of_a_mapped_task_is_checked(tree: Objective) -> None:
    resources = "[{}, {'limits': {'memory': '1 Gi'}}]"
    lines = POD.format(f"expand={{'container_resources': {resources}}}")
    expected = (
        "task score: the pod's resources.limits.memory is 1 Gi; use a quantity such"
    )
    assert expected in tree.mistakes(FEATURES + lines)
