"""Tests of `./pants new` in a temporary repository, with the real copier, black and uv."""

from __future__ import annotations

import builtins
import json
import os
import re
import shutil
import signal
import stat
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import black
import pytest

from maxairesources.tree import MACROS, PANTS_TOML, TREES
from maxaitools import lock
from maxaitools.new import main as new
from maxaitools.new import stage
from maxaitools.new.repository import (
    Refused,
    Repository,
    add_to_macros,
    add_to_pants_toml,
    check_name,
)

RESOLVES = """\
# A comment.
[python]
interpreter_constraints = ["CPython==3.11.*"]
[python.resolves]
# One for each domain.
farming = "maxaiusecases/farming/requirements.lock"
shipping = "maxaiusecases/shipping/requirements.lock"
# The tools.
black = "3rdparty/python/black.lock"
"""
LISTS = """\
SPARK_DOMAINS = ("shipping",)

# A comment.
DOMAINS = ("farming", "shipping")


def marketplace_domain():
    pass
"""
USECASE = "usecase shipping delays --objective score --operator kubepod".split()
WHEELS = {
    "fsspec": "2025.3",
    "numpy": "2.0",
    "pandas": "2.2",
    "py4j": "0.10",
    "pyarrow": "18.0",
    "pydantic": "2.11",
    "pyspark": "4.3",
}

Check = Callable[..., None]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of wheels, which replaces the package index."""
    folder = tmp_path_factory.mktemp("wheels")
    for name, version in WHEELS.items():
        info = f"{name}-{version}.dist-info"
        with zipfile.ZipFile(
            folder / f"{name}-{version}-py3-none-any.whl", "w"
        ) as file:
            file.writestr(
                f"{info}/METADATA",
                f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            )
            file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            file.writestr(f"{info}/RECORD", "")
    return folder


@pytest.fixture
def root(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    root = tmp_path / "root"
    shutil.copytree("build-support/images", root / "build-support/images")
    (root / MACROS).write_text(LISTS)
    (root / PANTS_TOML).write_text(RESOLVES)
    for domain in ("farming", "shipping"):
        for tree in TREES:
            (root / tree / domain).mkdir(parents=True)
        (root / "maxaiusecases" / domain / "BUILD").touch()
    monkeypatch.chdir(root)
    handlers = {each: signal.getsignal(each) for each in stage.SIGNALS}
    yield root
    for each, handler in handlers.items():
        signal.signal(each, handler)


def end_of_input(prompt: str) -> str:
    raise EOFError


def files(root: Path) -> dict[str, str]:
    """Return the content of every file below a folder, by its path; "folder" for folders."""
    return {
        str(path.relative_to(root)): path.read_text() if path.is_file() else "folder"
        for path in sorted(root.rglob("*"))
    }


def added(before: dict[str, str], root: Path) -> set[str]:
    after = files(root)
    return {path for path in after.keys() - before if after[path] != "folder"}


@pytest.fixture
def check_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    """Return a function that runs the command, which must fail and write nothing.

    Its arguments are those of the command, and parts of the expected error.
    """

    def check(arguments: list[str], *parts: str) -> None:
        before = files(root)
        assert new.main(arguments) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") <= 2
        for part in parts:
            assert part in error
        assert files(root) == before

    return check


def test_a_new_domain_is_written_and_listed(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(root)
    (root / PANTS_TOML).chmod(0o664)
    assert new.main(["domain", "logistics"]) == 0
    folder = "maxaiusecases/logistics"
    names = ["BUILD", "Dockerfile", "README.md", "image_test.py", "requirements.lock"]
    names += ["requirements.txt", "setup.py"]
    assert added(before, root) == {f"{folder}/{name}" for name in names}
    lines = RESOLVES.splitlines(keepends=True)
    lines.insert(6, 'logistics = "maxaiusecases/logistics/requirements.lock"\n')
    assert (root / PANTS_TOML).read_text() == "".join(lines)
    assert stat.S_IMODE((root / PANTS_TOML).stat().st_mode) == 0o664
    assert (root / MACROS).read_text() == LISTS.replace(
        '("farming", "shipping")', '("farming", "logistics", "shipping")'
    )
    assert lock.main(["logistics"]) == 0
    output = capsys.readouterr().out
    assert f"{folder}/requirements.lock: unchanged" in output
    assert "edited:\n  build-support/macros.py\n  pants.toml\nnext:\n" in output
    text = (root / folder / "requirements.lock").read_text()
    assert "pandas==2.2" in text and "pyspark" not in text


def test_the_image_has_the_current_base_image(root: Path) -> None:
    assert new.main(["domain", "logistics"]) == 0
    base = Repository(root).base_image("python")
    lines = (root / "maxaiusecases/logistics/Dockerfile").read_text().splitlines()
    stages = [line for line in lines if line.startswith("FROM ")]
    assert stages == [f"FROM {base} AS deps", f"FROM {base}"]
    assert "COPY maxaiusecases.logistics/deps.pex /deps.pex" in lines
    assert 'LABEL org.opencontainers.image.title="maxai/logistics" \\' in lines


def test_the_first_domain_is_written(root: Path) -> None:
    for tree in TREES:
        shutil.rmtree(root / tree)
    lists = LISTS.replace('("farming", "shipping")', "()")
    (root / MACROS).write_text(lists.replace('("shipping",)', "()"))
    resolves = [line for line in RESOLVES.splitlines() if "maxaiusecases" not in line]
    (root / PANTS_TOML).write_text("\n".join([*resolves, ""]))
    assert new.main(["domain", "logistics"]) == 0
    assert '\nDOMAINS = ("logistics",)\n' in (root / MACROS).read_text()
    place = resolves.index("# One for each domain.") + 1
    resolves.insert(place, 'logistics = "maxaiusecases/logistics/requirements.lock"')
    assert (root / PANTS_TOML).read_text().splitlines() == resolves


def test_a_spark_domain_has_spark(root: Path) -> None:
    assert new.main(["domain", "telemetry", "--spark"]) == 0
    macros = (root / MACROS).read_text()
    assert 'SPARK_DOMAINS = ("shipping", "telemetry")\n' in macros
    assert '\nDOMAINS = ("farming", "shipping", "telemetry")\n' in macros
    folder = root / "maxaiusecases/telemetry"
    assert "FROM maxai/spark:" in (folder / "Dockerfile").read_text()
    assert "pyspark==4.3" in (folder / "requirements.lock").read_text()


def test_a_new_usecase_is_written(root: Path) -> None:
    before = files(root)
    handlers = ["--handler", "handler_01", "--handler", "handler_02"]
    assert new.main([*USECASE, *handlers]) == 0
    code = "maxaiusecases/shipping/delays/handlers"
    configs = "maxaiconfigs/shipping/delays"
    dags = "maxaidags/shipping/delays/score"
    assert added(before, root) == {
        f"{code}/BUILD",
        f"{code}/__init__.py",
        f"{code}/handler_01.py",
        f"{code}/handler_01_test.py",
        f"{code}/handler_02.py",
        f"{code}/handler_02_test.py",
        f"{configs}/BUILD",
        f"{configs}/kubepod_config.json",
        f"{configs}/score/BUILD",
        f"{configs}/score/py_config.json",
        f"{dags}/BUILD",
        f"{dags}/dag.py",
        f"{dags}/dag_test.py",
        f"{dags}/run_test.py",
    }


@pytest.mark.parametrize(
    ("operator", "config", "operator_class"),
    [
        ("kubepod", "kubepod_config.json", "KubernetesPodOperator"),
        ("spark", "spark_config.json", "SparkSubmitOperator"),
    ],
)
def test_each_handler_is_a_task_that_reads_the_output_of_the_previous_task(
    root: Path, operator: str, config: str, operator_class: str
) -> None:
    names = ["shipping", "delays", "--objective", "score", "--operator", operator]
    assert new.main(["usecase", *names, "--handler", "one", "--handler", "two"]) == 0
    folder = root / "maxaiconfigs/shipping/delays"
    tasks = json.loads((folder / config).read_text())["tasks"]
    assert [(task["id"], task["name"]) for task in tasks] == [(1, "one"), (2, "two")]
    py_config = json.loads((folder / "score/py_config.json").read_text())
    assert py_config.keys() == {"$schema", "one", "two"}
    paths = [
        py_config[task][side][0]["sourceDetails"]["filePath"]
        for task in ("one", "two")
        for side in ("input", "output")
    ]
    names = ["input", "one", "one", "two"]
    assert paths == [f"shipping/delays/{name}.csv" for name in names]
    dag = (root / "maxaidags/shipping/delays/score/dag.py").read_text()
    assert f'task_id="one", operator="{operator_class}", parent=["root"]' in dag
    assert f'task_id="two", operator="{operator_class}", parent=["one"]' in dag


def test_the_default_handler_has_the_name_of_the_objective(root: Path) -> None:
    assert new.main(USECASE) == 0
    folder = root / "maxaiusecases/shipping/delays/handlers"
    assert {path.name for path in folder.iterdir()} == {
        *("BUILD", "__init__.py", "score.py", "score_test.py")
    }


def test_code_with_the_longest_names_is_formatted(root: Path) -> None:
    name = "a" * 40
    assert new.main(["domain", name]) == 0
    arguments = ["--objective", name, "--operator", "kubepod", "--handler", name]
    assert new.main(["usecase", name, name, *arguments]) == 0
    written = [path for path in root.rglob("*.py") if name in str(path)]
    assert len(written) == 8
    for path in written:
        text = path.read_text()
        assert black.format_str(text, mode=black.Mode()) == text


@pytest.mark.parametrize(
    "name", ["Delays", "1st", "a-b", "a__b", "a_", "_a", "", "../a", "class", "a" * 41]
)
def test_an_invalid_name_is_refused(name: str) -> None:
    expected = f"{name!r} is not a valid usecase name: use lowercase letters, "
    with pytest.raises(Refused, match=re.escape(expected)):
        check_name("usecase", name)


@pytest.mark.parametrize("kind", ["domain", "usecase", "objective", "handler"])
def test_every_new_name_is_checked(check_refused: Check, kind: str) -> None:
    arguments = {
        "domain": ["domain", "a-b"],
        "usecase": ["usecase", "shipping", "a-b", *USECASE[3:]],
        "objective": [*USECASE, "--objective=a-b", "--handler=a"],
        "handler": [*USECASE, "--handler=a-b"],
    }[kind]
    check_refused(arguments, f"'a-b' is not a valid {kind} name: ")


@pytest.mark.parametrize("name", ["score_test", "test_score", "tests", "conftest"])
def test_a_handler_with_the_name_of_a_test_is_refused(
    check_refused: Check, name: str
) -> None:
    expected = f"Pants treats {name}.py as a test; rename it"
    check_refused([*USECASE, "--handler", name], expected)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["domain", "black"], "[python.resolves] already has 'black'"),
        (["usecase", "shipping", "common", *USECASE[3:]], "the folder common holds"),
        (["domain", "spark"], "maxai/spark is the name of a base image"),
        ([*USECASE, "--handler", "a", "--handler", "a"], "--handler a is given twice"),
        ([*USECASE, "--handler", "signal"], "it would hide the module signal; rename"),
        ([*USECASE, "--handler", "pandas"], "it would hide the module pandas; rename"),
        (
            ["usecase", "shiping", *USECASE[2:]],
            "domain 'shiping' does not exist; did you mean shipping?",
        ),
        (["usecase", "energy", *USECASE[2:]], "create it with `./pants new domain en"),
        (
            ["usecase", "farming", *USECASE[2:-1], "spark"],
            "domain 'farming' has no Spark; use --operator kubepod, or add Spark:\npy4j",
        ),
    ],
)
def test_an_impossible_request_is_refused(
    check_refused: Check, arguments: list[str], expected: str
) -> None:
    check_refused(arguments, expected)


@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize("arguments", [["domain", "logistics"], USECASE], ids=len)
def test_an_existing_path_in_any_tree_is_refused(
    check_refused: Check, root: Path, tree: str, arguments: list[str]
) -> None:
    folder = Path(tree, *arguments[1:3])
    # Even a dangling link is not overwritten.
    (root / folder).symlink_to("nowhere")
    check_refused(arguments, f"{folder}: already exists")


def test_an_incomplete_domain_is_refused(check_refused: Check, root: Path) -> None:
    usecase = ["usecase", "logistics", *USECASE[2:]]
    macros, folder = root / MACROS, root / "maxaiusecases/logistics"
    macros.write_text(LISTS.replace('"farming", ', '"farming", "logistics", '))
    expected = "'logistics' is already listed; remove it there"
    check_refused(["domain", "logistics"], expected)
    check_refused(usecase, "maxaiusecases/logistics/BUILD: not found")
    folder.mkdir()
    (folder / "BUILD").touch()
    check_refused(usecase, "[python.resolves] has no 'logistics'; add ")
    macros.write_text(LISTS)
    check_refused(usecase, "DOMAINS does not list 'logistics', but ")


@pytest.mark.parametrize(
    ("macros", "expected"),
    [
        (LISTS.replace("SPARK_DOMAINS", "OTHERS"), "'SPARK_DOMAINS' is missing; add"),
        (LISTS.replace('"shipping",)', '"shipping"'), "cannot be read: "),
        (LISTS.replace('("shipping",)', "other()"), "cannot be read: "),
    ],
)
def test_unreadable_macros_are_refused(
    check_refused: Check, root: Path, macros: str, expected: str
) -> None:
    (root / MACROS).write_text(macros)
    check_refused(USECASE, f"error: {MACROS}: {expected}")


@pytest.mark.parametrize("text", ["{{missing}}", "{% if %}"])
def test_an_error_in_a_template_is_refused(
    check_refused: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    templates = tmp_path / "templates"
    shutil.copytree(stage._TEMPLATES, templates)
    (templates / "usecase/broken.jinja").write_text(text)
    monkeypatch.setattr(stage, "_TEMPLATES", templates)
    check_refused(USECASE, "error: templates/usecase: ")


def test_the_folder_of_a_killed_run_is_refused(
    check_refused: Check, root: Path
) -> None:
    (root / ".new-abc").mkdir()
    check_refused(USECASE, ".new-abc: another run is active or was killed")


def test_another_working_directory_than_the_root_is_refused(
    check_refused: Check, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root / "maxaidags")
    check_refused(USECASE, "pants.toml: not found; run this in the root")


@pytest.mark.parametrize(
    ("last", "interrupted"),
    [(1, None), (2, None), (3, None), (3, signal.SIGINT), (3, signal.SIGHUP)],
)
def test_all_files_are_moved_back_after_an_error(
    root: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    last: int,
    interrupted: signal.Signals | None,
) -> None:
    """A domain needs three moves: its folder and two edited files."""
    done: list[Path] = []

    def move(path: Path, target: Path) -> None:
        if ".new-" in str(path) and path.suffix != ".old":
            done.append(target)
            if interrupted:
                os.kill(os.getpid(), interrupted)
            if len(done) == last:
                raise OSError("the disk is full")
        os.replace(path, target)

    monkeypatch.setattr(Path, "rename", move)
    monkeypatch.setattr(Path, "replace", move)
    before = files(root)
    # A signal during the moves takes effect after the files are moved back.
    if interrupted == signal.SIGHUP:
        with pytest.raises(SystemExit, match="129"):
            new.main(["domain", "logistics"])
    else:
        assert new.main(["domain", "logistics"]) == (130 if interrupted else 1)
        expected = "Interrupted" if interrupted else "error: the disk is full\n"
        assert expected in capsys.readouterr().err
    assert len(done) == last
    assert files(root) == before


def test_nothing_is_written_after_ctrl_c(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def compile_lock(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(lock, "compile_lock", compile_lock)
    before = files(root)
    assert new.main(["domain", "logistics"]) == 130
    assert capsys.readouterr().err == "\nInterrupted; nothing is written.\n"
    assert files(root) == before


@pytest.mark.parametrize("path", [PANTS_TOML, MACROS])
def test_a_file_that_the_user_edits_meanwhile_is_not_overwritten(
    root: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    path: str,
) -> None:
    def compile_lock(*_: object, **__: object) -> None:
        with (root / path).open("a") as file:
            file.write("# Mine.\n")

    monkeypatch.setattr(lock, "compile_lock", compile_lock)
    before = files(root)
    assert new.main(["domain", "logistics"]) == 1
    assert (
        f"{path}: changed while this command ran; run it again"
        in capsys.readouterr().err
    )
    assert files(root) == {**before, path: f"{before[path]}# Mine.\n"}


def test_a_comment_in_the_list_of_domains_is_not_lost(
    check_refused: Check, root: Path
) -> None:
    macros = LISTS.replace('"farming", ', '"farming",  # Why.\n    ')
    (root / MACROS).write_text(macros)
    expected = "the edit would lose the comment inside DOMAINS; move the"
    check_refused(["domain", "logistics"], expected)


def test_requirements_that_cannot_be_locked_are_reported_in_one_line(
    check_refused: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_FIND_LINKS")
    expected = "error: maxaiusecases/logistics/requirements.txt: "
    check_refused(["domain", "logistics"], expected)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "missing: kind; see --help"),
        (["domain"], "missing: domain; see --help"),
        (["usecase", "shipping"], "missing: usecase, objective, operator; see --help"),
    ],
)
def test_missing_arguments_are_reported_without_a_terminal(
    root: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    expected: str,
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    assert new.main(arguments) == 2
    assert capsys.readouterr().err == f"error: {expected}\n"


def test_the_command_asks_for_missing_arguments_on_a_terminal(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {
        "kind (domain or usecase): ": "usecase",
        "domain: ": "shipping",
        "usecase: ": " delays ",
        "objective: ": "score",
        "operator (kubepod or spark): ": "kubepod",
    }
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(builtins, "input", answers.pop)
    assert new.main([]) == 0
    assert not answers
    assert (root / "maxaidags/shipping/delays/score/dag.py").exists()


@pytest.mark.parametrize(
    ("answer", "code", "expected"),
    [
        (
            lambda _: "pod",
            2,
            "error: 'pod' is not a valid operator; use kubepod or spark\n",
        ),
        (end_of_input, 130, "Interrupted; nothing is written."),
    ],
)
def test_an_invalid_or_missing_answer_is_reported(
    root: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: object,
    code: int,
    expected: str,
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(builtins, "input", answer)
    before = files(root)
    assert new.main(USECASE[:-2]) == code
    assert expected in capsys.readouterr().err
    assert files(root) == before


def test_an_edit_keeps_the_rest_of_the_macros() -> None:
    macros = 'SPARK_DOMAINS = ("b",)\nDOMAINS = ("b",)  # why\n'
    assert add_to_macros(macros, "DOMAINS", "a") == (
        'SPARK_DOMAINS = ("b",)\nDOMAINS = ("a", "b")  # why\n'
    )
    long = tuple("abcdefgh" * 2 + letter for letter in "xyz")
    wrapped = add_to_macros(f"DOMAINS = {long}\n", "DOMAINS", "abcdefgh" * 3)
    assert wrapped.startswith('DOMAINS = (\n    "abcdefghabcdefghabcdefgh",\n')
    assert black.format_str(wrapped, mode=black.Mode()) == wrapped


@pytest.mark.parametrize(
    ("name", "line"), [("energy", 5), ("logistics", 6), ("travel", 7)]
)
def test_the_resolves_of_the_domains_stay_sorted(name: str, line: int) -> None:
    edited = add_to_pants_toml(RESOLVES, name)
    lines = edited.splitlines()
    assert lines.pop(line) == f'{name} = "maxaiusecases/{name}/requirements.lock"'
    assert lines == RESOLVES.splitlines()
    assert name in tomllib.loads(edited)["python"]["resolves"]


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        new.main(["--help"])
    assert end.value.code == 0
    assert (
        "./pants new usecase logistics delays --objective score"
        in capsys.readouterr().out
    )
