"""Tests of build-support/tools/maxaitools/new, in a scratch tree, with the real copier, black and uv."""

from __future__ import annotations

import builtins
import json
import os
import shutil
import signal
import stat
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import black
import pytest

from maxaitools import lock
from maxaitools.new import main as new

PANTS_TOML = """\
# A comment.
[python]
interpreter_constraints = ["CPython==3.11.*"]
[python.resolves]
# One for each domain.
finance = "maxaiusecases/finance/requirements.lock"
retail = "maxaiusecases/retail/requirements.lock"
# The tools'.
black = "3rdparty/python/black.lock"
"""
MACROS = """\
SPARK_DOMAINS = ("retail",)

# A comment.
DOMAINS = ("finance", "retail")


def marketplace_domain():
    pass
"""
FINANCE_DOCKERFILE = Path("maxaiusecases/finance/Dockerfile").resolve()
CHURN = ["usecase", "retail", "churn", "--objective", "score", "--operator", "kubepod"]
WHEELS = {
    "fsspec": "2025.3",
    "numpy": "2.0",
    "pandas": "2.2",
    "py4j": "0.10",
    "pyarrow": "18.0",
    "pydantic": "2.11",
    "pyspark": "4.3",
}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package index of files, which stands for the real one."""
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
    (root / "build-support/macros.py").write_text(MACROS)
    (root / "pants.toml").write_text(PANTS_TOML)
    for domain in ("finance", "retail"):
        for tree in ("maxaiusecases", "maxaiconfigs", "maxaidags"):
            (root / tree / domain).mkdir(parents=True)
        (root / "maxaiusecases" / domain / "BUILD").touch()
    monkeypatch.chdir(root)
    handlers = {each: signal.getsignal(each) for each in new.SIGNALS}
    yield root
    for each, handler in handlers.items():
        signal.signal(each, handler)


def end_of_input(prompt: str) -> str:
    raise EOFError


def files(root: Path) -> dict[str, str]:
    """Return the text of every file below a folder, by its path; folders have None."""
    return {
        str(path.relative_to(root)): path.read_text() if path.is_file() else "folder"
        for path in sorted(root.rglob("*"))
    }


def added(before: dict[str, str], root: Path) -> set[str]:
    after = files(root)
    return {path for path in after.keys() - before if after[path] != "folder"}


def check_refused(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], *parts: str
) -> None:
    """Assert that the command fails with a line or two, and writes nothing."""
    before = files(root)
    assert new.main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") <= 2
    for part in parts:
        assert part in error
    assert files(root) == before


def test_a_domain_is_written_and_made_known(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(root)
    (root / "pants.toml").chmod(0o664)
    assert new.main(["domain", "logistics"]) == 0
    folder = "maxaiusecases/logistics"
    names = ["BUILD", "Dockerfile", "README.md", "image_test.py", "requirements.lock"]
    names += ["requirements.txt", "setup.py"]
    assert added(before, root) == {f"{folder}/{name}" for name in names}
    lines = PANTS_TOML.splitlines(keepends=True)
    lines.insert(6, 'logistics = "maxaiusecases/logistics/requirements.lock"\n')
    assert (root / "pants.toml").read_text() == "".join(lines)
    assert stat.S_IMODE((root / "pants.toml").stat().st_mode) == 0o664
    assert (root / "build-support/macros.py").read_text() == MACROS.replace(
        '("finance", "retail")', '("finance", "logistics", "retail")'
    )
    assert lock.main(["logistics"]) == 0
    output = capsys.readouterr().out
    assert f"{folder}/requirements.lock: unchanged" in output
    assert "edited:\n  build-support/macros.py\n  pants.toml\nnext:\n" in output
    text = (root / folder / "requirements.lock").read_text()
    assert "pandas==2.2" in text and "pyspark" not in text


def test_the_image_of_a_domain_is_made_like_that_of_another(root: Path) -> None:
    """The other is the repository's finance."""
    assert new.main(["domain", "logistics"]) == 0
    text = (root / "maxaiusecases/logistics/Dockerfile").read_text()
    assert text.replace("logistics", "finance") == FINANCE_DOCKERFILE.read_text()


def test_a_spark_domain_has_spark(root: Path) -> None:
    assert new.main(["domain", "telemetry", "--spark"]) == 0
    macros = (root / "build-support/macros.py").read_text()
    assert 'SPARK_DOMAINS = ("retail", "telemetry")\n' in macros
    assert '\nDOMAINS = ("finance", "retail", "telemetry")\n' in macros
    folder = root / "maxaiusecases/telemetry"
    assert "FROM maxai/spark:" in (folder / "Dockerfile").read_text()
    assert "pyspark==4.3" in (folder / "requirements.lock").read_text()


def test_the_tree_of_the_documentation(root: Path) -> None:
    before = files(root)
    for number in ("01", "02"):
        domain, usecase = f"domain_{number}", f"usecase_{number}"
        names = [domain, usecase, "--objective", "obj0", "--operator", "spark"]
        names += ["--handler", "handler_01", "--handler", "handler_02"]
        assert new.main(["domain", domain, "--spark"]) == 0
        assert new.main(["usecase", *names]) == 0
    written = added(before, root)
    for number in ("01", "02"):
        domain, usecase = f"domain_{number}", f"usecase_{number}"
        code = f"maxaiusecases/{domain}/{usecase}/handlers"
        configs = f"maxaiconfigs/{domain}/{usecase}"
        dags = f"maxaidags/{domain}/{usecase}/obj0"
        assert {path for path in written if number in path and usecase in path} == {
            f"{code}/BUILD",
            f"{code}/__init__.py",
            f"{code}/handler_01.py",
            f"{code}/handler_01_test.py",
            f"{code}/handler_02.py",
            f"{code}/handler_02_test.py",
            f"{configs}/BUILD",
            f"{configs}/spark_config.json",
            f"{configs}/obj0/BUILD",
            f"{configs}/obj0/py_config.json",
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
def test_handlers_are_a_chain_of_tasks(
    root: Path, operator: str, config: str, operator_class: str
) -> None:
    names = ["retail", "churn", "--objective", "score", "--operator", operator]
    assert new.main(["usecase", *names, "--handler", "one", "--handler", "two"]) == 0
    folder = root / "maxaiconfigs/retail/churn"
    tasks = json.loads((folder / config).read_text())["tasks"]
    assert [(task["id"], task["name"]) for task in tasks] == [(1, "one"), (2, "two")]
    told = json.loads((folder / "score/py_config.json").read_text())
    assert told.keys() == {"$schema", "one", "two"}
    paths = [
        told[task][side][0]["sourceDetails"]["filePath"]
        for task in ("one", "two")
        for side in ("input", "output")
    ]
    names = ["input", "one", "one", "two"]
    assert paths == [f"retail/churn/{name}.csv" for name in names]
    dag = (root / "maxaidags/retail/churn/score/dag.py").read_text()
    assert f'task_id="one", operator="{operator_class}", parent=["root"]' in dag
    assert f'task_id="two", operator="{operator_class}", parent=["one"]' in dag


def test_without_handlers_there_is_one_named_like_the_objective(root: Path) -> None:
    assert new.main(CHURN) == 0
    folder = root / "maxaiusecases/retail/churn/handlers"
    assert {path.name for path in folder.iterdir()} == {
        *("BUILD", "__init__.py", "score.py", "score_test.py")
    }


def test_the_longest_names_are_formatted_too(root: Path) -> None:
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
    "name", ["Churn", "1st", "a-b", "a__b", "a_", "_a", "", "../a", "class", "a" * 41]
)
@pytest.mark.parametrize("place", ["domain", "usecase", "objective", "handler"])
def test_a_name_must_keep_the_rule(
    root: Path, capsys: pytest.CaptureFixture[str], place: str, name: str
) -> None:
    arguments = {
        "domain": ["domain", name],
        "usecase": ["usecase", "retail", name, *CHURN[3:]],
        "objective": [*CHURN, f"--objective={name}", "--handler", "a"],
        "handler": [*CHURN, f"--handler={name}"],
    }[place]
    rule = f"{place} {name!r}: a name is made of lower-case letters"
    check_refused(root, capsys, arguments, rule)


@pytest.mark.parametrize("name", ["score_test", "test_score", "tests", "conftest"])
def test_a_handler_must_not_look_like_a_test(
    root: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    check_refused(root, capsys, [*CHURN, "--handler", name], "for a test; rename it")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["domain", "retail"], "maxaiusecases/retail is there already"),
        (["domain", "black"], "[python.resolves] has 'black' already"),
        (["domain", "spark"], "maxai/spark is a base image"),
        ([*CHURN, "--handler", "a", "--handler", "a"], "--handler a is given twice"),
        ([*CHURN, "--handler", "signal"], "a module that handlers import is called so"),
        ([*CHURN, "--handler", "pandas"], "a module that handlers import is called so"),
        (["usecase", "retial", *CHURN[2:]], "no domain 'retial'; did you mean retail?"),
        (
            ["usecase", "energy", *CHURN[2:]],
            "first `./pants new d",
        ),
        (
            ["usecase", "finance", "churn", *CHURN[3:-1], "spark"],
            "finance is no Spark domain; take --operator kubepod, or make it one:\npy4j",
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    check_refused(root, capsys, arguments, expected)


@pytest.mark.parametrize("tree", new.TREES)
@pytest.mark.parametrize("arguments", [["domain", "logistics"], CHURN], ids=len)
def test_what_is_there_in_any_tree_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str], tree: str, arguments: list[str]
) -> None:
    folder = Path(tree, *arguments[1:3])
    # Not even a link to nowhere is written over.
    (root / folder).symlink_to("nowhere")
    check_refused(root, capsys, arguments, f"{folder} is there already")


def test_a_half_finished_domain_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    usecase = ["usecase", "logistics", *CHURN[2:]]
    macros = root / "build-support/macros.py"
    macros.write_text(MACROS.replace('"finance", ', '"finance", "logistics", '))
    expected = "lists the domain 'logistics' already"
    check_refused(root, capsys, ["domain", "logistics"], expected)
    check_refused(root, capsys, usecase, "maxaiusecases/logistics/BUILD or its line in")
    macros.write_text(MACROS)
    (root / "maxaiusecases/logistics").mkdir()
    check_refused(root, capsys, usecase, "macros.py does not list it")


def test_leftovers_of_a_killed_run_are_refused(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / ".new-abc").mkdir()
    check_refused(root, capsys, CHURN, ".new-abc: left by a run that was killed")


def test_it_begins_in_the_root(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root / "maxaidags")
    check_refused(root, capsys, CHURN, "pants.toml: not found; begin in the root")


@pytest.mark.parametrize("interrupted", [None, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("last", [1, 2, 3])
def test_all_is_moved_back_when_a_move_fails(
    root: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    last: int,
    interrupted: signal.Signals | None,
) -> None:
    """A domain takes three moves: that of its folder and those of two edited files."""
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
    # A signal while files are moved is heard after they are moved back.
    if interrupted == signal.SIGHUP:
        with pytest.raises(SystemExit, match="129"):
            new.main(["domain", "logistics"])
    else:
        assert new.main(["domain", "logistics"]) == (130 if interrupted else 1)
        expected = "Interrupted" if interrupted else "error: the disk is full\n"
        assert expected in capsys.readouterr().err
    assert len(done) == last
    assert files(root) == before


def test_ctrl_c_before_the_moves_leaves_nothing(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def compile_lock(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(lock, "compile_lock", compile_lock)
    before = files(root)
    assert new.main(["domain", "logistics"]) == 130
    assert capsys.readouterr().err == "\nInterrupted; nothing is written.\n"
    assert files(root) == before


@pytest.mark.parametrize("path", ["pants.toml", "build-support/macros.py"])
def test_what_is_edited_meanwhile_is_not_overwritten(
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
    assert f"{path} was changed meanwhile; run" in capsys.readouterr().err
    assert files(root) == {**before, path: f"{before[path]}# Mine.\n"}


def test_a_comment_among_the_domains_is_not_lost(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    macros = MACROS.replace('"finance", ', '"finance",  # Why.\n    ')
    (root / "build-support/macros.py").write_text(macros)
    expected = "a comment in DOMAINS would be lost; move it above"
    check_refused(root, capsys, ["domain", "logistics"], expected)


def test_a_lock_that_cannot_be_compiled_is_one_line(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_FIND_LINKS")
    expected = "error: maxaiusecases/logistics/requirements.txt: "
    check_refused(root, capsys, ["domain", "logistics"], expected)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "missing: kind; see --help"),
        (["domain"], "missing: domain; see --help"),
        (["usecase", "retail"], "missing: usecase, objective, operator; see --help"),
    ],
)
def test_without_a_terminal_nothing_is_asked(
    root: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    expected: str,
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    assert new.main(arguments) == 2
    assert capsys.readouterr().err == f"error: {expected}\n"


def test_on_a_terminal_what_is_missing_is_asked(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {
        "kind (domain or usecase): ": "usecase",
        "domain: ": "retail",
        "usecase: ": " churn ",
        "objective: ": "score",
        "operator (kubepod or spark): ": "kubepod",
    }
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(builtins, "input", answers.pop)
    assert new.main([]) == 0
    assert not answers
    assert (root / "maxaidags/retail/churn/score/dag.py").exists()


@pytest.mark.parametrize(
    ("answer", "code", "expected"),
    [
        (lambda _: "pod", 2, "error: 'pod' is none; give kubepod or spark\n"),
        (end_of_input, 130, "Interrupted; nothing is written."),
    ],
)
def test_an_answer_may_be_wrong_or_none(
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
    assert new.main(CHURN[:-2]) == code
    assert expected in capsys.readouterr().err
    assert files(root) == before


def test_edits_keep_what_they_do_not_concern() -> None:
    macros = 'SPARK_DOMAINS = ("b",)\nDOMAINS = ("b",)  # why\n'
    assert new.add_to_macros(macros, "DOMAINS", "a") == (
        'SPARK_DOMAINS = ("b",)\nDOMAINS = ("a", "b")  # why\n'
    )
    long = tuple("abcdefgh" * 2 + letter for letter in "xyz")
    wrapped = new.add_to_macros(f"DOMAINS = {long}\n", "DOMAINS", "abcdefgh" * 3)
    assert wrapped.startswith('DOMAINS = (\n    "abcdefghabcdefghabcdefgh",\n')
    assert black.format_str(wrapped, mode=black.Mode()) == wrapped


@pytest.mark.parametrize(
    ("name", "line"), [("energy", 5), ("logistics", 6), ("travel", 7)]
)
def test_a_resolve_stands_among_those_of_the_domains(name: str, line: int) -> None:
    edited = new.add_to_pants_toml(PANTS_TOML, name)
    lines = edited.splitlines()
    assert lines.pop(line) == f'{name} = "maxaiusecases/{name}/requirements.lock"'
    assert lines == PANTS_TOML.splitlines()
    assert name in tomllib.loads(edited)["python"]["resolves"]


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        new.main(["--help"])
    assert end.value.code == 0
    assert "new usecase retail churn --objective score" in capsys.readouterr().out
