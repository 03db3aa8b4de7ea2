import re
from pathlib import Path
from typing import Any

# isort: off
# These modules must be the first to import Airflow.
from maxairesources.testing.small_objective import (
    BOTH,
    CONFIGS,
    DAG_FILE,
    FEATURES,
    SCORE,
    TASK,
    Tree,
    edges,
    pod_task,
    spark_task,
)

# isort: on
import pytest


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path)
    tree.configs(spark=[spark_task(1, "features")], pods=[pod_task(1, "score")])
    return tree


DUMMY = "f.add('end', 'DummyOperator', ['root'])\n"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            "f.add('a', 'DumyOperator', ['root'])",
            "task 'a' has an unknown operator 'Dumy",
        ),
        ("f.add('a', 'DumyOperator', ['root'])", "did you mean DummyOperator or "),
        (
            "f.add('a', None, ['root'])",
            "task 'a' has an unknown operator None; use the class of the operator",
        ),
        (
            "f.add('a', 'DummyOperator', ['scroe'])",
            "task 'a' has an unknown parent 'scr",
        ),
        (SCORE + "f.add('a', 'DummyOperator', ['scroe'])", "did you mean score?"),
        ("f.add('a', 'DummyOperator', ['Root'])", "parent 'Root'; did you mean root?"),
        (
            "f.add('a', 'DummyOperator', ['a'])",
            "the tasks form a cycle: a -> a;",
        ),
        (
            "f.add('a', 'DummyOperator', ['b']); f.add('b', 'DummyOperator', ['a'])",
            "the tasks form a cycle: ",
        ),
        (
            f"{BOTH}a = f.add('a', 'DummyOperator', ['root'])\n"
            "b = f.add('b', 'DummyOperator', ['a'])\nb >> a",
            "Cycle detected in Dag: x. Faulty task: ",
        ),
        (DUMMY + DUMMY, "task 'end' is defined twice; rename or remove one"),
        ("f.add('root', 'DummyOperator', ['root'])", "task 'root' is reserved: it"),
        (
            "f.add('a b', 'DummyOperator', ['root'])",
            "task 'a b': Airflow rejects it (Th",
        ),
        (
            "f.add('a', 'DummyOperator', 'root')",
            "has the parent 'root'; use a list of",
        ),
        (
            "f.add('a', 'DummyOperator', [])",
            "has the parent []; use a list of task ids",
        ),
        (
            "f.add('a', 'DummyOperator', None)",
            "has the parent None; use a list of tas",
        ),
        ("f.add('a', 'DummyOperator', [1])", "has the parent [1]; use a list of task"),
        (
            "e = f.add('e', 'DummyOperator', ['root'])\n"
            "f.add('a', 'DummyOperator', [e])",
            "task 'a' has the parent [<Task(EmptyOperator): e>]; use a list of task ids",
        ),
        (
            "f.add('a', 'DummyOperator')",
            "missing 1 required positional argument: 'pare",
        ),
        (
            "f.add('a', 'BashOperator', ['root'], bash_comand='x')",
            "task 'a': BashOperator has no argument 'bash_comand'; did you mean bash_c",
        ),
        (
            "f.add('a', 'BashOperator', ['root'])",
            "task 'a': Airflow rejects it (missing k",
        ),
        (
            "f.add('a', 'DummyOperator', ['root'], trigger_rule='all_don')",
            "task 'a': Airflow rejects it (The trigger_rule must be one of",
        ),
        (
            "f.add('a', 'BashOperator', ['root'], expand={'bash_comand': ['x']})",
            "task 'a': BashOperator has no argument 'bash_comand'; did you mean bash_c",
        ),
        (
            "f.add('a', 'BashOperator', ['root'], expand=['x'])",
            "task 'a': expand is ['x']; use a dict of arguments and lists",
        ),
        (
            "f.add('a', 'BashOperator', ['root'], expand={'bash_command': 3})",
            "task 'a': Airflow rejects it (",
        ),
        (
            "f.add('featurs', 'SparkSubmitOperator', ['root'])",
            "task 'featurs' is not in maxaiconfigs/qsr/customer360/spark_config.json; did "
            "you mean features?",
        ),
        (
            "f.add('scores', 'KubernetesPodOperator', ['root'])",
            "task 'scores' is not in maxaiconfigs/qsr/customer360/kubepod_config.json; did "
            "you mean score?",
        ),
        (
            "f.add('score', 'SparkSubmitOperator', ['root'])",
            "task 'score' is not in maxaiconfigs/qsr/customer360/spark_config.json, but in "
            "maxaiconfigs/qsr/customer360/kubepod_config.json",
        ),
        (
            "f.add('score', 'DummyOperator', ['root'])",
            "task 'score' is not a KubernetesPodOperator, but maxaiconfigs/qsr/customer3",
        ),
        (
            "f.add('score', 'KubernetesPodOperator', ['root'], image='a')",
            "task 'score': image is given here and in maxaiconfigs/qsr/customer360/kubep",
        ),
        (
            "f.add('score', 'KubernetesPodOperator', ['root'], expand={'image': ['a']})",
            "task 'score': image is given here and in maxaiconfigs/qsr/customer360/kubep",
        ),
        (
            "f.add('features', 'SparkSubmitOperator', ['root'], application_args=['a'])",
            "task 'features': application_args passes the config to the handler; set it",
        ),
    ],
)
def test_mistake_in_a_dag_is_reported_with_its_file(
    lines: str, expected: str, tree: Tree
) -> None:
    reported = tree.error(lines)
    assert expected in reported
    if "Error: maxai" in reported or "InputError" in reported:
        assert f"InputError: {DAG_FILE}: " in reported


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            "catchupp=True",
            "the DAG: DAG has no argument 'catchupp'; did you mean catchu",
        ),
        (
            "max_active_run=1",
            "has no argument 'max_active_run'; did you mean max_active",
        ),
        (
            "'@daily', schedule='@weekly'",
            "schedule and schedule_interval are the same; keep one of them",
        ),
        ("tags='weekly'", "the tags are 'weekly'; use a list of strings"),
        ("max_active_tasks='x'", "Airflow rejects the DAG ("),
        (
            "default_args={'retires': 3}",
            "default_args: no operator has an argument 'retires'; did you",
        ),
        (
            "default_args={'provide_context': 1}",
            "no operator has an argument 'provide_context'; ",
        ),
    ],
)
def test_mistake_in_the_arguments_of_a_dag_is_reported(
    arguments: str, expected: str, tree: Tree
) -> None:
    reported = tree.error(BOTH, arguments)
    assert f"InputError: {DAG_FILE}: " in reported
    assert expected in reported


def test_wrong_cron_expression_is_an_import_error(tree: Tree) -> None:
    reported = tree.error(f"{BOTH}dag = f.create_dag()", "'0 6 * * MNO'")
    assert "[0 6 * * mno] is not acceptable" in reported


@pytest.mark.parametrize(
    "dag_file",
    [
        "maxaidags/qsr/customer360/dag.py",
        "maxaidags/qsr/customer360/obj1/dag.py",
        "maxaidags/qsr/customer36O/obj0/dag.py",
        "maxaidags/qsr/customer360/obj0/more/dag.py",
        "dags/qsr/customer360/obj0/dag.py",
    ],
)
def test_dag_in_another_place_than_its_names_say(dag_file: str, tree: Tree) -> None:
    reported = tree.error(BOTH, dag_file=dag_file)
    assert (
        f"{dag_file}: is the DAG of qsr/customer360/obj0, but it is in another fol"
        in reported
    )
    assert (
        "move it to maxaidags/qsr/customer360/obj0/, or correct the names" in reported
    )


def test_config_task_that_the_dag_lacks(tree: Tree) -> None:
    reported = tree.error(FEATURES)
    assert (
        f"InputError: {CONFIGS}/obj0/py_config.json: $.score: {DAG_FILE} has no "
        in reported
    )


def test_config_task_that_no_config_launches(tree: Tree) -> None:
    tree.configs("end", spark=[spark_task(1, "features")], pods=[pod_task(1, "score")])
    reported = tree.error(BOTH + DUMMY)
    expected = f"{CONFIGS}/obj0/py_config.json: $.end: no launch config has a task 'en"
    assert expected in reported


def test_task_without_py_config(tree: Tree) -> None:
    tree.write(f"{CONFIGS}/obj0/py_config.json", {"features": TASK})
    tree.write(f"{CONFIGS}/obj1/py_config.json", {"score": TASK})
    reported = tree.error(BOTH)
    expected = f"{DAG_FILE}: task 'score' is not in {CONFIGS}/obj0/py_config.json; "
    assert expected in reported


def test_two_launches_of_one_task(tree: Tree) -> None:
    tree.configs(spark=[spark_task(1, "score")], pods=[pod_task(1, "score")])
    reported = tree.error(SCORE)
    assert (
        f"{CONFIGS}/kubepod_config.json: task 'score' is in {CONFIGS}/spark_"
        in reported
    )


@pytest.mark.parametrize(
    ("numbers", "right"), [((1, 2), True), ((2, 1), False), ((-1, 0), True)]
)
def test_ids_have_to_be_in_the_order_of_the_tasks(
    numbers: tuple[int, int], right: bool, tmp_path: Path
) -> None:
    tree = Tree(tmp_path)
    first, second = numbers
    tree.configs(pods=[pod_task(first, "a"), pod_task(second, "b")])
    lines = "f.add('b', 'KubernetesPodOperator', ['a'])\n"
    lines += "f.add('a', 'KubernetesPodOperator', ['root'])\n"
    if right:
        assert edges(tree.dag(lines)) == {"a": set(), "b": {"a"}}
    else:
        reported = tree.error(lines)
        assert (
            f"{DAG_FILE}: task 'b' (id 1) follows 'a' (id 2); number them in "
            in reported
        )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            {"imag_pull_policy": "Always"},
            "KubernetesPodOperator has no argument 'imag_",
        ),
        ({"imag_pull_policy": "Always"}, "did you mean image_pull_policy"),
        (
            {"spark_binary": "x"},
            "KubernetesPodOperator has no argument 'spark_binary'",
        ),
        ({"do_xcom_push": "true"}, ".do_xcom_push is 'true'; use true or false"),
        ({"startup_timeout_seconds": "9"}, "is '9'; use a whole number"),
        ({"startup_timeout_seconds": True}, "is True; use a whole number"),
        ({"namespace": 1}, ".namespace is 1; use a string"),
        ({"get_logs": None}, ".get_logs is null; use true or false"),
        (
            {"on_finish_action": "{{ ds }}"},
            ".on_finish_action is a template, but Airflow",
        ),
        (
            {"namespace": "{{ dss }}"},
            ".namespace: '{{ dss }}' has an unknown variable 'd",
        ),
        ({"namespace": "{{ dss }}"}, "did you mean ds"),
        (
            {"namespace": "{{ ds }"},
            ".namespace: '{{ ds }' is not a valid template (unexpected '}'",
        ),
        (
            {"namespace": "{ ds }}"},
            ".namespace: '{ ds }}' lacks a brace; begin a template",
        ),
        (
            {"namespace": "{{ ds | uper }}"},
            "is not a valid template (No filter named 'uper'.)",
        ),
        (
            {"labels": {"a": ["{{ dss }}"]}},
            ".labels.a[0]: '{{ dss }}' has an unknown var",
        ),
        ({"volumes": [{"nam": "v"}]}, ".volumes is wrong (Invalid value for `name`"),
        (
            {"volume_mounts": [{"name": "v", "mountPath": "/v", "readonly": True}]},
            ".volume_mounts is [{'name': 'v', 'mountPath': '/v', 'readonly': True}], with",
        ),
        ({"ports": "80"}, ".ports is wrong (Invalid value for `container_port`"),
        (
            {"tolerations": [{"operatr": "Exists"}]},
            ".tolerations is [{'operatr': 'Exists'}]",
        ),
        (
            {"affinity": {"nodeAffinty": {}}},
            ".affinity is {'nodeAffinty': {}}, with a key",
        ),
        (
            {"image_pull_secrets": "registry"},
            ".image_pull_secrets is 'registry', with a key that Kubernetes lacks",
        ),
        (
            {"on_finish_action": "delete"},
            "with arguments from maxaiconfigs/qsr/customer360/kubepod_config.json",
        ),
    ],
)
def test_mistake_in_the_arguments_of_a_config_is_reported_with_its_place(
    arguments: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    tree = Tree(tmp_path)
    tree.configs(pods=[pod_task(1, "score", **arguments)])
    reported = tree.error(SCORE)
    assert re.search(
        rf"{CONFIGS}/kubepod_config\.json[:,] \$\.tasks\[0\]\.conf", reported
    )
    assert expected in reported


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ dss }}", "has an unknown variable 'dss'; did you mean ds"),
        ("{{ execution_date }}", "has an unknown variable 'execution_date'; "),
        ("{{ ds }", "is not a valid template (unexpected '}')"),
    ],
)
def test_template_that_would_fail_is_reported_with_its_place(
    text: str, expected: str, tree: Tree
) -> None:
    task = {**TASK, "function": {"args": {"days": [text]}}}
    tree.write(f"{CONFIGS}/obj0/py_config.json", {"features": task, "score": TASK})
    reported = tree.error(BOTH)
    place = "$.features.function.args.days[0]: "
    assert f"InputError: {CONFIGS}/obj0/py_config.json: {place}" in reported
    assert expected in reported


@pytest.mark.parametrize(
    "text",
    [
        "{{ macros.ds_add(ds, -1) }}",
        "{{ params['n'] }}",
        '{{ params["n"] }}',
        "{{- ds -}} and {{ ts }}",
        "$HOME $$ $(HOME)",
        "{% if ti.try_number > 1 %}a{% endif %}",
        "{{ 'café' | upper }}",
        "a {b} c",
        '{"a": {"b": 1}}',
    ],
)
def test_right_template_and_plain_text_pass(text: str, tree: Tree) -> None:
    task = {**TASK, "function": {"args": {"text": text}}}
    tree.write(f"{CONFIGS}/obj0/py_config.json", {"features": task, "score": TASK})
    tree.dag(BOTH)


@pytest.mark.parametrize(
    "name", ["obj0/py_config.json", "spark_config.json", "kubepod_config.json"]
)
def test_one_wrong_letter_in_any_key_or_name_is_reported_with_file_and_path(
    name: str, tmp_path: Path
) -> None:
    tree = Tree(tmp_path)
    tree.configs(
        spark=[spark_task(1, "features", verbose=True, conf={"spark.ui.port": 1})],
        pods=[pod_task(1, "score", do_xcom_push=True, image_pull_policy="Always")],
        conf={"spark.eventLog.enabled": True},
    )
    tree.dag(BOTH)
    path = tmp_path / CONFIGS / name
    text = path.read_text()
    # What a handler's arguments are called, its own test knows.
    pattern = r'"([^"]+)": |"(?:file|csv|pandas|features|score)"|\btrue\b'
    places = [m for m in re.finditer(pattern, text) if m[1] != "as_of"]
    assert len(places) > 10
    for place in places:
        at = place.start() + 2
        path.write_text(f"{text[:at]}~{text[at + 1 :]}")
        reported = tree.error(BOTH)
        # Which of two files has the wrong name of a task, nobody can know.
        assert f"{CONFIGS}/" in reported, reported
        assert (
            "$" in reported
            or "is not valid JSON (" in reported
            or "is not in " in reported
        ), reported
