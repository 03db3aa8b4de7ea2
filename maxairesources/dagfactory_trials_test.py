"""Tests of DAGs and configs as teams write them, with all that Airflow offers."""

import json
from pathlib import Path
from typing import Any

# isort: off
# This module must be the first to import Airflow.
from maxairesources.testing.small_objective import (
    BOTH,
    CONFIGS,
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
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from maxairesources.configs.objective import in_json
from maxairesources.dags.check import mistakes_in

SENSOR = """
from airflow.providers.standard.sensors.external_task import ExternalTaskSensor
wait = ExternalTaskSensor(task_id='wait', external_dag_id='qsr.x.y', dag=f.dag)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def check(dag: Any) -> None:
    """Assert that Airflow can store a DAG, and that its pods are valid."""
    DagSerialization.from_dict(DagSerialization.to_dict(dag))
    assert [*mistakes_in(dag)] == []


def with_argument(tree: Tree, value: Any) -> None:
    task = {**TASK, "function": {"args": {"value": value}}}
    tree.configs(pods=[pod_task(1, "score")])
    tree.write(f"{CONFIGS}/obj0/py_config.json", {"score": task})


def rendered(tree: Tree, arguments: str = "", **context: Any) -> Any:
    """Return the argument that the handler of the task `score` gets."""
    dag = tree.dag(SCORE, arguments)
    task = dag.get_task("score")
    task.render_template_fields({"params": {}, **context}, dag.get_template_env())
    config = task.arguments[task.arguments.index("--config") + 1]
    assert isinstance(config, str)
    return json.loads(config)["score"]["function"]["args"]["value"]


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (3, 3),
        ("{{ ds }}", "2017-06-01"),
        ("{{ params.seed }}", "7"),
        ("{{ params.seed }}0", "70"),
        ("0{{ params.seed }}", "07"),
        ("[{{ params.seed }}]", "[7]"),
        ('{{ params["seed"] }}', "7"),
        (" {{ ds }} ", " 2017-06-01 "),
        ("'{{ ds }}'", "'2017-06-01'"),
        ("{{ '}}' }}{{ '{{' }}", "}}{{"),
        ("{# nothing #}a", "a"),
        ("{{- ds -}} b", "2017-06-01b"),
        ("{% raw %}Summarise {{ text }}{% endraw %}", "Summarise {{ text }}"),
        ('{% if run_id == "manual" %}full{% else %}delta{% endif %}', "full"),
        ("{% for d in [1, 2] %}{{ d }},{% endfor %}", "1,2,"),
        ("{% set x = 'a\"b' %}{{ x }}", 'a"b'),
        ({"{{ ds }}": ["{{ ds }}", None]}, {"2017-06-01": ["2017-06-01", None]}),
        ("{ not } }} a %} template", "{ not } }} a %} template"),
        ("None", "None"),
    ],
)
def test_a_template_becomes_what_airflow_would_make_of_it(
    given: Any, expected: Any, native: bool, tree: Tree
) -> None:
    with_argument(tree, given)
    arguments = f"render_template_as_native_obj={native}"
    context = {"ds": "2017-06-01", "params": {"seed": 7}, "run_id": "manual"}
    assert rendered(tree, arguments, **context) == expected
    tree.configs(spark=[spark_task(1, "features")])
    task = tree.dag(FEATURES, arguments).get_task("features")
    task.render_template_fields(context, task.dag.get_template_env())
    assert all(isinstance(each, str) for each in task.application_args)


def test_the_filter_of_arguments_works_in_any_environment() -> None:
    for native in (False, True):
        dag = DAG(
            "d",
            user_defined_filters={"in_json": in_json},
            render_template_as_native_obj=native,
        )
        template = " {% filter in_json %}|{{ n }}{% endfilter %}"
        text = dag.get_template_env().from_string(template).render(n='1"')
        assert text == ' 1\\"'


@pytest.mark.parametrize(
    "arguments",
    [
        {"in_cluster": True},
        {"in_cluster": False, "cluster_context": "gke_prod"},
        {"kubernetes_conn_id": "k8s_prod"},
        {"config_file": "/files/kube/config"},
        {"cluster_context": "gke_prod"},
        {"execution_timeout": 3600, "retries": 2, "retry_delay": "PT5M"},
        {"pool": "gpu", "trigger_rule": "all_done", "priority_weight": 3},
        {"env_vars": {"GOOGLE_APPLICATION_CREDENTIALS": "/var/secrets/key.json"}},
        {"labels": {"team": "a_B.c", "empty": ""}, "annotations": {"any": "thing!"}},
        {"node_selector": {"pool": "spot"}, "tolerations": [{"operator": "Exists"}]},
        {
            "init_containers": [{"name": "first", "image": "maxai/qsr"}],
            "env_from": [{"configMapRef": {"name": "settings"}}],
            "host_aliases": [{"ip": "10.0.0.1", "hostnames": ["db"]}],
        },
        {
            "full_pod_spec": {
                "metadata": {"labels": {"team": "shop"}},
                "spec": {
                    "containers": [{"name": "base"}],
                    "topologySpreadConstraints": [
                        {
                            "maxSkew": 1,
                            "topologyKey": "zone",
                            "whenUnsatisfiable": "ScheduleAnyway",
                        }
                    ],
                },
            }
        },
    ],
)
def test_a_config_may_hold_what_airflow_and_kubernetes_accept(
    arguments: dict[str, Any], tree: Tree
) -> None:
    tree.configs(pods=[pod_task(1, "score", **arguments)])
    check(tree.dag(SCORE))


@pytest.mark.parametrize(
    ("value", "seconds"), [(90, 90), (1.5, 1.5), ("PT1M30S", 90), ("P1D", 86400)]
)
def test_durations_are_seconds_or_iso_8601(
    value: Any, seconds: float, tree: Tree
) -> None:
    tree.configs(spark=[spark_task(1, "features", execution_timeout=value)])
    task = tree.dag(FEATURES).get_task("features")
    assert task.execution_timeout.total_seconds() == seconds


def test_common_arguments_of_pods_are_merged_under_those_of_each_task(
    tree: Tree,
) -> None:
    a, b = pod_task(1, "a", namespace="own"), pod_task(2, "b")
    del b["conf"]["image"]
    tree.configs(pods=[a, b])
    common = {"image": "maxai/qsr", "namespace": "shared"}
    tree.write(f"{CONFIGS}/kubepod_config.json", {"conf": common, "tasks": [a, b]})
    dag = tree.dag("for n in 'ab': f.add(n, 'KubernetesPodOperator', ['root'])")
    found = {task.task_id: (task.image, task.namespace) for task in dag.tasks}
    assert found == {"a": ("maxai/qsr", "own"), "b": ("maxai/qsr", "shared")}


def test_an_overlay_changes_one_task_by_its_name(tree: Tree) -> None:
    tree.configs(pods=[pod_task(1, "a", namespace="x"), pod_task(2, "b")])
    patch = {"name": "a", "conf": {"namespace": None, "labels": {"size": "big"}}}
    tree.write(f"{CONFIGS}/kubepod_config.prod.json", {"tasks": [patch]})
    tree.deployment = "prod"
    dag = tree.dag("for n in 'ab': f.add(n, 'KubernetesPodOperator', ['root'])")
    found = {task.task_id: (task.namespace, task.labels) for task in dag.tasks}
    assert found == {"a": (None, {"size": "big"}), "b": (None, {})}


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ([{"name": "scroe"}], "$.tasks[0].name is 'scroe', which is not the name of a"),
        ([{"name": "scroe"}], "task in kubepod_config.json; did you mean score?"),
        ([{"conf": {}}], "$.tasks[0].name is missing in kubepod_config.json; add the"),
        (["score"], "$.tasks[0].name is missing in kubepod_config.json; add the"),
        (
            [{"name": "score", "conf": {"namespaces": None}}],
            "$.tasks[0].conf.namespaces is missing in kubepod_config.json; use one of",
        ),
    ],
)
def test_a_mistake_in_an_overlay_of_a_task(
    tasks: Any, expected: str, tree: Tree
) -> None:
    tree.configs(pods=[pod_task(1, "score")])
    tree.write(f"{CONFIGS}/kubepod_config.prod.json", {"tasks": tasks})
    tree.deployment = "prod"
    reported = tree.error(SCORE)
    assert f"{CONFIGS}/kubepod_config.prod.json: " in reported
    assert expected in reported


@pytest.mark.parametrize(
    "argument",
    [
        "env_vars={'MODEL': train.output}",
        "env_vars=train.output",
        "arguments=train.output",
        "labels={'a': train.output['x']}",
    ],
)
def test_a_value_that_is_known_at_run_time_is_not_checked(
    argument: str, tree: Tree
) -> None:
    tree.configs(pods=[pod_task(1, "train", do_xcom_push=True), pod_task(2, "score")])
    lines = "train = f.add('train', 'KubernetesPodOperator', ['root'])\n"
    if argument.startswith("arguments"):
        reported = tree.error(
            f"{lines}f.add('score', 'KubernetesPodOperator', ['train'], {argument})"
        )
        assert "arguments passes the config to the handler; set it in " in reported
        return
    dag = tree.dag(
        f"{lines}f.add('score', 'KubernetesPodOperator', ['train'], {argument})"
    )
    check(dag)
    assert edges(dag)["score"] == {"train"}


def test_tasks_in_a_mapped_task_group(tree: Tree) -> None:
    tree.configs(pods=[pod_task(1, "prep"), pod_task(2, "train")])
    dag = tree.dag("""
        from airflow.sdk import task_group

        @task_group(group_id='per_shop')
        def per_shop(shop):
            env = {'SHOP': shop}
            f.add('prep', 'KubernetesPodOperator', ['root'], env_vars=env)
            f.add('train', 'KubernetesPodOperator', ['prep'], env_vars=env)

        with f.dag:
            per_shop.expand(shop=['eu', 'us'])
        """)
    check(dag)
    assert edges(dag)["per_shop.train"] == {"per_shop.prep"}


def test_a_task_cannot_be_mapped_over_its_arguments(tree: Tree) -> None:
    tree.configs(pods=[pod_task(1, "score")])
    lines = (
        "f.add('score', 'KubernetesPodOperator', ['root'], expand={'arguments': []})"
    )
    assert "or use env_vars to map a task" in tree.error(lines)


def test_an_operator_that_was_made_without_the_factory(tree: Tree) -> None:
    tree.configs(pods=[pod_task(1, "score"), pod_task(2, "last")])
    dag = tree.dag(
        f"""{SENSOR}
from airflow.sdk import task

@task(dag=f.dag)
def count():
    return 1

count()
f.add('score', 'KubernetesPodOperator', ['wait', 'count'])
score = f.add('last', 'KubernetesPodOperator', ['root'])
wait >> score
""",
        "default_args={'retries': 2, 'poke_interval': 120, 'mode': 'reschedule'}",
    )
    check(dag)
    wait = dag.get_task("wait")
    assert (wait.retries, wait.mode, wait.owner) == (2, "reschedule", "qsr")
    assert edges(dag)["score"] == {"wait", "count"}
    assert edges(dag)["last"] == {"wait"}
    misspelt = f"{SENSOR}\nf.add('score', 'KubernetesPodOperator', ['wiat'])"
    assert "unknown parent 'wiat'; did you mean wait?" in tree.error(misspelt)


def test_the_class_of_an_operator(tree: Tree) -> None:
    tree.configs(pods=[pod_task(1, "score"), pod_task(2, "own")])
    dag = tree.dag("""
        from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
        from airflow.providers.standard.sensors.time_delta import TimeDeltaSensor
        from datetime import timedelta

        class Own(KubernetesPodOperator):
            pass

        f.add('wait', TimeDeltaSensor, ['root'], delta=timedelta(hours=1))
        f.add('score', KubernetesPodOperator, ['wait'])
        f.add('own', Own, ['score'])
        f.add('other', Own, ['own'], image='busybox', name='other')
        f.add('today', 'EmptyOperator', ['own'])
        f.add('sql', 'SQLExecuteQueryOperator', ['own'], sql='select 1', conn_id='x')
        """)
    check(dag)
    assert dag.get_task("own").image == "maxai/qsr"
    assert dag.get_task("own").arguments[-2:] == ["--task", "own"]
    assert dag.get_task("other").image == "busybox"
    assert dag.get_task("sql").conn_id == "x"


@pytest.mark.parametrize("operator", ["Sensor", "3", "DAGFactory", "f.dag"])
def test_what_is_not_an_operator(operator: str, tree: Tree) -> None:
    tree.configs(pods=[pod_task(1, "score")])
    shown = repr(operator) if operator == "Sensor" else operator
    reported = tree.error(f"f.add('a', {shown}, ['root'])")
    assert "task 'a' has an unknown operator " in reported


def test_an_objective_without_a_handler_needs_no_config(tree: Tree) -> None:
    lines = "f.add('load', 'PostgresOperator', ['root'], sql='select 1')"
    check(tree.dag(lines))
    tree.write(f"{CONFIGS}/obj0/py_config.json", {})
    check(tree.dag(lines))
    reported = tree.error(SCORE)
    assert f"'score' is not in {CONFIGS}/kubepod_config.json; add it there" in reported
    (tree.root / f"{CONFIGS}/obj0/py_config.json").unlink()
    launch = {"tasks": [pod_task(1, "score")]}
    tree.write(f"{CONFIGS}/kubepod_config.json", launch)
    reported = tree.error(SCORE)
    assert f"'score' is not in {CONFIGS}/obj0/py_config.json; add it there" in reported


def test_schedule_is_another_name_of_schedule_interval(tree: Tree) -> None:
    tree.configs(pods=[pod_task(1, "score")])
    assert tree.dag(SCORE, "schedule='@daily'").schedule == "@daily"


@pytest.mark.parametrize(
    ("variable", "remedy"),
    [
        ("conf", "dag_run.conf"),
        ("execution_date", "logical_date"),
        ("next_ds", "data_interval_end | ds"),
        ("next_execution_date", "data_interval_end"),
        ("yesterday_ds", "macros.ds_add(ds, -1)"),
    ],
)
def test_variables_of_airflow_2_are_answered_with_those_of_airflow_3(
    variable: str, remedy: str, tree: Tree
) -> None:
    with_argument(tree, f"{{{{ {variable} }}}}")
    reported = tree.error(SCORE)
    place = f"{CONFIGS}/obj0/py_config.json: $.score.function.args.value: "
    assert f"{place}'{{{{ {variable} }}}}' has an unknown variable" in reported
    assert f"; Airflow 3 has {remedy} instead" in reported


def test_the_remedies_are_valid_templates(tree: Tree) -> None:
    from maxairesources.dags.operators import _OF_AIRFLOW_2

    for remedy in _OF_AIRFLOW_2.values():
        with_argument(tree, f"{{{{ {remedy} }}}}")
        tree.dag(SCORE)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"on_failure_callback": "notify"}, ".on_failure_callback is a function in Py"),
        (
            {"execution_timeout": "an hour"},
            ".execution_timeout is 'an hour'; use a num",
        ),
        ({"execution_timeout": True}, ".execution_timeout is True; use a number of se"),
        ({"retry_delay": [1]}, ".retry_delay is [1]; use a number of seconds, or ISO"),
        ({"execution_timeout": 1e300}, ".execution_timeout is 1e+300; use a number"),
        ({"full_pod_spec": {"spec": {}}}, ".full_pod_spec is wrong (Invalid value for"),
        ({"init_containers": [{"nam": "x"}]}, ".init_containers is wrong ("),
        ({"env_from": [{"secretref": {}}]}, ".env_from is [{'secretref': {}}], with"),
        (
            {"volumes": [{"name": "v", "persistentvolumeclaim": {"claimName": "c"}}]},
            ".volumes is [{'name': 'v', 'persistentvolumeclaim'",
        ),
        (
            {"volumes": [{"name": "v", "persistent_volume_claim": {}}]},
            "with a key that Kubernetes lacks",
        ),
    ],
)
def test_a_wrong_argument_of_a_pod(
    arguments: dict[str, Any], expected: str, tree: Tree
) -> None:
    tree.configs(pods=[pod_task(1, "score", **arguments)])
    reported = tree.error(SCORE)
    assert f"{CONFIGS}/kubepod_config.json: $.tasks[0].conf{expected}" in reported or (
        f"{CONFIGS}/kubepod_config.json: $.tasks[0].conf.volumes" in reported
        and expected in reported
    )


@pytest.mark.parametrize(
    "key",
    [
        "spark.sql.legacy.timeParserPolicy",
        "spark.databricks.delta.schema.autoMerge.enabled",
        "spark.openlineage.transport.type",
        "spark.comet.enabled",
    ],
)
def test_spark_keys_of_other_libraries(key: str, tree: Tree) -> None:
    tree.configs(spark=[spark_task(1, "features")], conf={key: "{{ ds }}"})
    assert key in tree.dag(FEATURES).get_task("features").conf
    near = {"spark.executor.memroy": "2g"}
    tree.configs(spark=[spark_task(1, "features")], conf=near)
    assert "did you mean spark.executor.memory?" in tree.error(FEATURES)


def test_a_long_template_is_quoted_in_part(tree: Tree) -> None:
    with_argument(tree, "a" * 500 + "{{ dss }}")
    reported = tree.error(SCORE)
    assert f"$.score.function.args.value: '{'a' * 77}...' has an unknown" in reported


def test_both_kinds_of_task_still_check_the_image(tree: Tree) -> None:
    tree.configs(spark=[spark_task(1, "features")], pods=[pod_task(1, "score")])
    tree.write(f"{CONFIGS}/spark_config.prod.json", {"conf": {IMAGE: None}})
    assert [*mistakes_in(tree.dag(BOTH))] == []
    tree.deployment = "prod"
    (mistake,) = mistakes_in(tree.dag(BOTH))
    assert mistake == f"task features: {IMAGE} is missing"
