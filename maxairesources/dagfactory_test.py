import json
import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

# isort: off
# This module must be the first to import Airflow.
from maxairesources.testing.dags import check_dag, load_dags, mistakes_in

# isort: on
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kubernetes.client import ApiClient

from maxairesources.configs.objective import in_json, to_argument
from maxairesources.dags.operators import OPERATORS

# How long an example takes is a matter of the machine.
_SLOW = HealthCheck.too_slow
settings.register_profile("untimed", deadline=None, suppress_health_check=[_SLOW])
settings.load_profile("untimed")

IMAGE = "spark.kubernetes.container.image"
DETAILS = {"source": "file", "fileFormat": "csv", "filePath": "a.csv"}
PORT = {"port": 1, "type": "pandas", "sourceDetails": DETAILS}
TASK: dict[str, Any] = {
    "input": [PORT],
    "output": [],
    "function": {"args": {"as_of": "{{ ds }}"}},
}
DAG_FILE = "maxaidags/qsr/customer360/obj0/dag.py"
CONFIGS = "maxaiconfigs/qsr/customer360"

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


def spark_task(number: int, name: str, **arguments: Any) -> dict[str, Any]:
    arguments = {"application": f"local:///{name}.py", **arguments}
    return {"id": number, "name": name, "spark_submit_conf": arguments}


def pod_task(number: int, name: str, **arguments: Any) -> dict[str, Any]:
    arguments = {"image": "maxai/qsr", "arguments": [f"qsr.{name}"], **arguments}
    return {"id": number, "name": name, "conf": {"name": f"qsr-{name}", **arguments}}


class Tree:
    """A marketplace with one objective."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.deployment: str | None = None

    def write(self, name: str, content: Any) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def configs(
        self,
        *tasks: str,
        spark: list[dict[str, Any]] | None = None,
        pods: list[dict[str, Any]] | None = None,
        conf: dict[str, Any] | None = None,
    ) -> None:
        """Write the configs of an objective with these tasks."""
        names = [task["name"] for task in [*(spark or []), *(pods or [])]]
        py_config = {name: TASK for name in [*names, *tasks]}
        self.write(f"{CONFIGS}/obj0/py_config.json", py_config)
        if spark:
            common = {"conf": {IMAGE: "maxai/qsr", **(conf or {})}, "tasks": spark}
            self.write(f"{CONFIGS}/spark_config.json", common)
        if pods:
            self.write(f"{CONFIGS}/kubepod_config.json", {"tasks": pods})

    def bag(self, lines: str, arguments: str = "", dag_file: str = DAG_FILE) -> DagBag:
        """Return what Airflow loads from a dag.py with these lines."""
        text = (
            '"""Airflow DAG."""\n'
            "from maxairesources.dagfactory import DAGFactory\n"
            "f = DAGFactory('x', 'qsr', 'customer360', 'obj0'"
            f"{arguments and ', '}{arguments})\n"
        )
        path = self.write(dag_file, text + textwrap.dedent(lines))
        return load_dags(path, self.deployment)

    def dag(self, lines: str, arguments: str = "") -> Any:
        bag = self.bag(f"{textwrap.dedent(lines)}\ndag = f.create_dag()", arguments)
        assert not bag.import_errors, "\n".join(bag.import_errors.values())
        return bag.dags["x"]

    def error(self, lines: str, arguments: str = "", dag_file: str = DAG_FILE) -> str:
        bag = self.bag(f"{textwrap.dedent(lines)}\nf.create_dag()", arguments, dag_file)
        (error,) = bag.import_errors.values()
        return error.strip().splitlines()[-1]


@pytest.fixture(autouse=True)
def _no_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    # Python takes old bytecode for a file that is rewritten within a second.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path)
    tree.configs(spark=[spark_task(1, "features")], pods=[pod_task(1, "score")])
    return tree


FEATURES = "f.add('features', 'SparkSubmitOperator', ['root'])\n"
SCORE = "f.add('score', 'KubernetesPodOperator', ['root'])\n"
BOTH = FEATURES + SCORE


def edges(dag: Any) -> dict[str, set[str]]:
    """Return the ids of the tasks that each task follows."""
    return {task.task_id: set(task.upstream_task_ids) for task in dag.tasks}


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


def test_task_overrides_the_image_for_itself_alone(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    other = {IMAGE: "maxai/other"}
    tasks = [spark_task(1, "a"), spark_task(2, "b", conf=other), spark_task(3, "c")]
    tree.configs(spark=tasks, conf={"spark.executor.instances": 2})
    dag = tree.dag("for n in 'abc': f.add(n, 'SparkSubmitOperator', ['root'])")
    common = {IMAGE: "maxai/qsr", "spark.executor.instances": 2}
    confs = {task.task_id: task.conf for task in dag.tasks}
    assert confs == {"a": common, "b": {**common, **other}, "c": common}
    assert [*mistakes_in(dag)] == []


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


@given(value=st.text(), around=st.text().filter(lambda text: not {*"{}#%\0"} & {*text}))
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
    built = tree.dag(SCORE).get_task("score").build_pod_request_obj()
    pod = ApiClient().sanitize_for_serialization(built)
    assert pod["spec"]["volumes"] == volumes
    assert pod["spec"]["containers"][0]["volumeMounts"] == mounts


@pytest.mark.parametrize("paused", [True, False])
def test_in_a_deployment_its_record_says_what_holds(tree: Tree, paused: bool) -> None:
    tree.configs(pods=[pod_task(1, "a")])
    reported = {"deployment": "dev", "paused": paused}
    tree.write("maxaiconfigs/deployment.json", reported)
    # The overlays are already merged, and Airflow's environment does not matter.
    tree.deployment = "prod"
    line = "f.add(task_id='a', operator='KubernetesPodOperator', parent=['root'])"
    assert tree.dag(line).is_paused_upon_creation is paused
    # A DAG may know better.
    dag = tree.dag(line, f"is_paused_upon_creation={not paused}")
    assert dag.is_paused_upon_creation is not paused


def test_deployment_changes_the_conf(tree: Tree) -> None:
    overlay = {"conf": {"spark.executor.instances": 9}}
    tree.write(f"{CONFIGS}/spark_config.prod.json", overlay)
    assert tree.dag(BOTH).get_task("features").conf == {IMAGE: "maxai/qsr"}
    tree.deployment = "prod"
    conf = tree.dag(BOTH).get_task("features").conf
    assert conf == {IMAGE: "maxai/qsr", "spark.executor.instances": 9}
    tree.deployment = "pord"
    reported = tree.error(BOTH)
    assert (
        "MAXAI_DEPLOYMENT: no config has an overlay for a deployment 'pord'" in reported
    )
    assert "did you mean prod?" in reported


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
            "task 'a' has an unknown operator None; use one",
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
            "task 'score' is a DummyOperator, but maxaiconfigs/qsr/customer360/kubepod_co",
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
        ("schedule='@daily'", "Airflow rejects the DAG ("),
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


def test_config_task_that_no_operator_hands_on(tree: Tree) -> None:
    tree.configs("end", spark=[spark_task(1, "features")], pods=[pod_task(1, "score")])
    reported = tree.error(BOTH + DUMMY)
    assert (
        f"{CONFIGS}/obj0/py_config.json: $.end: no operator of {DAG_FILE} passes"
        in reported
    )


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
        ({"volumes": [{"nam": "v"}]}, ".volumes: Kubernetes rejects it ("),
        (
            {"volume_mounts": [{"name": "v", "mountPath": "/v", "readonly": True}]},
            ".volume_mounts: [{'name': 'v', 'mountPath': '/v', 'readonly': True}] has a",
        ),
        ({"ports": "80"}, ".ports: "),
        (
            {"tolerations": [{"operatr": "Exists"}]},
            ".tolerations: [{'operatr': 'Exists'}",
        ),
        ({"affinity": {"nodeAffinty": {}}}, ".affinity: {'nodeAffinty': {}} has a key"),
        ({"image_pull_secrets": "registry"}, ".image_pull_secrets: "),
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
