"""Tests of `./pants new` in a temporary repository, with the real black."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import black
import pytest

from maxairesources.tree import TREES, USECASES
from maxaitools import lock
from maxaitools.conventions.check import Domain, check
from maxaitools.new import create as new

FILES = {
    "marketplace.toml": 'prefix = "example.com/ai"\n',
    "3rdparty/python/library.txt": "fsspec>=2025.3\npandas\npyarrow\npydantic\npyspark>=4.3\n",
    "pants.toml": """\
[python]
interpreter_constraints = ["CPython==3.11.*"]
resolves = {black = "black.lock", library = "3rdparty/python/library.lock"}
resolves_to_interpreter_constraints = {}
""",
    # A domain without Spark.
    "maxaiusecases/shipping/requirements.txt": "",
}
USECASE = "usecase shipping delays --objective score --operator kubepod".split()
OBJECTIVE = "objective shipping delays monthly".split()
CODE = "maxaiusecases/shipping/delays/handlers"
CONFIGS, DAGS = "maxaiconfigs/shipping/delays", "maxaidags/shipping/delays"
LAUNCH_CONFIG, SPARK_CONFIG = (
    f"{CONFIGS}/{k}_config.json" for k in ("kubepod", "spark")
)


def write(files: dict[str, str]) -> None:
    for path, text in files.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder is a repository, in which a lock needs no package index."""
    shutil.copytree("build-support/images", tmp_path / "build-support/images")

    def compile_lock(resolve: lock.Resolve, *, upgrade: bool) -> bool:
        return bool(resolve.lock.write_text("pyspark==3.5.1 \\\n"))

    monkeypatch.setenv("MAXAI_PREFIX", "example.com/ai")
    monkeypatch.setattr(lock, "compile_lock", compile_lock)
    monkeypatch.chdir(tmp_path)
    write(FILES)


def files() -> dict[str, str]:
    """Return the texts of the files in the three trees, by path."""
    found = (path for tree in TREES for path in Path(tree).rglob("*"))
    return {str(path): path.read_text() for path in found if path.is_file()}


@pytest.mark.parametrize("spark", [False, True])
def test_a_new_domain_is_complete(spark: bool) -> None:
    before = files()
    new.main(["domain", "logistics", *(["--spark"] if spark else [])])
    names = ["BUILD", "Dockerfile", "README.md", "image_test.py", "requirements.lock"]
    names += ["requirements.txt", "setup.py"]
    folder = f"{USECASES}/logistics"
    after = files()
    assert after.keys() - before == {f"{folder}/{name}" for name in names}
    lines = after[f"{folder}/Dockerfile"].splitlines()
    base = f"example.com/ai/{'spark' if spark else 'python'}:"
    stages = [line for line in lines if line.startswith("FROM ")]
    assert len(stages) == 2 and all(base in line for line in stages)
    assert ("pyspark" in after[f"{folder}/requirements.txt"]) is spark
    if spark:
        names = "logistics outages --objective score --operator spark".split()
        new.main(["usecase", *names])
        assert "maxaiconfigs/logistics/outages/spark_config.json" in files()


def test_each_handler_reads_the_output_of_the_previous_one() -> None:
    before = files()
    new.main([*USECASE, "--handler", "one", "--handler", "two"])
    names = ["__init__", "one", "one_test", "two", "two_test"]
    after = files()
    assert after.keys() - before == {
        *(f"{CODE}/{name}.py" for name in names),
        *(f"{CONFIGS}/{n}" for n in ("kubepod_config.json", "score/py_config.json")),
        *(f"{DAGS}/score/{name}.py" for name in ("dag", "dag_test", "run_test")),
    }
    tasks = json.loads(after[LAUNCH_CONFIG])["tasks"]
    assert [(task["id"], task["name"]) for task in tasks] == [(1, "one"), (2, "two")]
    py_config = json.loads(after[f"{CONFIGS}/score/py_config.json"])
    paths = [
        py_config[task][side][0]["sourceDetails"]["filePath"]
        for task in ("one", "two")
        for side in ("input", "output")
    ]
    names = ["input", "one", "one", "two"]
    assert paths == [f"shipping/delays/{name}.csv" for name in names]
    dag = after[f"{DAGS}/score/dag.py"]
    assert 'task_id="one", operator="KubernetesPodOperator", parent=["root"]' in dag
    assert 'task_id="two", operator="KubernetesPodOperator", parent=["one"]' in dag


def test_an_objective_changes_only_the_launch_config() -> None:
    new.main(USECASE)
    # It stands on one line, and another list follows that of the tasks.
    config = {**json.loads(files()[LAUNCH_CONFIG]), "conf": {"arguments": []}}
    text = json.dumps(config)
    write({LAUNCH_CONFIG: text, f"{CODE}/__init__.py": "# A comment\n"})
    before = files()
    new.main([*OBJECTIVE, "--handler", "one", "--handler", "two"])
    after = files()
    assert after.keys() - before == {
        *(f"{CODE}/{name}.py" for name in ("one", "one_test", "two", "two_test")),
        f"{CONFIGS}/monthly/py_config.json",
        *(f"{DAGS}/monthly/{name}.py" for name in ("dag", "dag_test", "run_test")),
    }
    assert {p for p in before if after[p] != before[p]} == {LAUNCH_CONFIG}
    found = json.loads(after[LAUNCH_CONFIG])
    tasks = [(task["id"], task["name"]) for task in found["tasks"]]
    assert tasks == [(1, "score"), (2, "one"), (3, "two")]
    assert {**found, "tasks": found["tasks"][:1]} == config
    end = text.index("}], ") + 1
    assert after[LAUNCH_CONFIG].startswith(text[:end])
    assert after[LAUNCH_CONFIG].endswith(text[end:])


def test_code_with_the_longest_names_is_formatted() -> None:
    name = "a" * 40
    new.main(["domain", name])
    arguments = ["--objective", name, "--operator", "kubepod", "--handler", name]
    new.main(["usecase", name, name, *arguments])
    written = [text for path, text in files().items() if path.endswith(".py")]
    assert len(written) == 8
    for text in written:
        assert black.format_str(text, mode=black.Mode()) == text


KUBEPOD = "--operator kubepod --objective a"
USE, RESOLVE = "usecase shipping", "is the name of a base image or of a tool's resolve"
EXISTS = "already exists; use another name, or"
# The arguments, a file that is written before, and words of the error.
REFUSED = [
    *(
        (f"{USE} {name} {KUBEPOD}", {}, "is not a valid name: use lowercase")
        for name in ("Delays", "1st", "a-b", "a__b", "a_", "_a", "class", "a" * 41)
    ),
    ("domain a-b", {}, "'a-b' is not a valid name: use lowercase"),
    *((f"domain {name}", {}, RESOLVE) for name in ("black", "spark")),
    ("domain shipping", {}, f"{EXISTS} add to it: ./pants new usecase shipping ..."),
    *(
        (
            f"{USE} a {KUBEPOD}",
            {f"{tree}/shipping/a/x": ""},
            f"{tree}/shipping/a: {EXISTS}",
        )
        for tree in TREES
    ),
    ("objective shipping delay a", {}, "does not exist; did you mean delays?"),
    ("objective shipping fleet a", {}, "does not exist; create it with `./pants new"),
    (f"{USE} common {KUBEPOD}", {}, "what usecases share; use another name"),
    (f"usecase shiping a {KUBEPOD}", {}, "did you mean shipping?"),
    (f"usecase energy a {KUBEPOD}", {}, "create it with `./pants new domain energy`"),
    (f"{USE} a {KUBEPOD} --handler signal", {}, "signal.py hides a module; use an"),
    (f"{USE} a {KUBEPOD} --handler a_test", {}, "a_test.py is a test or a helper of"),
    (f"{USE} a --operator spark --objective a", {}, "no pyspark; use --operator kub"),
    (f"{USE} a", {}, "are required: --objective"),
    (
        f"{USE} a --objective a",
        {},
        "--operator is required, because the usecase has no",
    ),
    (
        "objective shipping delays a --handler score",
        {},
        f"{CODE}/score.py: {EXISTS} see build-support/docs/usecases.md",
    ),
    *(
        ("objective shipping delays monthly", {path: text}, f"{path}: {words}")
        for path, text, words in (
            (
                LAUNCH_CONFIG,
                '{"tasks": [{"name": "monthly"}]}',
                "already has a task 'mo",
            ),
            (LAUNCH_CONFIG, "{", "cannot be read (JSONDecodeError("),
            (LAUNCH_CONFIG, "{}", "cannot be read (KeyError('tasks'))"),
        )
    ),
    (" ".join(OBJECTIVE), {f"{DAGS}/monthly": ""}, f"{DAGS}/monthly: {EXISTS} see"),
    (
        " ".join(OBJECTIVE),
        {SPARK_CONFIG: '{"tasks": []}'},
        "--operator is required, bec",
    ),
]


@pytest.mark.parametrize(("arguments", "given", "expected"), REFUSED)
def test_a_refused_request_writes_nothing(
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    given: dict[str, str],
    expected: str,
) -> None:
    new.main(USECASE)
    write(given)
    before = files()
    with pytest.raises(SystemExit, match="2"):
        new.main(arguments.split())
    assert expected in capsys.readouterr().err
    assert files() == before


WEB, WEB_CONFIGS, WEB_DAG = (
    "maxaiusecases/web",
    "maxaiconfigs/web/clicks",
    "maxaidags/web/clicks/daily",
)
MAIN = '\nif __name__ == "__main__":\n    main()\n'
# A domain as a company has it.
OLD = {
    f"{WEB_CONFIGS}/spark_config.json": '{"spark.executor.memory": "2g"}',
    f"{WEB_CONFIGS}/daily/py_config.json": '{"count": {"input_path": "x.csv"}}',
    f"{WEB_DAG}/dag.py": "from airflow import DAG\n",
    f"{WEB}/Dockerfile": "FROM python:3.11-slim\nCOPY . .\n",
    f"{WEB}/README.md": "# Web\n",
    f"{WEB}/requirements.txt": "\ufeffpandas\npyspark==3.5.1",
    f"{WEB}/setup.py": "setup(name='web')\n",
    f"{WEB}/clicks/handlers/__init__.py": "",
    f"{WEB}/clicks/handlers/count.py": f"import pyspark\n{MAIN}",
    f"{WEB}/clicks/handlers/tables.py": "import pyspark\n",
}


def adopt(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Return what a person has to decide, by the path of the file."""
    new.main(["adopt", "web"])
    printed = capsys.readouterr().out.partition("to decide:\n")[2].partition("next:")[0]
    return dict(line.strip().split(": ", 1) for line in printed.splitlines())


def test_adopt_writes_what_is_missing_and_lists_what_to_decide(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        new.main(["adopt", "web"])
    assert "maxaiusecases/web: missing; copy the domain" in capsys.readouterr().err
    before = files()
    write(OLD)
    found, after = adopt(capsys), files()
    names = ("BUILD", "image_test.py", "requirements.lock")
    tests = {f"{WEB_DAG}/dag_test.py", f"{WEB_DAG}/run_test.py"}
    assert after.keys() - before - OLD.keys() == {
        *(f"{WEB}/{n}" for n in names),
        *tests,
    }
    file = f"{WEB}/requirements.txt"
    assert {path for path, text in OLD.items() if after[path] != text} == {file}
    added = ["# maxairesources imports these.", "fsspec>=2025.3", "pyarrow", "pydantic"]
    assert after[file].splitlines() == [*OLD[file].splitlines(), *added]
    see = "see build-support/docs/adopt.md"
    again = f"{see}, or delete it and run this again"
    fix = "delete it, run ./pants new adopt web, and add your own lines"
    unused = "outside-pants: it does not use maxaiusecases"
    assert found == {
        f"{WEB_CONFIGS}/spark_config.json": f"has no tasks; {again}",
        f"{WEB_CONFIGS}/daily/py_config.json": f"does not describe ports; {again}",
        f"{WEB_DAG}/dag.py": f"does not use DAGFactory; {again}",
        f"{WEB}/Dockerfile": f"{unused}.web/deps.pex and sources/maxaiusecases; {fix}",
        f"{WEB}/setup.py": f"{unused}; {fix}",
        f"{WEB}/clicks/handlers/count.py": f"does not use config.main and ports; {see}",
        file: "maxairesources needs pyspark>=4.3, not 3.5.1; change it",
    }
    # A deleted file is written as that of a new domain.
    for path in OLD:
        if not path.endswith(("README.md", "requirements.txt", "count.py")):
            Path(path).unlink()
    assert adopt(capsys).keys() == {file, f"{WEB}/clicks/handlers/count.py"}
    assert check(Domain("web")) == []
    after = files()
    assert "FROM example.com/ai/spark:" in after[f"{WEB}/Dockerfile"]
    tasks = json.loads(after[f"{WEB_CONFIGS}/spark_config.json"])["tasks"]
    config = json.loads(after[f"{WEB_CONFIGS}/daily/py_config.json"])
    assert [task["name"] for task in tasks] == ["count"] == [*config][1:]
    assert config["count"]["function"]["args"] == {}


def test_adopt_goes_on_after_a_domain_that_cannot_be_locked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write({f"maxaiusecases/{name}/README.md": "" for name in ("apps", "web")})

    def fail(arguments: list[str]) -> None:
        if arguments == ["apps"]:
            sys.exit("error: apps/requirements.txt: no such version")

    monkeypatch.setattr(lock, "main", fail)
    with pytest.raises(SystemExit, match="1"):
        new.main(["adopt", "apps", "web"])
    printed = capsys.readouterr().out
    assert "apps: to decide:\n  error: apps/requirements.txt: no such ver" in printed
    assert "web: written:\n" in printed and Path("maxaiusecases/web/BUILD").exists()
