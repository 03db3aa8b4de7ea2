import json
from typing import Any, Mapping

import pytest

from maxairesources.errors import InputError
from maxaitools.conventions.domain import Domain
from maxaitools.conventions.rules import RULES, check, rule_id

DAG = '''\
"""Airflow DAG."""
from maxairesources.dagfactory import DAGFactory
factory = DAGFactory("shop.churn.monthly", "shop", usecase="churn", obj="monthly")
seen = set()
seen.add("any")
later = pendulum.now().add(days=1, hours=2)
factory.add(task_id="score", operator="KubernetesPodOperator", parent=["root"])
factory.add("features", "SparkSubmitOperator", ["score"])
factory.add("branch", "BranchPythonOperator", ["score"], python_callable=print)
dag = factory.create_dag()
'''
SPARK = {
    "$schema": "spark.json",
    "conf": {"spark.kubernetes.container.image": "maxai/shop", "spark.a": {"b": 1}},
    "tasks": [
        {
            "id": 1,
            "name": "features",
            "spark_submit_conf": {
                "application": "local:///opt/maxai/maxaiusecases/shop/churn/handlers/"
                "features.py"
            },
        }
    ],
}


def kubepod(
    name: str = "score",
    handler: str = "maxaiusecases.shop.churn.handlers.score",
    image: str = "maxai/shop",
) -> dict[str, Any]:
    conf = {"image": image, "arguments": [handler]}
    return {"tasks": [{"id": 1, "name": name, "conf": conf}]}


C, D, U = "maxaiconfigs/shop", "maxaidags/shop", "maxaiusecases/shop"
# Launch configs of the usecase, and the parts of the objective.
K, S, P = (
    f"{C}/churn/{name}_config.json" for name in ("kubepod", "spark", "monthly/py")
)
OBJ, H = f"{D}/churn/monthly", f"{U}/churn/handlers"
TASK = {"input": [], "output": [], "function": {"args": {"share": 0.5}}}
GOOD: dict[str, Any] = {
    **{f"{C}/churn/BUILD": "", f"{C}/churn/monthly/BUILD": ""},
    **{K: kubepod(), S: SPARK, P: {"score": TASK, "features": TASK}},
    S.replace(".json", ".prod.json"): {"conf": {"spark.a": None}},
    f"{OBJ}/dag.py": DAG,
    **{f"{OBJ}/{name}": "" for name in ("BUILD", "dag_test.py", "run_test.py")},
    **{
        f"{U}/{name}": ""
        for name in ("BUILD", "Dockerfile", "README.md", "image_test.py", "setup.py")
    },
    **{f"{U}/requirements.{end}": "pandas>=2\n-e .\n" for end in ("txt", "lock")},
    **{f"{H}/{name}": "" for name in ("BUILD", "__init__.py", "conftest.py")},
    f"{H}/score.py": "from maxaiusecases.shop.churn.handlers.model import fit",
    f"{H}/score_test.py": "from . import score",
    f"{H}/model.py": "match 1:\n    case _:\n        from . import deeper",
    f"{H}/deeper.py": "import pandas",
    f"{H}/features.py": "",
}


def findings(files: Mapping[str, Any], **others: Any) -> list[str]:
    """The findings in a domain with these files; None stands for a missing file."""
    texts = {
        path: text if isinstance(text, str) else json.dumps(text)
        for path, text in files.items()
        if text is not None
    }
    facts: dict[str, Any] = {
        "resolves": {"shop": f"{U}/requirements.lock"},
        "registered": ("shop",),
        "deployments": ("dev", "prod"),
    }
    return check(Domain(files=texts, **{"name": "shop", **facts, **others}))


def moved(old: str, new: str) -> dict[str, Any]:
    """The good tree with a folder or file moved."""
    return {
        path: None if path.startswith(old) else text for path, text in GOOD.items()
    } | {new + p[len(old) :]: text for p, text in GOOD.items() if p.startswith(old)}


def test_a_good_tree_has_no_finding() -> None:
    assert findings(GOOD) == []


OF_OTHERS: dict[str, Any] = {
    f"{H}/score.py": "from .features_of import rfm\nfrom ...common.dates import week\n"
    "from .model import fit",
    f"{H}/features_of/BUILD": "",
    f"{H}/features_of/__init__.py": "from .rfm import recency",
    f"{H}/features_of/rfm.py": "from . import _private",
    f"{H}/features_of/_private.py": "",
    f"{H}/features_of/deeper/launched.py": "from maxaiusecases.shop.churn.handlers import *",
    f"{H}/sql/query.sql": "select 1",
    f"{H}/stub.pyi": "",
    f"{H}/README.md": "",
    f"{U}/common/BUILD": "",
    f"{U}/common/dates.py": "",
    f"{U}/common/holidays.csv": "",
    f"{U}/churn/notebooks/look.ipynb": "",
    f"{U}/churn/notebooks/data/table.csv": "",
    f"{D}/churn/BUILD": "",
    f"{D}/churn/helper.py": "",
    f"{D}/churn/shared.sql": "",
    f"{OBJ}/load.sql": "",
    f"{OBJ}/sql/more.sql": "",
    f"{OBJ}/tools.py": "",
}


def test_subpackages_data_shared_code_and_notebooks() -> None:
    handler = "maxaiusecases.shop.churn.handlers.features_of.deeper.launched"
    files = {**GOOD, **OF_OTHERS}
    assert findings({**files, f"{H}/features_of/deeper/launched.py": None}) == []
    # A handler may be in a subpackage.
    both = kubepod()
    both["tasks"] += kubepod("branch", handler)["tasks"]
    assert findings({**files, K: both, f"{OBJ}/dag.py": DAG + LATER, P: TASKS}) == []


LATER = "factory.add('branch', 'KubernetesPodOperator', ['root'])\n"
TASKS = {"score": TASK, "features": TASK, "branch": TASK}
PLAIN = '''\
"""Airflow DAG."""
from airflow.sdk import DAG, dag, task

with DAG("shop.{}", schedule=None):
    print()


@dag(dag_id="shop.{}")
def own():
    print()
'''


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.format("churn.load", "churn.load"),
        DAG.split("seen")[0].replace("monthly", "load"),
        DAG.split("seen")[0].replace("monthly", "load")
        + "factory.add('load', 'PostgresOperator', ['root'], sql='load.sql')\n",
    ],
)
def test_a_dag_without_handlers_needs_no_config_and_no_image(text: str) -> None:
    folder = f"{D}/churn/load"
    files = {f"{folder}/{name}": "" for name in ("BUILD", "dag_test.py", "load.sql")}
    assert findings({**GOOD, **files, f"{folder}/dag.py": text}) == []
    # The same for a usecase.
    alone = {path.replace("/churn/", "/loads/"): text for path, text in files.items()}
    alone[f"{D}/loads/load/dag.py"] = text.replace("churn", "loads")
    assert findings({**GOOD, **alone}) == []


def test_a_secret_is_never_printed_and_can_be_allowed() -> None:
    task = {**TASK, "function": {"args": {"api_key": "hunter2"}}}
    config = {"score": task, "features": TASK}
    (line,) = findings({**GOOD, P: config})
    place = "$.score.function.args.api_key"
    assert line.startswith(f"{P}: secret: {place} looks like a secret; remove it, revo")
    assert line.endswith(f'add "$allow_secret": ["{place}"]') and "hunter2" not in line
    assert findings({**GOOD, P: {"$allow_secret": [place], **config}}) == []
    good = {"$allow_secret": [place], "score": TASK, "features": TASK}
    (line,) = findings({**GOOD, P: good})
    assert f"$allow_secret names {place}, which does not look like a secret" in line


def test_an_overlay_may_add_a_key_of_spark_itself() -> None:
    overlay = {"conf": {"spark.kubernetes.driver.secretKeyRef.A": "name:key"}}
    assert findings({**GOOD, f"{S[:-5]}.prod.json": overlay}) == []


# The broken rule, the changes that break it, and parts of the line of one finding.
CASES: list[tuple[str, dict[str, Any], dict[str, Any], tuple[str, ...]]] = [
    (
        "secret",
        {K: {**kubepod(), "conf": {"env_vars": {"DB_PASSWORD": "hunter2"}}}},
        {},
        (f"{K}: secret: $.conf.env_vars.DB_PASSWORD looks like a secret; remove it",),
    ),
    (
        "name",
        moved(f"{H}/features.py", f"{H}/RfmFeatures.py"),
        {},
        (
            f"{H}/RfmFeatures.py: name: 'RfmFeatures' is not a valid name",
            "rename it to rfm_features",
        ),
    ),
    (
        "name",
        moved(f"{H}/features.py", f"{H}/test_features.py"),
        {},
        (
            f"{H}/test_features.py: name: ",
            "Pants takes",
            "the test of x.py is x_test.py",
        ),
    ),
    (
        "name",
        moved(f"{C}/churn/monthly/", f"{C}/churn/2-Monthly/"),
        {},
        (f"{C}/churn/2-Monthly: name: ", "rename it to monthly"),
    ),
    (
        "unexpected-file",
        {P.replace(".json", ".pord.json"): {}},
        {},
        ("py_config.pord.json: unexpected-file: ", "did you mean py_config.prod.json "),
    ),
    (
        "unexpected-file",
        {S.replace(".json", ".prod.json"): {}},
        {"deployments": ("dev", "staging_2")},
        ("spark_config.prod.json: unexpected-file: ", "did you mean spark_config."),
    ),
    (
        "overlay",
        {f"{P[:-5]}.staging_2.json": {"scores": {}}},
        {"deployments": ("prod", "staging_2")},
        (f"{P[:-5]}.staging_2.json: overlay: $.scores is not", "did you mean score?"),
    ),
    (
        "unexpected-file",
        {f"{H}/look.ipynb": ""},
        {},
        (f"{H}/look.ipynb: unexpected-file: ", "move it to the usecase's folder note"),
    ),
    (
        "large-file",
        {f"{H}/model.bin": ""},
        {"large": {f"{H}/model.bin": 5_300_000}},
        (
            f"{H}/model.bin: large-file: has 5.3 MB, more than 5; move it below the data",
        ),
    ),
    *(
        ("unexpected-file", {path: ""}, {}, (f"{path}: unexpected-file: ", "move it"))
        for path in (
            f"{U}/churn/handler/x.py",
            f"{U}/churn/x.py",
            f"{U}/x.sql",
            f"{D}/x.sql",
            f"{C}/churn/x.sql",
            f"{U}/churn/notes.md",
            f"{C}/notes.md",
            f"{D}/churn/dag.py",
        )
    ),
    (
        "missing-file",
        {f"{U}/setup.py": None},
        {},
        (f"{U}/setup.py: missing-file: missing", "add it"),
    ),
    *(
        ("missing-file", {path: None}, {}, (f"{path}: missing-file: ", fix))
        for path, fix in (
            (P, "add it"),
            (f"{OBJ}/run_test.py", "add it"),
            (f"{OBJ}/BUILD", "run `pants tailor ::`"),
            (f"{H}/BUILD", "run `pants tailor ::`"),
        )
    ),
    (
        "missing-file",
        {K: None, S: None, S.replace(".json", ".prod.json"): None},
        {},
        (f"{K}: missing-file: missing, and so is {S}; ", "add one of them"),
    ),
    (
        "domain-not-registered",
        {},
        {"resolves": {"shop": "3rdparty/python/shop.lock"}},
        (
            "pants.toml: domain-not-registered: [python.resolves] lacks shop",
            'add shop = "maxaiusecases/shop/requirements.lock"',
        ),
    ),
    (
        "domain-not-registered",
        {},
        {"registered": ("bank",)},
        ("build-support/macros.py: domain-not-registered: DOMAINS", 'add "shop"'),
    ),
    (
        "domain-not-registered",
        dict.fromkeys(GOOD),
        {},
        (
            "pants.toml: domain-not-registered: ",
            f"{U} does not exist",
            "remove the entry, or add",
        ),
    ),
    (
        "orphan",
        {path: None for path in GOOD if path.startswith(U)},
        {},
        (f"{C}: orphan: the domain has no {U}; ", "add it, or delete this"),
    ),
    (
        "orphan",
        moved(f"{D}/churn/", f"{D}/chrun/"),
        {},
        (f"{C}/churn: orphan: the usecase has no {D}/churn; did you mean {D}/chrun?",),
    ),
    (
        "orphan",
        moved(f"{D}/churn/monthly/", f"{D}/churn/yearly/"),
        {},
        (f"{D}/churn/yearly: orphan: the objective has no {C}/churn/yearly",),
    ),
    (
        "dag",
        {f"{OBJ}/dag.py": "factory = ("},
        {},
        (f"{OBJ}/dag.py: dag: is not valid Python; ", "python -m py_compile"),
    ),
    (
        "dag",
        {f"{OBJ}/dag.py": "from airflow.sdk import DAG\ndag = DAG('x')"},
        {},
        (f"{OBJ}/dag.py: dag: the id of its DAG is 'x'; use 'shop.churn.monthly' as",),
    ),
    *(
        (
            "dag",
            {
                f"{OBJ}/dag.py": f"from airflow.sdk import dag\n\n{text}\ndef own(): ...\n"
            },
            {},
            (f"{OBJ}/dag.py: dag: the id of its DAG is '{value}'; use 'shop.ch",),
        )
        for text, value in (
            ("@dag", "own"),
            ("@dag(schedule=None)", "own"),
            ("@airflow.sdk.dag('x')", "x"),
            ("@dag(dag_id='y')", "y"),
        )
    ),
    (
        "name",
        {f"{H}/Deep/x.py": ""},
        {},
        (f"{H}/Deep: name: 'Deep' is not a valid name", "rename it to deep"),
    ),
    (
        "name",
        moved(f"{D}/churn/", f"{D}/common/"),
        {},
        (f"{D}/common: name: 'common' is the folder of the code that usecases share",),
    ),
    (
        "unused-handler",
        {f"{H}/deep/old.py": ""},
        {},
        (f"{H}/deep/old.py: unused-handler: no task runs this handler",),
    ),
    (
        "unknown-handler",
        {
            K: kubepod(handler="maxaiusecases.shop.churn.handlers.score2"),
            f"{H}/deep/score2.py": "",
        },
        {},
        (
            f"{K}: unknown-handler: ",
            "did you mean maxaiusecases.shop.churn.handlers.de",
        ),
    ),
    (
        "dag",
        {f"{OBJ}/dag.py": DAG.replace('usecase="churn"', 'usecase="chrun"')},
        {},
        (f"{OBJ}/dag.py: dag: usecase is 'chrun'; use 'churn'",),
    ),
    (
        "dag",
        {f"{OBJ}/dag.py": DAG.replace("shop.churn", "churn", 1)},
        {},
        ("dag_id is 'churn.monthly'; use 'shop.churn.monthly'",),
    ),
    (
        "task-name",
        {P: {"scoer": TASK, "features": TASK}},
        {},
        (f"{OBJ}/dag.py: task-name: task 'score' is not in {P}; did you mean scoer?",),
    ),
    (
        "task-name",
        {P: {"score": TASK, "features": TASK, "scores": TASK}},
        {},
        (f"{P}: task-name: $.scores: {OBJ}/dag.py has no task", "did you mean score?"),
    ),
    (
        "task-name",
        {K: kubepod("scoer")},
        {},
        (f"{K}: task-name: $.tasks[0].name: no objective has", "did you mean score?"),
    ),
    (
        "task-name",
        {K.replace(".json", ".dev.json"): kubepod("scoer")},
        {},
        (
            f"{OBJ}/dag.py: task-name: task 'score' is not in {K[:-5]}.dev.json; ",
            "scoer?",
        ),
    ),
    (
        "task-name",
        {S: None},
        {},
        (
            f"{OBJ}/dag.py: task-name: task 'features' is a Spark",
            f"{S} does not exist; add",
        ),
    ),
    (
        "unknown-handler",
        {K: kubepod(handler="maxaiusecases.shop.churn.handlers.scor")},
        {},
        (
            f"{K}: unknown-handler: $.tasks[0] runs "
            "maxaiusecases.shop.churn.handlers.scor, which does not exist; did you mean "
            "maxaiusecases.shop.churn.handlers.score?",
        ),
    ),
    (
        "unknown-handler",
        {K: kubepod(handler="maxaiusecases.bank.risk.handlers.score")},
        {},
        (
            f"{K}: unknown-handler: ",
            "which is not a handler of shop/churn",
            "maxaiusecases.shop.churn.handlers.score",
        ),
    ),
    (
        "unknown-handler",
        {S: json.dumps(SPARK).replace("local:///opt/maxai/", "/opt/")},
        {},
        (
            f"{S}: unknown-handler: ",
            "did you mean local:///opt/maxai/maxaiusecases/shop/churn/handlers/features.py",
        ),
    ),
    (
        "unused-handler",
        {f"{H}/old.py": "", f"{H}/old_test.py": "from . import old"},
        {},
        (
            f"{H}/old.py: unused-handler: no task runs",
            "launch it from a task, import it",
        ),
    ),
    (
        "foreign-image",
        {K: kubepod(image="maxai/bank")},
        {},
        (
            f"{K}: foreign-image: $.tasks[0].conf.image is the image maxai/bank; ",
            "use maxai/shop",
        ),
    ),
    (
        "foreign-image",
        {S: {"conf": {"spark.a": {"b": 1}}, "tasks": SPARK["tasks"]}},
        {},
        (
            f"{S}: foreign-image: $.conf lacks spark.kubernetes.c",
            "add it: maxai/shop",
        ),
    ),
    (
        "foreign-image",
        {f"{S[:-5]}.dev.json": {"conf": {"spark.kubernetes.container.image": "a:1"}}},
        {},
        (
            f"{S[:-5]}.dev.json: foreign-image: "
            "$.conf['spark.kubernetes.container.image'] is the image a:1",
        ),
    ),
    *(
        (
            "foreign-import",
            {path: f"\n{statement}"},
            {},
            (
                f"{path}: foreign-import: line 2 imports "
                "maxaiusecases/bank/risk/handlers/rate.py, ",
                "move shared code into maxairesources",
            ),
        )
        for path, statement in (
            (
                f"{U}/image_test.py",
                "from maxaiusecases.bank.risk.handlers import rate",
            ),
            (
                f"{H}/score_test.py",
                "import maxaiusecases.bank.risk.handlers.rate as r",
            ),
            (f"{H}/features.py", "from ....bank.risk.handlers.rate import fit"),
        )
    ),
    *(
        (
            "nested-requirements",
            {f"{U}/requirements.txt": f"pandas\n{line}\n"},
            {},
            (
                f"{U}/requirements.txt: nested-requirements: line 2: ",
                f"'{line}'; list the requirements themselves",
            ),
        )
        for line in ("-r common.txt", "-rcommon.txt", "--constraint=c.txt")
    ),
    (
        "config",
        {},
        {"config_errors": (InputError("$.tasks: is a; b", "add it", f"{K} with x"),)},
        (f"{K} with x: config: $.tasks: is a; b; add it",),
    ),
    (
        "overlay",
        {f"{P[:-5]}.dev.json": {"score": {"function": {"args": {"shares": 0.1}}}}},
        {},
        (
            f"{P[:-5]}.dev.json: overlay: $.score.function.args.shares is not in the base; ",
            "did you mean share?",
        ),
    ),
    (
        "overlay",
        {f"{S[:-5]}.dev.json": {"confs": {"spark.a": None}}},
        {},
        ("overlay: $.confs is not in the base; did you mean conf?",),
    ),
    (
        "overlay",
        {P: None, f"{P[:-5]}.dev.json": {}},
        {},
        (f"{P[:-5]}.dev.json: overlay: its base {P} does not exist; add it",),
    ),
]


@pytest.mark.parametrize(("rule", "changes", "facts", "parts"), CASES)
def test_each_finding_is_one_line_with_the_file_and_the_fix(
    rule: str, changes: dict[str, Any], facts: dict[str, Any], parts: tuple[str, ...]
) -> None:
    found = findings({**GOOD, **changes}, **facts)
    matching = [line for line in found if all(part in line for part in parts)]
    assert len(matching) == 1, "\n".join(found)
    assert f": {rule}: " in matching[0] and "\n" not in matching[0]


def test_spark_needs_an_image_for_driver_and_executors() -> None:
    keys = [
        f"spark.kubernetes.{part}.container.image" for part in ("driver", "executor")
    ]
    for given, expected in ((keys, 0), (keys[:1], 1)):
        config = {
            **SPARK,
            "conf": {"spark.a": {"b": 1}, **dict.fromkeys(given, "maxai/shop")},
        }
        assert len(findings({**GOOD, S: config})) == expected


@pytest.mark.parametrize(
    "bad", ["churn_", "_churn", "chu__rn", "2churn", "Churn", "chu-rn"]
)
def test_a_name_is_valid_in_images_modules_and_ids(bad: str) -> None:
    found = findings(moved(f"{U}/churn/", f"{U}/{bad}/"))
    assert any(f"'{bad}' is not a valid name" in line for line in found)


def test_every_rule_is_broken_by_some_case() -> None:
    assert {rule_id(rule) for rule in RULES} == {rule for rule, *_ in CASES}


@pytest.mark.parametrize(
    "task",
    [
        'factory.add(task_id=f"a{1}", operator="KubernetesPodOperator", parent=[])',
        'factory.add(**{"task_id": "a"}, operator="KubernetesPodOperator")',
    ],
)
def test_rules_that_need_all_tasks_are_skipped_if_some_are_not_literal(
    task: str,
) -> None:
    files = {
        f"{OBJ}/dag.py": DAG + task,
        P: {"score": TASK, "features": TASK, "a": TASK},
    }
    assert findings({**GOOD, **files}) == []


def test_a_dynamic_import_may_use_any_handler() -> None:
    files = {
        f"{H}/score.py": "import importlib as i\ni.import_module(NAME)",
        f"{H}/old.py": "",
    }
    assert findings({**GOOD, **files}) == []


MALFORMED = [
    *("", "{", "[]", "null", "1", "[" * 100_000, '{"a":' * 900 + "1" + "}" * 900, "\0"),
    *('{"tasks": 1, "conf": 1}', '{"tasks": [1, null, [], {"conf": []}]}'),
    '{"tasks": [{"name": [], "conf": {"arguments": [[]], "image": {}}}], "conf": []}',
    '{"tasks": [{"conf": {"arguments": 1}, "spark_submit_conf": {"application": 1}}]}',
    '{"tasks": [{"spark_submit_conf": {"conf": [], "application": ""}}], "score": 1}',
]


@pytest.mark.parametrize("text", MALFORMED, ids=range(len(MALFORMED)))
@pytest.mark.parametrize("path", GOOD)
def test_a_malformed_file_crashes_no_rule(path: str, text: str) -> None:
    for changed in (path, path.replace("g.json", "g.dev.json")):
        for line in findings({**GOOD, changed: text}):
            assert "\n" not in line


def test_files_of_no_domain() -> None:
    files = {
        **{"maxaiconfigs/BUILD": "", "maxaidags/BUILD": "", "maxaidags/x.py": ""},
        **{"maxaidags/.airflowignore": "", "3rdparty/python/a.txt": "-c b.txt"},
    }
    first, second = findings(files, name="")
    assert first.startswith("3rdparty/python/a.txt: nested-requirements: line 1")
    assert second.startswith("maxaidags/x.py: unexpected-file: ")
