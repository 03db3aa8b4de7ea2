"""Tests of the conventions: a small tree without mistakes, and one mistake at a time."""

import json
from pathlib import Path
from typing import Any

import pytest

from maxairesources.tree import PROBLEMS
from maxaitools.conventions.check import RULES, Domain, check, main

C, D, U = "maxaiconfigs/shop", "maxaidags/shop", "maxaiusecases/shop"
# The launch configs, the py_config, the folder of the DAG and that of the handlers.
K, S, P = (
    f"{C}/churn/{name}_config.json" for name in ("kubepod", "spark", "monthly/py")
)
OBJ, H = f"{D}/churn/monthly", f"{U}/churn/handlers"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
SETTINGS = 'prefix = "ai"\n[deployments]\ndev = {}\nprod = {}\n'
IMAGE = "spark.kubernetes.container.image"
MODULE = "maxaiusecases.shop.churn.handlers.score"
APPLICATION = f"local:///opt/maxai/{H}/features.py"


def kubepod(
    name: str = "score", handler: str = MODULE, image: str = "maxai/shop", **conf: Any
) -> dict[str, Any]:
    conf |= {"image": image, "arguments": [handler]}
    return {"tasks": [{"id": 1, "name": name, "conf": conf}]}


def spark(application: str = APPLICATION) -> dict[str, Any]:
    launch = {"application": application}
    task = {"id": 1, "name": "features", "spark_submit_conf": launch}
    return {"conf": {IMAGE: "maxai/shop"}, "tasks": [task]}


def task(**args: Any) -> dict[str, Any]:
    return {"input": [], "output": [], "function": {"args": {"share": 0.5, **args}}}


BOTH = {"score": task(), "features": task()}
GOOD: dict[str, Any] = {
    **{K: kubepod(), P: BOTH, f"{C}/domain.json": {}},
    S: spark(),
    f"{S[:-5]}.prod.json": {"conf": {"spark.ui.port": 1}},
    f"{P[:-5]}.dev.json": {"score": {"function": {"args": {"share": 0.1}}}},
    **{f"{OBJ}/dag.py": "", f"{OBJ}/dag_test.py": "", f"{OBJ}/run_test.py": ""},
    **{f"{OBJ}/load.sql": "", f"{OBJ}/sql/more.sql": "", f"{OBJ}/tools.py": ""},
    **{f"{D}/churn/helper.py": "", "maxaidags/BUILD": ""},
    **{f"{U}/{name}": "" for name in ("BUILD", "README.md")},
    f"{U}/Dockerfile": "COPY maxaiusecases.shop/deps.pex /\nCOPY sources/maxaiusecases /\n",
    f"{U}/setup.py": "find_packages('../..', include=['maxaiusecases.shop'])\n",
    **{f"{U}/{name}": "" for name in ("image_test.py", "requirements.lock")},
    **{f"{U}/requirements.txt": "pandas>=2\n", f"{U}/.python-version": "3.13\n"},
    **{f"{U}/churn/BUILD": "", f"{U}/churn/notebooks/look.ipynb": ""},
    **{f"{U}/common/dates.py": "", f"{U}/common/holidays.csv": ""},
    **{f"{H}/__init__.py": "", f"{H}/query.sql": "", f"{H}/sql_helper.py": ""},
    **{f"{each}/conftest.py": "" for each in (U, f"{U}/churn", H, D, OBJ)},
    **{f"{each}/fixtures/A-1.py": "" for each in (f"{U}/churn", H)},
    **{f"{H}/{name}.py": "" for name in ("score", "score_test", "features")},
    **{f"{H}/deep/{name}.py": "" for name in ("__init__", "_private")},
}


@pytest.fixture(autouse=True)
def in_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("marketplace.toml").write_text(SETTINGS)


def findings(changes: dict[str, Any]) -> list[str]:
    """Return the findings in the good tree after changes; None deletes a file."""
    for path, content in {**GOOD, **changes}.items():
        if content is not None:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            text = content if isinstance(content, str) else json.dumps(content)
            Path(path).write_text(text)
    return check(Domain("shop"))


def moved(old: str, new: str) -> dict[str, Any]:
    """Return the changes that move a folder or a file of the good tree."""
    found = {path: text for path, text in GOOD.items() if path.startswith(old)}
    return dict.fromkeys(found) | {new + p[len(old) :]: t for p, t in found.items()}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        # Only Spark finds the modules beside a handler by a bare name.
        {S: None, f"{S[:-5]}.prod.json": None, f"{H}/queue.py": ""},
        # A DAG without handlers needs no config and no image.
        {f"{D}/churn/load/{name}.py": "" for name in ("dag", "dag_test")},
        {f"{D}/loads/load/{name}.py": "" for name in ("dag", "dag_test")},
        # A new domain has no usecase yet.
        {path: None for path in GOOD if path.count("/") > 2},
    ],
)
def test_a_good_tree_has_no_finding(changes: dict[str, Any]) -> None:
    assert findings(changes) == []


SPARK_PORT = {"input": [{"port": 1, "type": "spark"}], "output": []}
HELPER = "maxaiusecases.shop.churn.handlers.sql_helper"
FIT = "maxaiusecases.shop.churn.handlers.deep.fit"
# The changes that break a rule, the file and the rule of the finding, and essential words of it.
CASES: list[tuple[dict[str, Any], str, str]] = [
    ({f"{H}/RfmScore.py": ""}, f"{H}/RfmScore.py: name", "rename it to rfm_score"),
    ({f"{H}/Deep/x.py": ""}, f"{H}/Deep: name", "rename it to deep"),
    ({f"{H}/test_x.py": ""}, f"{H}/test_x.py: name", "the test of x.py is x_test.py"),
    ({f"{H}/class.py": ""}, f"{H}/class.py: name", "Python keyword; rename it"),
    *(
        ({f"{H}/{name}.py": ""}, f"{H}/{name}.py: name", f"it as the module '{name}'")
        for name in ("queue", "pandas")
    ),
    *(
        (moved(f"{U}/churn", f"{U}/{bad}"), f"{U}/{bad}: name", "is not a valid name")
        for bad in ("churn_", "_churn", "chu__rn", "2churn", "Churn", "chu-rn")
    ),
    *(
        ({path: ""}, f"{path}: unexpected-file", words)
        for path, words in (
            (f"{P[:-5]}.pord.json", "did you mean py_config.prod.json"),
            (f"{P[:-5]}.staging.json", "only BUILD, py_config.dev.json, py_config.jso"),
            (f"{C}/notes.md", "only BUILD, domain.json; move it, or delete it"),
            (f"{C}/domain.dev.json", "did you mean domain.json?"),
            (f"{D}/churn/dag.py", "the layout has no file here; move it"),
            (f"{U}/Dockerfil", "did you mean Dockerfile?"),
            (f"{U}/churn/handler/x.py", "move it"),
            (f"{H}/look.ipynb", "move it to the notebooks/ of a usecase"),
            (f"{U}/utils/io.py", "move it to common/, or to the handlers/ of a us"),
            (f"{U}/tests/test_io.py", "beside the module that it tests, as x_test.py"),
        )
    ),
    *(
        ({path: None}, f"{path}: missing-file", "missing; add it")
        for path in (P, f"{OBJ}/run_test.py", f"{OBJ}/dag.py", f"{U}/requirements.txt")
    ),
    (moved(f"{D}/churn", f"{D}/chrun"), f"{C}/churn: orphan", f"mean {D}/chrun?"),
    (moved(f"{U}/churn", "x"), f"{C}/churn: orphan", f"delete {C}/churn and {D}/chu"),
    (moved(OBJ, f"{D}/churn/y"), f"{C}/churn/monthly: orphan", f"mean {D}/churn/y?"),
    ({K: kubepod(handler=f"{MODULE}s")}, f"{K}: launch", f"did you mean {MODULE}?"),
    ({K: kubepod(handler="b.fit"), f"{H}/deep/fit.py": ""}, f"{K}: launch", FIT),
    ({K: kubepod(handler="a.b")}, f"{K}: launch", "$.tasks[0].conf runs a.b, which is"),
    ({K: kubepod(handler=HELPER)}, f"{K}: launch", "remove the task, or use one of: "),
    ({S: spark(f"/opt/{H}/features.py")}, f"{S}: launch", f"mean {APPLICATION}?"),
    ({f"{U}/Dockerfile": "FROM x"}, f"{U}/Dockerfile: outside-pants", "delete it, run"),
    ({f"{U}/setup.py": "setup()"}, f"{U}/setup.py: outside-pants", "not use maxaiusec"),
    ({P: {"score": SPARK_PORT}}, f"{P}: spark-port", "$.score.input[0].type is spark"),
    ({f"{H}/m.bin": "x" * 5_300_000}, f"{H}/m.bin: large-file", "5.3 MB, more than 5"),
    ({f"{H}/m.bin": POINTER}, f"{H}/m.bin: lfs", "run `git lfs pull`"),
    ({K: kubepod(env={"PASSWORD": "x"})}, f"{K}: secret", "conf.env.PASSWORD looks l"),
]


@pytest.mark.parametrize(("changes", "start", "words"), CASES)
def test_a_mistake_is_found_with_the_file_and_the_fix(
    changes: dict[str, Any], start: str, words: str
) -> None:
    found = findings(changes)
    matching = [line for line in found if line.startswith(f"{start}: ")]
    assert len(matching) == 1, "\n".join(found)
    assert words in matching[0] and "\n" not in matching[0]


def test_each_rule_has_a_case() -> None:
    cases = {start.split(": ")[1] for _, start, _ in CASES}
    # The launcher finds the first, and data_rules_test has the cases of the second.
    assert RULES.keys() == cases | {"not-built", "table"}


def test_what_the_launcher_has_found_is_a_finding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = f"{U}/requirements.txt"
    # Another rule reports a missing file.
    others = f"{U}_2: not valid; correct it\n{U}/requirements.lock: missing; lock it"
    monkeypatch.setenv(PROBLEMS, f"{file}:1: not valid; correct it\n{others}")
    assert findings({}) == [f"{file}:1: not-built: not valid; correct it"]


def test_a_secret_is_never_printed_and_can_be_allowed() -> None:
    config = {**BOTH, "score": task(api_key="hunter2")}
    (line,) = findings({P: config})
    place = "$.score.function.args.api_key"
    assert f'add "$allow_secret": ["{place}"]' in line and "hunter2" not in line
    assert findings({P: {"$allow_secret": [place], **config}}) == []


MALFORMED = [
    *("", "{", "null", "[" * 100_000, '{"a":' * 900 + "1" + "}" * 900, "\0"),
    *('{"tasks": 1, "conf": 1}', '{"tasks": [1, null, [], {"conf": []}]}'),
    '{"tasks": [{"name": [], "conf": {"arguments": [[]], "image": {}}}], "conf": []}',
    '{"tasks": [{"spark_submit_conf": {"conf": [], "application": ""}}]}',
]


@pytest.mark.parametrize("text", MALFORMED, ids=range(len(MALFORMED)))
@pytest.mark.parametrize("path", [K, S, P])
def test_a_malformed_file_crashes_no_rule(path: str, text: str) -> None:
    for changed in (path, path.replace("g.json", "g.dev.json")):
        assert all("\n" not in line for line in findings({changed: text}))


def test_a_wrong_setting_is_reported_whichever_files_changed() -> None:
    Path("marketplace.toml").write_text(f"{SETTINGS}[deployments.qa]\npausd = true\n")
    with pytest.raises(SystemExit, match="qa]: unknown key 'pausd'; did you mean pau"):
        main(["--domain=*"])


def test_files_of_no_domain() -> None:
    for path in ("maxaidags/.airflowignore", "maxaidags/x.py"):
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).touch()
    (line,) = check(Domain(""))
    assert line.startswith("maxaidags/x.py: unexpected-file: ")


def test_command_prints_the_findings_and_the_rules(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for changes, code in (({f"{U}/x.py": ""}, 1), ({}, 0)):
        expected = findings(changes)
        assert main(["--domain=shop"]) == code
        assert capsys.readouterr().out.splitlines() == expected
        Path(U, "x.py").unlink(missing_ok=True)
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert RULES.keys() <= {*lines}
    for label in ("Why", "Fix"):
        assert len([each for each in lines if label in each]) == len(RULES)
