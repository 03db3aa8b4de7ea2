import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

# isort: off
# These modules must be the first to import Airflow.
from maxairesources.testing.dags import check_dag, load_dags
from maxairesources.testing.small_objective import (
    BOTH,
    CONFIGS,
    DAG_FILE,
    FEATURES,
    IMAGE,
    SCORE,
    TASK,
    Tree,
    edges,
    pod_task,
    spark_task,
)

# isort: on
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kubernetes.client import ApiClient

from maxairesources.configs.objective import in_json, to_argument
from maxairesources.dags.check import mistakes_in
from maxairesources.dags.operators import OPERATORS

# How long an example takes is a matter of the machine.
_SLOW = HealthCheck.too_slow
settings.register_profile("untimed", deadline=None, suppress_health_check=[_SLOW])
settings.load_profile("untimed")

# What the platform's documentation describes, with its calls: a dummy start, a Spark task
# and a dummy end.
EXAMPLE = """\
from datetime import timedelta

from maxairesources.dagfactory import DAGFactory

default_args = {
    "owner": "maxai",
    "retries": 1,
    "retry_delay": timedelta(minutes=5),
}

dag_factory = DAGFactory(
    dag_id="qsr_customer360_obj0",
    domain_name="qsr",
    usecase="customer360",
    obj="obj0",
    schedule_interval=None,
    default_args=default_args,
)

dag_factory.add(task_id="start", operator="DummyOperator", parent=["root"])
dag_factory.add(task_id="features", operator="SparkSubmitOperator", parent=["start"])
dag_factory.add(task_id="end", operator="DummyOperator", parent=["features"])

dag = dag_factory.create_dag()
"""


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path)
    tree.configs(spark=[spark_task(1, "features")], pods=[pod_task(1, "score")])
    return tree


def arguments_of(task: Any) -> list[str]:
    """Return what a task hands to its handler."""
    given = getattr(task, "application_args", None)
    return list(task.arguments if given is None else given)


def test_example_of_the_platform(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    tree.configs(spark=[spark_task(1, "features")])
    path = tree.write(DAG_FILE, EXAMPLE)
    # As it stands, it never says Airflow, and Airflow passes over such a file unless its
    # setting dag_discovery_safe_mode is off.
    assert load_dags(path).dags == {}
    for bag in (
        DagBag(path, safe_mode=False),
        load_dags(tree.write(DAG_FILE, f"# Airflow\n{EXAMPLE}")),
    ):
        assert not bag.import_errors
        dag = bag.dags["qsr_customer360_obj0"]
        assert edges(dag) == {
            "start": set(),
            "features": {"start"},
            "end": {"features"},
        }
        types = [task.task_type for task in dag.tasks]
        assert types == ["EmptyOperator", "SparkSubmitOperator", "EmptyOperator"]
        assert {(task.owner, task.retries) for task in dag.tasks} == {("maxai", 1)}
        assert dag.tags == {"qsr", "customer360", "obj0"}
        assert dag.schedule is None


def test_py_config_reaches_both_kinds_of_task_and_is_rendered(tree: Tree) -> None:
    dag = tree.dag(BOTH)
    for name, first in (("features", []), ("score", ["qsr.score"])):
        task = dag.get_task(name)
        *own, option, config, task_option, reported = arguments_of(task)
        assert (own, option, task_option, reported) == (
            first,
            "--config",
            "--task",
            name,
        )
        assert "application_args" in task.template_fields or name == "score"
        assert "arguments" in task.template_fields or name == "features"
        rendered = task.render_template(config, {"ds": "2017-06-01"})
        done = {**TASK, "function": {"args": {"as_of": "2017-06-01"}}}
        assert json.loads(rendered) == {"features": done, "score": done}


# Jinja replaces \r with \n in the text of a template.
@given(
    value=st.text(), around=st.text().filter(lambda text: not {*"{}#%\0\r"} & {*text})
)
@example(value='a"b', around="\\$$(HOME)")
@example(value="$(HOME) $$", around="")
def test_rendered_value_cannot_change_the_config_around_it(
    value: str, around: str
) -> None:
    argument = to_argument({"a": around + "{{ params['n'] }}", "b": [around]})
    environment = DAG("d", user_defined_filters={"in_json": in_json}).get_template_env()
    rendered = environment.from_string(argument).render(params={"n": value})
    # Kubernetes would replace $(NAME) and $$.
    assert "$" not in rendered
    assert json.loads(rendered) == {"a": around + value, "b": [around]}


def test_own_arguments_of_a_handler_stay_first(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    tree.configs(spark=[spark_task(1, "features", application_args=["--fast"])])
    task = tree.dag(FEATURES).get_task("features")
    assert arguments_of(task)[:2] == ["--fast", "--config"]


def test_volumes_of_a_config_become_those_of_the_pod(tmp_path: Path) -> None:
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "lake"}}]
    mounts = [{"name": "v", "mountPath": "/lake", "readOnly": True}]
    tree = Tree(tmp_path)
    tree.configs(pods=[pod_task(1, "score", volumes=volumes, volume_mounts=mounts)])
    built = tree.dag(SCORE).get_task("score").build_pod_request_obj(dry_run=True)
    pod = ApiClient().sanitize_for_serialization(built)
    assert pod["spec"]["volumes"] == volumes
    assert pod["spec"]["containers"][0]["volumeMounts"] == mounts


def test_a_dag_is_checked_with_the_overlays_of_all_deployments(tree: Tree) -> None:
    lines = "f = DAGFactory('qsr.customer360.obj0', 'qsr', 'customer360', 'obj0')\n"
    tree.bag(f"{lines}{BOTH}dag = f.create_dag()")
    test = str(tree.root / DAG_FILE.replace("dag.py", "dag_test.py"))
    # An overlay of another usecase does not affect this DAG.
    tree.write("maxaiconfigs/qsr/other/spark_config.prod.json", "{")
    tree.write(f"{CONFIGS}/spark_config.dev.json", {})
    check_dag(test)
    tree.write(f"{CONFIGS}/spark_config.staging_2.json", {"conf": None})
    with pytest.raises(AssertionError, match="spark_config.staging_2.json"):
        check_dag(test)
    (tree.root / f"{CONFIGS}/spark_config.staging_2.json").unlink()
    tree.write(f"{CONFIGS}/obj0/py_config.prod.json", "{")
    with pytest.raises(AssertionError, match="py_config.prod.json"):
        check_dag(test)


def test_a_missing_provider_is_named(tree: Tree) -> None:
    tree.bag("import airflow.providers.dbt.cloud.operators.dbt")
    test = str(tree.root / DAG_FILE.replace("dag.py", "dag_test.py"))
    with pytest.raises(AssertionError) as error:
        check_dag(test)
    assert str(error.value).endswith(
        "Airflow's provider dbt is missing: add its package, such as "
        "apache-airflow-providers-dbt, to 3rdparty/python/airflow.txt, and run ./pants lock "
        "airflow"
    )


def test_every_operator_can_be_added(tree: Tree) -> None:
    lines = """
    f.add('bash', 'BashOperator', ['root'], bash_command='echo {{ ds }}')
    f.add('branch', 'BranchPythonOperator', ['bash'], python_callable=lambda: 'dummy')
    f.add('dummy', 'DummyOperator', ['branch'])
    f.add('score', 'KubernetesPodOperator', ['branch'])
    f.add('sql', 'PostgresOperator', ['score'], sql='select 1')
    f.add('python', 'PythonOperator', ['sql', 'dummy'], python_callable=print,
          trigger_rule='none_failed_min_one_success')
    f.add('check', 'ShortCircuitOperator', ['python'], python_callable=lambda: True)
    f.add('features', 'SparkSubmitOperator', ['check'])
    """
    dag = tree.dag(lines)
    added = {task.task_id: task.task_type for task in dag.tasks}
    classes = {path.rpartition(":")[2] for path in OPERATORS.values()}
    assert {*added.values()} == classes
    assert dag.get_task("sql").conn_id == "postgres_default"
    assert dag.get_task("python").trigger_rule == "none_failed_min_one_success"
    assert edges(dag)["python"] == {"sql", "dummy"}
    assert {task.owner for task in dag.tasks} == {"qsr"}


def test_postgres_operator_keeps_its_old_argument(tree: Tree) -> None:
    lines = "f.add('s', 'PostgresOperator', ['root'], sql='x', postgres_conn_id='shop')"
    assert tree.dag(BOTH + lines).get_task("s").conn_id == "shop"


def test_expand_maps_a_task_over_a_list(tree: Tree) -> None:
    lines = """
    f.add('each', 'BashOperator', ['root'], expand={'bash_command': ['a', 'b']})
    f.add('last', 'DummyOperator', ['each'])
    """
    dag = tree.dag(BOTH + textwrap.dedent(lines))
    task = dag.get_task("each")
    assert task.is_mapped
    assert task.expand_input.value == {"bash_command": ["a", "b"]}
    assert edges(dag)["last"] == {"each"}


def test_expand_maps_a_configured_task(tree: Tree) -> None:
    lines = """
    f.add('score', 'KubernetesPodOperator', ['root'],
          expand={'env_vars': [{'SHOP': '1'}, {'SHOP': '2'}]})
    """
    task = tree.dag(FEATURES + textwrap.dedent(lines)).get_task("score")
    assert task.is_mapped
    assert task.partial_kwargs["arguments"][-2:] == ["--task", "score"]


def test_each_pod_of_a_mapped_task_is_checked(tree: Tree) -> None:
    lines = """
    f.add('score', 'KubernetesPodOperator', ['root'],
          expand={'container_resources': [{}, {'limits': {'memory': '1 Gi'}}]})
    """
    (mistake,) = mistakes_in(tree.dag(FEATURES + textwrap.dedent(lines)))
    assert (
        mistake
        == "task score: the pod's resources.limits.memory: '1 Gi' contains a space"
    )


def test_task_group_callbacks_and_own_edges_are_airflows(tree: Tree) -> None:
    lines = """
    from airflow.sdk import TaskGroup
    group = TaskGroup('models', dag=f.dag)
    a = f.add('a', 'DummyOperator', ['root'], task_group=group)
    f.add('b', 'DummyOperator', ['a'], task_group=group, on_failure_callback=print)
    c = f.add('c', 'DummyOperator', ['root'])
    a >> c
    """
    dag = tree.dag(BOTH + textwrap.dedent(lines), "on_success_callback=print")
    assert edges(dag)["models.b"] == {"models.a"}
    assert edges(dag)["c"] == {"models.a"}
    assert dag.get_task("models.b").on_failure_callback == [print]
    assert dag.on_success_callback == [print] or dag.on_success_callback is print


def test_schedule_is_the_one_of_airflow(tree: Tree) -> None:
    assert tree.dag(BOTH, "'0 6 * * MON'").schedule == "0 6 * * MON"
    asset = "[__import__('airflow.sdk').sdk.Asset('s3://lake/a')]"
    dag = tree.dag(BOTH, f"schedule_interval={asset}")
    assert "s3://lake/a" in str(dag.timetable.asset_condition)


def test_params_are_airflows(tree: Tree) -> None:
    lines = "f.add('b', 'BashOperator', ['root'], bash_command='{{ params.n }}')"
    dag = tree.dag(BOTH + lines, "params={'n': 3}, tags=['weekly'], catchup=False")
    assert dag.params.dump() == {"n": 3}
    assert dag.tags == {"qsr", "customer360", "obj0", "weekly"}


def has_cycle(parents: dict[str, list[str]]) -> bool:
    """Return whether taking away tasks without parents, again and again, leaves some."""
    left = {name: {*known} - {"root"} for name, known in parents.items()}
    while first := {name for name, known in left.items() if not known}:
        left = {n: known - first for n, known in left.items() if n not in first}
    return bool(left)


@st.composite
def graphs(draw: Callable[..., Any]) -> dict[str, list[str]]:
    names = [f"t{number}" for number in range(draw(st.integers(1, 5)))]
    parent = st.sampled_from([*names, "root", "root", "lost"])
    lists = st.lists(parent, min_size=1, max_size=3, unique=True)
    return {name: draw(lists) for name in names}


@settings(
    max_examples=150,
    suppress_health_check=[_SLOW, HealthCheck.function_scoped_fixture],
)
@given(graphs())
def test_graph_is_made_just_when_it_is_one(
    tree: Tree, parents: dict[str, list[str]]
) -> None:
    lines = BOTH + "".join(
        f"f.add({name!r}, 'DummyOperator', {known!r})\n"
        for name, known in parents.items()
    )
    if any("lost" in known for known in parents.values()):
        assert "has an unknown parent 'lost'; use one of: " in tree.error(lines)
    elif has_cycle(parents):
        assert "the tasks form a cycle: " in tree.error(lines)
    else:
        made = edges(tree.dag(lines))
        expected = {name: {*known} - {"root"} for name, known in parents.items()}
        assert made == {"features": set(), "score": set(), **expected}
