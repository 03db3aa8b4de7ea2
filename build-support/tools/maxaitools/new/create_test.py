"""Tests of `./pants new` in a temporary repository, with the real black and uv."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import black
import pytest

from maxairesources.tree import TREES, USECASES
from maxaitools.new import create as new

PANTS_TOML = """\
[python]
interpreter_constraints = ["CPython==3.11.*"]
resolves = {black = "3rdparty/python/black.lock"}
resolves_to_interpreter_constraints = {}
"""
USECASE = "usecase shipping delays --objective score --operator kubepod".split()
OBJECTIVE = "objective shipping delays monthly".split()
LAUNCH_CONFIG = "maxaiconfigs/shipping/delays/kubepod_config.json"
SPARK_CONFIG = "maxaiconfigs/shipping/delays/spark_config.json"
DAGS = "maxaidags/shipping/delays"
WHEELS = "fsspec-2025.3 numpy-2.0 pandas-2.2 py4j-0.10 pyarrow-18.0 pydantic-2.11 pyspark-4.3"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of wheels, which replaces the package index."""
    folder = tmp_path_factory.mktemp("wheels")
    for wheel in WHEELS.split():
        name, version = wheel.split("-")
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        with zipfile.ZipFile(folder / f"{wheel}-py3-none-any.whl", "w") as file:
            info = f"{wheel}.dist-info"
            file.writestr(f"{info}/METADATA", metadata)
            file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            file.writestr(f"{info}/RECORD", "")
    return folder


@pytest.fixture
def root(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the domain shipping, which has no Spark."""
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("MAXAI_PREFIX", "example.com/ai")
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    root = tmp_path / "root"
    shutil.copytree("build-support/images", root / "build-support/images")
    (root / "pants.toml").write_text(PANTS_TOML)
    (root / "marketplace.toml").write_text('prefix = "example.com/ai"\n')
    (root / USECASES / "shipping").mkdir(parents=True)
    for name in ("Dockerfile", "requirements.txt"):
        (root / USECASES / "shipping" / name).touch()
    monkeypatch.chdir(root)
    return root


def files(root: Path) -> set[str]:
    """Return the paths of the files in the three trees."""
    trees = (root / tree for tree in TREES)
    found = (path for tree in trees for path in tree.rglob("*") if path.is_file())
    return {str(path.relative_to(root)) for path in found}


@pytest.mark.parametrize("spark", [False, True])
def test_a_new_domain_is_complete(root: Path, spark: bool) -> None:
    before = files(root)
    new.main(["domain", "logistics", *(["--spark"] if spark else [])])
    folder = f"{USECASES}/logistics"
    names = ["BUILD", "Dockerfile", "README.md", "image_test.py", "requirements.lock"]
    names += ["requirements.txt", "setup.py"]
    assert files(root) - before == {f"{folder}/{name}" for name in names}
    lines = (root / folder / "Dockerfile").read_text().splitlines()
    base = f"example.com/ai/{'spark' if spark else 'python'}:"
    stages = [line for line in lines if line.startswith("FROM ")]
    assert len(stages) == 2 and all(base in line for line in stages)
    lock = (root / folder / "requirements.lock").read_text()
    assert "pandas==2.2" in lock and ("pyspark==4.3" in lock) is spark


def test_each_handler_reads_the_output_of_the_previous_one(root: Path) -> None:
    before = files(root)
    new.main([*USECASE, "--handler", "one", "--handler", "two"])
    code = "maxaiusecases/shipping/delays/handlers"
    names = ["__init__", "one", "one_test", "two", "two_test"]
    configs = {"kubepod_config.json", "score/py_config.json"}
    assert files(root) - before == {
        *(f"{code}/{name}.py" for name in names),
        *(f"maxaiconfigs/shipping/delays/{name}" for name in configs),
        *(f"{DAGS}/score/{name}.py" for name in ("dag", "dag_test", "run_test")),
    }
    folder = root / "maxaiconfigs/shipping/delays"
    tasks = json.loads((folder / "kubepod_config.json").read_text())["tasks"]
    assert [(task["id"], task["name"]) for task in tasks] == [(1, "one"), (2, "two")]
    py_config = json.loads((folder / "score/py_config.json").read_text())
    paths = [
        py_config[task][side][0]["sourceDetails"]["filePath"]
        for task in ("one", "two")
        for side in ("input", "output")
    ]
    names = ["input", "one", "one", "two"]
    assert paths == [f"shipping/delays/{name}.csv" for name in names]
    dag = (root / DAGS / "score/dag.py").read_text()
    assert 'task_id="one", operator="KubernetesPodOperator", parent=["root"]' in dag
    assert 'task_id="two", operator="KubernetesPodOperator", parent=["one"]' in dag


def test_a_usecase_with_spark(root: Path) -> None:
    new.main(["domain", "telemetry", "--spark"])
    names = "telemetry outages --objective score --operator spark".split()
    new.main(["usecase", *names])
    folder = root / "maxaiconfigs/telemetry/outages"
    assert {path.name for path in folder.iterdir()} == {"score", "spark_config.json"}


def test_an_objective_changes_only_the_launch_config(root: Path) -> None:
    new.main(USECASE)
    code = root / "maxaiusecases/shipping/delays/handlers"
    (code / "__init__.py").write_text("# A comment\n")
    launch = root / LAUNCH_CONFIG
    # It stands on one line, and another list follows that of the tasks.
    config = {**json.loads(launch.read_text()), "conf": {"arguments": []}}
    text = json.dumps(config)
    launch.write_text(text)
    before = {path: (root / path).read_text() for path in files(root)}
    new.main([*OBJECTIVE, "--handler", "one", "--handler", "two"])
    handlers = ("one", "one_test", "two", "two_test")
    assert files(root) - before.keys() == {
        *(f"maxaiusecases/shipping/delays/handlers/{name}.py" for name in handlers),
        "maxaiconfigs/shipping/delays/monthly/py_config.json",
        *(f"{DAGS}/monthly/{name}.py" for name in ("dag", "dag_test", "run_test")),
    }
    changed = {path for path in before if (root / path).read_text() != before[path]}
    assert changed == {LAUNCH_CONFIG}
    after = json.loads(launch.read_text())
    tasks = [(task["id"], task["name"]) for task in after["tasks"]]
    assert tasks == [(1, "score"), (2, "one"), (3, "two")]
    assert {**after, "tasks": after["tasks"][:1]} == config
    end = text.index("}], ") + 1
    assert launch.read_text().startswith(text[:end])
    assert launch.read_text().endswith(text[end:])


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        (LAUNCH_CONFIG, '{"tasks": [{"name": "monthly"}]}', "has a task 'monthly'"),
        (LAUNCH_CONFIG, "{", "cannot be read (JSONDecodeError("),
        (LAUNCH_CONFIG, "{}", "cannot be read (KeyError('tasks'))"),
        (f"{DAGS}/monthly", "", "monthly: already exists; use another name"),
        (SPARK_CONFIG, '{"tasks": []}', "--operator is required, because"),
    ],
)
def test_an_objective_that_does_not_fit_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str], path: str, text: str, expected: str
) -> None:
    new.main(USECASE)
    (root / path).write_text(text)
    before = files(root)
    with pytest.raises(SystemExit, match="2"):
        new.main(OBJECTIVE)
    error = capsys.readouterr().err
    assert path in error and expected in error
    assert files(root) == before


def test_code_with_the_longest_names_is_formatted(root: Path) -> None:
    name = "a" * 40
    new.main(["domain", name])
    arguments = ["--objective", name, "--operator", "kubepod", "--handler", name]
    new.main(["usecase", name, name, *arguments])
    written = [path for path in root.rglob("*.py") if name in str(path)]
    assert len(written) == 8
    for path in written:
        text = path.read_text()
        assert black.format_str(text, mode=black.Mode()) == text


KUBEPOD = "--operator kubepod --objective a"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        *(
            (f"usecase shipping {name} {KUBEPOD}", "is not a valid name: use lowercase")
            for name in ("Delays", "1st", "a-b", "a__b", "a_", "_a", "class", "a" * 41)
        ),
        ("domain a-b", "'a-b' is not a valid name: use lowercase"),
        ("domain black", "is the name of a base image or of a tool's resolve"),
        ("domain spark", "is the name of a base image or of a tool's resolve"),
        ("domain shipping", "or add to it: ./pants new usecase shipping ..."),
        ("objective shipping delay a", "does not exist; did you mean delays?"),
        ("objective shipping fleet a", "does not exist; create it with `./pants new"),
        ("objective shipping delays a --handler score", "score.py: already exists; "),
        (f"usecase shipping common {KUBEPOD}", "what usecases share; use another name"),
        (f"usecase shiping a {KUBEPOD}", "did you mean shipping?"),
        (f"usecase energy a {KUBEPOD}", "create it with `./pants new domain energy`"),
        (f"usecase shipping a {KUBEPOD} --handler signal", "would hide the module"),
        (
            f"usecase shipping a {KUBEPOD} --handler a_test",
            "treats a_test.py as a test",
        ),
        ("usecase shipping a --operator spark --objective a", "has no Spark; use"),
        ("usecase shipping a", "are required: --objective, --operator"),
    ],
)
def test_a_refused_request_writes_nothing(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: str, expected: str
) -> None:
    new.main(USECASE)
    before = files(root)
    with pytest.raises(SystemExit, match="2"):
        new.main(arguments.split())
    assert expected in capsys.readouterr().err
    assert files(root) == before


@pytest.mark.parametrize("tree", TREES)
def test_an_existing_folder_in_any_tree_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str], tree: str
) -> None:
    (root / tree / "shipping/delays").mkdir(parents=True)
    with pytest.raises(SystemExit):
        new.main(USECASE)
    expected = f"{tree}/shipping/delays: already exists; use another name, or add to it"
    assert expected in capsys.readouterr().err


def test_requirements_that_cannot_be_met_leave_the_files_to_correct(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_FIND_LINKS", "")
    with pytest.raises(SystemExit, match="requirements.txt"):
        new.main(["domain", "logistics"])
    assert (root / USECASES / "logistics/requirements.txt").exists()
