"""Tests of what DAGFactory makes of a dag.py and its configs."""

import json
from pathlib import Path
from typing import Any

# isort: off
# This module must be the first to import Airflow.
from maxairesources.dags.conftest import (
    BOTH,
    CONFIGS,
    DAG_FILE,
    DETAILS,
    IMAGE,
    PORT,
    SCORE,
    Objective,
    edges,
)
from maxairesources.testing.dags import load_dags

# isort: on
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import Asset
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kubernetes.client import ApiClient

from maxairesources.dagfactory import OPERATORS

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
SENSOR = """
from airflow.providers.standard.sensors.external_task import ExternalTaskSensor
wait = ExternalTaskSensor(task_id='wait', external_dag_id='qsr.x.y', dag=f.dag)
"""


def test_the_example_of_the_platform(tree: Objective) -> None:
    path = tree.write(DAG_FILE, EXAMPLE)
    # As it stands, it never says Airflow, and Airflow ignores such a file unless its
    # setting dag_discovery_safe_mode is off.
    assert load_dags(path).dags == {}
    bag = DagBag(path, safe_mode=False)
    assert not bag.import_errors
    dag: Any = bag.dags["qsr_customer360_obj0"]
    expected = {"start": set(), "features": {"start"}, "end": {"features"}}
    assert edges(dag) == expected
    types = [task.task_type for task in dag.tasks]
    assert types == ["EmptyOperator", "SparkSubmitOperator", "EmptyOperator"]
    assert {(task.owner, task.retries) for task in dag.tasks} == {("maxai", 1)}
    assert dag.tags == {"qsr", "customer360", "obj0"}
    assert dag.schedule is None


def test_the_arguments_of_a_dag_are_airflows(tree: Objective) -> None:
    dag = tree.dag(BOTH, "schedule_interval='0 6 * * MON', params={'n': 3}, tags=['a']")
    assert (dag.schedule, dag.params.dump()) == ("0 6 * * MON", {"n": 3})
    assert dag.tags == {"qsr", "customer360", "obj0", "a"}
    assert {task.owner for task in dag.tasks} == {"qsr"}
    assert tree.dag(BOTH, "schedule='@daily'").schedule == "@daily"
    asset = "[__import__('airflow.sdk').sdk.Asset('s3://lake/a')]"
    dag = tree.dag(BOTH, f"schedule_interval={asset}")
    assert "s3://lake/a" in str(dag.timetable.asset_condition)


def test_ports_are_assets_that_may_start_another_dag(tree: Objective) -> None:
    out = [{**PORT, "sourceDetails": {**DETAILS, "filePath": "qsr//{{ ds }} é.csv"}}]
    config = {"score": {"input": [PORT], "output": out, "function": {"args": {}}}}
    tree.write(f"{CONFIGS}/obj0/py_config.json", config)
    own = "outlets=[__import__('airflow.sdk').sdk.Asset('own')], expand={'cmds': [[]]}"
    dag = tree.dag(f"f.add('score', 'KubernetesPodOperator', ['root'], {own})")
    found = dag.get_task("score").partial_kwargs
    assert [asset.name for asset in found["inlets"]] == ["a.csv"]
    assert [asset.name for asset in found["outlets"]] == ["own", "qsr/{{ ds }} é.csv"]
    after = "schedule=__import__('maxairesources').dagfactory.after('{}')"
    dag = tree.dag("", after.format("qsr/customer360/obj0"))
    assert [*dag.schedule.objects] == [Asset("qsr/{{ ds }} é.csv")]
    mistake = tree.error("", after.format("qsr/customer360/obj1"))
    error = "no task of 'qsr/customer360/obj1' writes a table; did you mean"
    assert f"{DAG_FILE}: {error} qsr/customer360/obj0?" in mistake


def test_a_helper_module_may_create_the_factory(tree: Objective) -> None:
    tree.write(
        "maxaidags/qsr/customer360/standard_dag.py",
        "from maxairesources.dagfactory import DAGFactory\n"
        "class Standard(DAGFactory):\n"
        "    def __init__(self):\n"
        "        super().__init__(default_args={'retries': 2})\n",
    )
    lines = """
        import sys
        sys.path.insert(0, __file__.rpartition('/obj0')[0])
        from standard_dag import Standard
        f = Standard()
        f.add('score', 'KubernetesPodOperator', ['root'])
        """
    assert tree.dag(lines).get_task("score").retries == 2


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (3, 3),
        ("{{ ds }}", "2017-06-01"),
        ("0{{ params.seed }}", "07"),
        ("[{{ params.seed }}]", "[7]"),
        (" {{ ds }} \n", " 2017-06-01 \n"),
        ("'{{ ds }}'", "'2017-06-01'"),
        ("{{ '}}' }}{{ '{{' }}", "}}{{"),
        ("{# nothing #}a", "a"),
        ("{% raw %}Summarise {{ text }}{% endraw %}", "Summarise {{ text }}"),
        ('{% if run_id == "manual" %}full{% else %}delta{% endif %}', "full"),
        ("{% for d in [1, 2] %}{{ d }},{% endfor %}", "1,2,"),
        ({"{{ ds }}": ["{{ ds }}", None]}, {"2017-06-01": ["2017-06-01", None]}),
        ("{ not } }} a %} template $(HOME) $$", "{ not } }} a %} template $(HOME) $$"),
        ("None", "None"),
    ],
)
def test_a_handler_gets_the_rendered_config(
    text: Any, expected: Any, native: bool, tree: Objective
) -> None:
    tree.configs(
        {"score": {}}, {"features": {"application_args": ["-v"]}}, {}, {"a": text}
    )
    dag = tree.dag(BOTH, f"render_template_as_native_obj={native}")
    context = {"ds": "2017-06-01", "params": {"seed": 7}, "run_id": "manual"}
    for name, first, key in (
        ("features", ["-v"], "application_args"),
        ("score", ["qsr.score"], "arguments"),
    ):
        task = dag.get_task(name)
        task.render_template_fields(context, dag.get_template_env())
        *own, option, config, last, reported = getattr(task, key)
        assert (own, option, last, reported) == (first, "--config", "--task", name)
        # Kubernetes would replace $(NAME) and $$.
        assert isinstance(config, str) and "$" not in config
        assert json.loads(config)[name]["function"]["args"]["a"] == expected


# Jinja replaces \r with \n in the text of a template.
@settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=50,
)
@given(value=st.text(), around=st.text().filter(lambda text: not {*"{}#%\r"} & {*text}))
@example(value='a"b', around="\\$$(HOME)")
def test_a_rendered_value_cannot_change_the_config_around_it(
    tree: Objective, value: str, around: str
) -> None:
    tree.configs(args={"a": around + "{{ params['n'] }}", "b": [around]})
    dag = tree.dag(BOTH)
    task = dag.get_task("score")
    config = task.render_template(task.arguments[2], {"params": {"n": value}})
    args = json.loads(config)["score"]["function"]["args"]
    assert args == {"a": around + value, "b": [around]}


def test_arguments_of_a_launch_config(tree: Objective) -> None:
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "lake"}}]
    mounts = [{"name": "v", "mountPath": "/lake", "readOnly": True}]
    pods = {
        "score": {"volumes": volumes, "volume_mounts": mounts, "namespace": "own"},
        "b": {"execution_timeout": 90, "retry_delay": "PT1M30S"},
    }
    tree.configs(pods, {"features": {"conf": {"spark.ui.port": 1}}, "c": {}})
    path = tree.root / CONFIGS / "kubepod_config.json"
    config = {**json.loads(path.read_text()), "conf": {"namespace": "all"}}
    path.write_text(json.dumps(config))
    dag = tree.dag(
        BOTH + "f.add('b', 'KubernetesPodOperator', ['root'])\n"
        "f.add('c', 'SparkSubmitOperator', ['root'])"
    )
    score, b = dag.get_task("score"), dag.get_task("b")
    built = score.build_pod_request_obj(dry_run=True)
    pod = ApiClient().sanitize_for_serialization(built)
    assert pod["spec"]["volumes"] == volumes
    assert pod["spec"]["containers"][0]["volumeMounts"] == mounts
    assert (score.namespace, b.namespace) == ("own", "all")
    assert (b.execution_timeout.seconds, b.retry_delay.seconds) == (90, 90)
    own = {IMAGE: "maxai/qsr", "spark.ui.port": 1}
    assert own.items() <= dag.get_task("features").conf.items()
    assert "spark.ui.port" not in dag.get_task("c").conf


@pytest.mark.parametrize(
    "arguments",
    [
        {"in_cluster": False, "cluster_context": "gke_prod"},
        {"kubernetes_conn_id": "k8s_prod"},
        {"config_file": "/files/kube/config"},
        {"pool": "gpu", "trigger_rule": "all_done", "priority_weight": 3},
        {"env_vars": {"image": "x"}, "labels": {"image": "a_B.c", "empty": ""}},
        {"node_selector": {"pool": "spot"}, "tolerations": [{"operator": "Exists"}]},
        {
            "init_containers": [
                {"name": "first", "image": "maxai/qsr"},
                {"name": "sync", "image": f"ghcr.io/sync:v4@sha256:{'0' * 64}"},
            ],
            "env_from": [{"configMapRef": {"name": "settings"}}],
            "host_aliases": [{"ip": "10.0.0.1", "hostnames": ["db"]}],
        },
        {"full_pod_spec": {"spec": {"containers": [{"name": "base"}]}}},
    ],
)
def test_a_config_may_hold_what_airflow_and_kubernetes_accept(
    arguments: dict[str, Any], tree: Objective
) -> None:
    tree.configs({"score": arguments})
    assert tree.mistakes(BOTH) == ""


def test_pods_have_labels_and_keep_their_own(tree: Objective) -> None:
    names = {"domain": "qsr", "usecase": "customer360", "objective": "obj0"}
    given = {"labels": {"domain": "shop", "team": "a"}}
    spec = {"metadata": {"labels": {"task": "x"}}, "spec": {"containers": []}}
    key = "spark.kubernetes.executor.label.domain"
    long = f"{'x' * 62}.{'y' * 9}"
    tree.configs(
        {"score": given, "b": {"full_pod_spec": spec}, long: {}},
        {"features": {"conf": {key: "shop"}}},
    )
    lines = f"for n in 'b', {long!r}: f.add(n, 'KubernetesPodOperator', ['root'])\n"
    assert tree.mistakes(BOTH + lines) == ""
    dag = tree.dag(BOTH + lines)
    labels = {**names, "domain": "shop", "team": "a", "task": "score"}
    assert dag.get_task("score").labels == labels
    pod = dag.get_task("b").build_pod_request_obj(dry_run=True)
    assert pod.metadata.labels.items() >= {**names, "task": "x"}.items()
    assert dag.get_task(long).labels["task"] == "x" * 62
    expected = {
        f"spark.kubernetes.{part}.label.{name}": value
        for part in ("driver", "executor")
        for name, value in {**names, "task": "features"}.items()
    }
    conf = {IMAGE: "maxai/qsr", **expected, key: "shop"}
    assert dag.get_task("features").conf == conf


def test_a_domain_names_its_owners(tree: Objective) -> None:
    owners = {"@acme/shop": "https://chat.acme.example/shop", "a@b.c": "mailto:a@b.c"}
    file = "maxaiconfigs/qsr/domain.json"
    tree.write(file, {"owners": owners, "deprecated": {"x": "2027-03-01: use y"}})
    assert tree.mistakes(BOTH) == ""
    dag = tree.dag(BOTH)
    assert {task.owner for task in dag.tasks} == {"@acme/shop, a@b.c"}
    assert dag.owner_links == owners
    dag = tree.dag(BOTH, "default_args={'owner': 'me'}, owner_links={}")
    assert ({task.owner for task in dag.tasks}, dag.owner_links) == ({"me"}, {})
    for content, expected in (
        ({"owner": {}}, "$ has an unknown key 'owner'; did you mean owners?"),
        ({"owners": {"@acme/shop": "x"}}, "$.owners: 'x' is not a link; use one with"),
        ({"owners": {"acme": "https://x"}}, "$.owners: 'acme' is not an owner; use"),
        ({"owners": "@acme"}, "is not a JSON object, or a value in it is not; correct"),
        ({"deprecated": {"x": "soon"}}, "$.deprecated: 'x' has 'soon'; use a day and"),
        ({"deprecated": {"x": "2027-13-01: y"}}, "$.deprecated: 'x' has '2027-13-01: "),
    ):
        tree.write(file, content)
        assert tree.mistakes(BOTH).startswith(f"{file}: {expected}")
        # A test that imports the dag.py must not hide the mistake.
        assert tree.dag(BOTH)


def test_an_overlay_changes_one_task_by_its_name(tree: Objective) -> None:
    tree.configs({"a": {"namespace": "x"}, "b": {}}, {})
    patch = {"name": "a", "conf": {"namespace": None, "labels": {"size": "big"}}}
    # An overlay may add the common conf.
    common = {"conf": {"priority_weight": 2}}
    tree.write(f"{CONFIGS}/kubepod_config.prod.json", {"tasks": [patch], **common})
    lines = "for n in 'ab': f.add(n, 'KubernetesPodOperator', ['root'])"
    assert tree.mistakes(lines) == ""
    tree.deployment = "prod"
    found = {
        t.task_id: (t.namespace, t.labels.get("size")) for t in tree.dag(lines).tasks
    }
    assert found == {"a": (None, "big"), "b": (None, None)}
    assert {task.priority_weight for task in tree.dag(lines).tasks} == {2}


def test_every_operator_can_be_added(tree: Objective) -> None:
    dag = tree.dag("""
        from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
        class Own(KubernetesPodOperator):
            pass
        f.add('bash', 'BashOperator', ['root'], bash_command='echo {{ ds }}')
        f.add('branch', 'BranchPythonOperator', ['bash'], python_callable=lambda: 'dummy')
        f.add('dummy', 'DummyOperator', ['branch'])
        f.add('score', Own, ['branch'])
        f.add('other', Own, ['score'], image='busybox', name='other')
        f.add('sql', 'PostgresOperator', ['score'], sql='select 1')
        f.add('old', 'PostgresOperator', ['sql'], sql='x', postgres_conn_id='shop')
        f.add('query', 'SQLExecuteQueryOperator', ['sql'], sql='x', conn_id='new')
        f.add('python', 'PythonOperator', ['sql', 'dummy'], python_callable=print,
              trigger_rule='none_failed_min_one_success')
        f.add('check', 'ShortCircuitOperator', ['python'], python_callable=lambda: True)
        f.add('features', 'SparkSubmitOperator', ['check'])
        """)
    classes = {path.rpartition(":")[2] for path in OPERATORS.values()}
    own = {"KubernetesPodOperator": "Own"}
    assert {t.task_type for t in dag.tasks} == {own.get(c, c) for c in classes}
    connections = [dag.get_task(name).conn_id for name in ("sql", "old", "query")]
    assert connections == ["postgres_default", "shop", "new"]
    assert dag.get_task("python").trigger_rule == "none_failed_min_one_success"
    assert edges(dag)["python"] == {"sql", "dummy"}
    assert dag.get_task("score").image == "maxai/qsr"
    assert dag.get_task("other").image == "busybox"


def test_tasks_are_mapped_as_in_airflow(tree: Objective) -> None:
    dag = tree.dag("""
        from airflow.sdk import task_group
        f.add('features', 'SparkSubmitOperator', ['root'])
        f.add('each', 'BashOperator', ['root'], expand={'bash_command': ['a', 'b']})

        @task_group(group_id='per_shop')
        def per_shop(shop):
            f.add('score', 'KubernetesPodOperator', ['root'], env_vars={'SHOP': shop})
            f.add('last', 'DummyOperator', ['score'])

        with f.dag:
            per_shop.expand(shop=['eu', 'us'])
        """)
    assert dag.get_task("each").expand_input.value == {"bash_command": ["a", "b"]}
    assert edges(dag)["per_shop.last"] == {"per_shop.score"}


def test_a_task_without_the_factory_a_group_and_own_edges(tree: Objective) -> None:
    tree.configs({"score": {"do_xcom_push": True}, "last": {}}, {})
    lines = f"""{SENSOR}
from airflow.sdk import TaskGroup
group = TaskGroup('models', dag=f.dag)
score = f.add('score', 'KubernetesPodOperator', ['wait'])
f.add('last', 'KubernetesPodOperator', ['score'], env_vars={{'MODEL': score.output}})
a = f.add('a', 'DummyOperator', ['last'], task_group=group, on_failure_callback=print)
f.add('b', 'DummyOperator', ['a'], task_group=group)
b = f.add('c', 'DummyOperator', ['root'])
a >> b
"""
    arguments = "default_args={'retries': 2, 'poke_interval': 120}"
    assert tree.mistakes(lines, arguments) == ""
    dag = tree.dag(lines, arguments)
    assert (dag.get_task("wait").retries, dag.get_task("wait").owner) == (2, "qsr")
    assert edges(dag)["score"] == {"wait"} and edges(dag)["last"] == {"score"}
    assert edges(dag)["models.b"] == edges(dag)["c"] == {"models.a"}
    assert dag.get_task("models.a").on_failure_callback == [print]


def test_an_objective_without_a_handler_needs_no_config(tmp_path: Path) -> None:
    tree = Objective(tmp_path)
    tree.configs({}, {})
    (tree.root / f"{CONFIGS}/obj0/py_config.json").unlink()
    lines = "f.add('load', 'PostgresOperator', ['root'], sql='select 1')"
    assert tree.mistakes(lines) == ""
    tree.write(f"{CONFIGS}/obj0/py_config.json", {})
    assert tree.mistakes(lines) == ""
    expected = f"'score': is not in {CONFIGS}/kubepod_config.json; add it there"
    assert expected in tree.error(SCORE)
