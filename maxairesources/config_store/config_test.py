import json
import math
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pytest

from maxairesources.config_store import config
from maxairesources.config_store.credentials import Credentials
from maxairesources.errors import InputError
from maxairesources.testing.handlers import call_handler, check_error, port, py_config
from maxairesources.utilities.data_connectors import DataFrame

TASKS = {
    **py_config("score_clients", [port(1, "a.csv")], [], a=1),
    **py_config("evaluate_model", [], []),
}
SCORE = ["--task", "score_clients"]


def recorded(calls: list[dict[str, Any]], result: Any = None) -> Any:
    def execute(**kwargs: Any) -> Any:
        assert isinstance(kwargs.pop("access_credentials"), Credentials)
        calls.append(kwargs)
        return result

    return execute


def test_command_passes_the_config_the_task_and_credentials(tmp_path: Path) -> None:
    calls: list[dict[str, Any]] = []
    with_schema = {"$schema": "x", **TASKS}
    assert call_handler(recorded(calls), with_schema, "score_clients", tmp_path) == 0
    assert calls == [{"config": TASKS, "task": "score_clients"}]


def test_config_can_be_a_uri_or_the_text_itself(tmp_path: Path) -> None:
    text = json.dumps(TASKS)
    (tmp_path / "c.json").write_text(text)
    with fsspec.open("memory://bucket/c.json", "w") as file:
        file.write(text)
    calls: list[dict[str, Any]] = []
    for given in (text, f"file://{tmp_path}/c.json", "memory://bucket/c.json"):
        assert config.run_command(recorded(calls), ["--config", given, *SCORE]) == 0
    assert calls == [{"config": TASKS, "task": "score_clients"}] * 3


def test_decorated_function_can_be_called_with_keywords() -> None:
    assert config.main()(lambda **kwargs: kwargs)(config={}, task="t") == {
        "config": {},
        "task": "t",
    }


def test_decorated_function_without_keywords_is_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, Any]] = []
    path = tmp_path / "c.json"
    path.write_text(json.dumps(TASKS))
    argv = ["handler", "--config", str(path), "--task", "evaluate_model"]
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit) as end:
        config.main()(recorded(calls))()
    assert end.value.code == 0
    assert calls == [{"config": TASKS, "task": "evaluate_model"}]


def test_help_says_what_the_handler_and_its_arguments_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def execute() -> None: ...

    texts = {"__doc__": "Does it.", "Arguments": type("A", (), {"__doc__": "Seed."})}
    handler = types.FunctionType(execute.__code__, texts)
    with pytest.raises(SystemExit):
        config.run_command(handler, ["--help"])
    assert "\n\nDoes it.\n\nSeed.\n\n" in capsys.readouterr().out


def test_result_is_handed_to_the_dag_where_one_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "xcom"
    monkeypatch.setattr(config, "_XCOM", folder)
    argv = ["--config", json.dumps(TASKS), *SCORE]
    assert config.run_command(recorded([], {"auc": 0.7}), argv) == 0
    assert not folder.exists()
    folder.mkdir()
    assert config.run_command(recorded([]), argv) == 0
    assert os.listdir(folder) == []
    assert config.run_command(recorded([], {"auc": 0.7}), argv) == 0
    assert os.listdir(folder) == ["return.json"]
    assert json.loads((folder / "return.json").read_text()) == {"auc": 0.7}


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (math.nan, "Out of range float values"),
        ({1, 2}, "set is not JSON serializable"),
        ({"auc": np.float64("nan")}, "Out of range float values"),
        ({1: {(): 2}}, "keys must be str"),
    ],
)
def test_a_result_that_is_not_json(
    result: Any, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--config", json.dumps(TASKS), *SCORE]
    assert config.run_command(recorded([], result), argv) == 1
    check_error(
        capsys.readouterr().err, "execute: the value that execute returned is n"
    )
    assert config.run_command(recorded([], result), argv) == 1
    check_error(capsys.readouterr().err, expected, "; return numbers, strings, lists")


def test_scalars_and_arrays_of_numpy_become_numbers_and_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "_XCOM", tmp_path)
    result = {"n": np.int64(3), "b": np.bool_(True), "a": np.array([1.5, 2])}
    argv = ["--config", json.dumps(TASKS), *SCORE]
    assert config.run_command(recorded([], result), argv) == 0
    written = json.loads((tmp_path / "return.json").read_text())
    assert written == {"n": 3, "b": True, "a": [1.5, 2]}


def test_keyword_arguments_are_added_to_those_of_the_command(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(sys, "argv", ["handler", "--config", json.dumps(TASKS), *SCORE])
    for decorate in (config.main(), config.pyconfig(), config.pyconfig, config.main):
        assert decorate(recorded(calls, "value"))(argument=3) == "value"
    assert calls == [{"config": TASKS, "task": "score_clients", "argument": 3}] * 4
    monkeypatch.setattr(sys, "argv", ["handler", "--config", "{}", *SCORE])
    with pytest.raises(InputError):
        config.main()(recorded(calls))(argument=3)
    check_error(
        capsys.readouterr().err, "--config: has no task 'score_clients'; add it"
    )


# The form that the documentation of the platform shows.
DOCUMENTED = """\
import sys

from maxairesources.config_store import config
from maxairesources.logging.logger import get_logger

logger = get_logger(__name__)


class ComponentHandler(object):
    def __init__(self):
        pass

    def execute_component(self, request_data):
        arguments = request_data["function"]["args"]
        logger.info("the argument is %s", arguments["a"])
        if arguments["a"] < 0:
            raise ValueError("negative")


@config.main()
def execute(**kwargs):
    access_credentials = kwargs["access_credentials"]
    py_config = kwargs["config"]
    task_config = py_config["score_clients"]
    ComponentHandler().execute_component(request_data=task_config)


try:
    logger.info("Task Started")
    exit_code = 0
    execute(argument=sys.argv)
    logger.info("Task Ended")
except Exception as e:
    exit_code = 1
    raise Exception(e)
finally:
    sys.exit(exit_code)
"""


@pytest.mark.parametrize(
    ("text", "code", "expected"),
    [
        (json.dumps(TASKS), 0, "the argument is 1"),
        (json.dumps(TASKS).replace('"a": 1', '"a": -1'), 1, "\nValueError: negative\n"),
        ("{", 1, "error: --config: is not valid JSON ("),
        ("{}", 1, "error: --config: has no task 'score_clients'; add it"),
        ("nowhere.json", 1, "error: nowhere.json: no such file; "),
    ],
)
def test_the_documented_handler_works_as_it_stands(
    text: str, code: int, expected: str, tmp_path: Path
) -> None:
    path = tmp_path / "handler.py"
    path.write_text(DOCUMENTED)
    ended = subprocess.run(
        [sys.executable, str(path), "--config", text, *SCORE],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == code
    assert expected in ended.stdout + ended.stderr
    assert ("Traceback" in ended.stderr) == ("ValueError" in expected)


def test_a_rendered_value_may_look_like_a_secret() -> None:
    rendered = py_config("t", [], [], token="AKIA" + 16 * "A")
    calls: list[dict[str, Any]] = []
    argv = ["--config", json.dumps(rendered), "--task", "t"]
    assert config.run_command(recorded(calls), argv) == 0
    assert calls[0]["config"] == rendered


@pytest.mark.parametrize(
    ("text", "task", "expected"),
    [
        ("{", "t", ["py_config.json: is not valid JSON", "line 1, column 2"]),
        ("[]", "t", ["py_config.json: is not a JSON object"]),
        ("{}", "t", ["has no task 't'; add it"]),
        ('{"t": {}, "t": {}}', "t", ["key 't' is defined twice"]),
        ('{"t": {}}', "t", ["$.t.input is missing (and 2 more); add it"]),
        (py_config("t", [{}], []), "t", ["$.t.input[0].port is missing"]),
        (py_config("t", [port(1, "a.xls")], []), "t", ["fileFormat is 'xls'; use"]),
        (TASKS, "score_client", ["no task 'score_client'", "mean score_clients?"]),
        (TASKS, "xyz", ["use one of: evaluate_model, score_clients"]),
        (TASKS, "$schema", ["no task '$schema'"]),
    ],
)
def test_bad_config_ends_in_one_line(
    text: Any,
    task: str,
    expected: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls: list[dict[str, Any]] = []
    assert call_handler(recorded(calls), text, task, tmp_path) == 1
    check_error(capsys.readouterr().err, *expected)
    assert calls == []


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("missing.json", None, "missing.json: no such file; "),
        ("latin.json", b'{"caf\xe9": 1}', "latin.json: is not UTF-8"),
        (".", None, "cannot be read (Is a directory)"),
    ],
)
def test_unreadable_config_ends_in_one_line(
    name: str,
    content: bytes | None,
    expected: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / name
    if content:
        path.write_bytes(content)
    argv = ["--config", str(path), "--task", "t"]
    assert config.run_command(recorded([]), argv) == 1
    check_error(capsys.readouterr().err, str(path), expected)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("nowhere://b/c.json", "nowhere://b/c.json: unknown protocol 'nowhere'; use"),
        ("gs://b/c.json", "gs://b/c.json: gs needs the package gcsfs; add it to the"),
        ("memory://b/none.json", "memory://b/none.json: no such file"),
        ('{"t": 1}', "--config: $.t is 1; it should be an object"),
    ],
)
def test_wrong_uri_or_text_ends_in_one_line(
    uri: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert config.run_command(recorded([]), ["--config", uri, "--task", "t"]) == 1
    check_error(capsys.readouterr().err, expected)


def test_input_error_names_its_own_file_or_the_config(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(subject: str | None) -> Callable[..., None]:
        def fail(**kwargs: Any) -> None:
            raise InputError("too\nshort", "add rows", subject)

        return fail

    for subject, start in (("table.csv", "error: table.csv: "), (None, "error: /")):
        assert call_handler(failing(subject), TASKS, "score_clients", tmp_path) == 1
        stderr = capsys.readouterr().err
        assert stderr.startswith(start)
        check_error(stderr, "too short; add rows")


def test_bug_keeps_its_traceback(tmp_path: Path) -> None:
    def fail(**kwargs: Any) -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError, match="bug"):
        call_handler(fail, TASKS, "score_clients", tmp_path)


@pytest.mark.parametrize(
    ("argv", "code", "expected"),
    [
        ([], 2, "--config, --task"),
        (["--config", "c.json"], 2, "--task"),
        (["--task", "t"], 2, "--config"),
        (["--conf", "c.json", "--task", "t"], 2, "--config"),
        (["--help"], 0, "MAXAI_DATA_ROOT"),
    ],
)
def test_usage(
    argv: list[str], code: int, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        config.run_command(recorded([]), argv)
    assert end.value.code == code
    output = capsys.readouterr()
    assert expected in (output.err if code else output.out)


def test_a_wrong_result_leaves_the_outputs_alone(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("old")

    results = [0.5, math.nan]

    def execute(**kwargs: Any) -> float:
        DataFrame().write(pd.DataFrame({"n": [1]}), [port(1, out)])
        return results.pop()

    for expected in ("old", "n\n1\n"):
        config.run_command(execute, ["--config", json.dumps(TASKS), *SCORE])
        assert out.read_text() == expected
    assert os.listdir(tmp_path) == ["out.csv"]
