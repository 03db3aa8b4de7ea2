import json
import math
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from maxairesources.config_store import config
from maxairesources.config_store.credentials import Credentials
from maxairesources.errors import InputError
from maxairesources.testing.handlers import call_handler, check_error, port, py_config

TASKS = {
    **py_config("score_clients", [port(1, "a.csv")], [], a=1),
    **py_config("evaluate_model", [], []),
}
SCORE = ["--task", "score_clients"]
ARGV = ["--config", json.dumps(TASKS), *SCORE]


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
    with fsspec.open("memory://bucket/c.json", "w") as file:
        file.write(json.dumps(TASKS))
    for given in (json.dumps(TASKS), "memory://bucket/c.json"):
        assert config.run_command(recorded(calls), ["--config", given, *SCORE]) == 0
    assert calls == [{"config": TASKS, "task": "score_clients"}] * 3


def test_ways_to_call_a_decorated_function(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(sys, "argv", ["handler", *ARGV])
    for decorate in (config.main(), config.pyconfig(), config.pyconfig, config.main):
        execute = decorate(recorded(calls, "value"))
        assert execute(argument=3) == "value"
        with pytest.raises(SystemExit) as end:
            execute()
        assert end.value.code == 0
    called = {"config": TASKS, "task": "score_clients"}
    assert calls == [{**called, "argument": 3}, called] * 4
    assert config.main()(lambda **kwargs: kwargs)(config={}) == {"config": {}}


def test_help_has_the_docstrings_of_the_handler(
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
    result = {"n": np.int64(3), "b": np.bool_(True), "a": np.array([1.5, 2])}
    assert config.run_command(recorded([], result), ARGV) == 0
    assert not folder.exists()
    folder.mkdir()
    assert config.run_command(recorded([]), ARGV) == 0
    assert os.listdir(folder) == []
    assert config.run_command(recorded([], result), ARGV) == 0
    written = json.loads((folder / "return.json").read_text())
    assert written == {"n": 3, "b": True, "a": [1.5, 2]}


@pytest.mark.parametrize(
    "result", [math.nan, {1, 2}, {1: {(): 2}}, [np.float64("nan")]]
)
def test_a_result_that_is_not_json(
    result: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert config.run_command(recorded([], result), ARGV) == 1
    expected = "error: execute: the value that execute returned is not JSON ("
    check_error(capsys.readouterr().err, expected, "; return numbers, strings, lists")


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


@pytest.mark.parametrize(
    ("given", "task", "expected"),
    [
        (b"{", "t", "c.json: is not valid JSON"),
        (b'{"caf\xe9": 1}', "t", "c.json: cannot be read ('utf-8' codec"),
        (b"{}", "t", "c.json: has no task 't'; add it"),
        (json.dumps(TASKS).encode(), "score_client", "did you mean score_clients?"),
        (json.dumps(TASKS).encode(), "$schema", "has no task '$schema'; use one of"),
        (".", "t", "error: .: cannot be read (Is a directory)"),
        ("memory://b/none.json", "t", "error: memory://b/none.json: no such file"),
        ('{"t": 1}', "t", "error: --config: $.t is 1; it should be an object"),
        # Each mistake is a line.
        (
            '{"t": {"outptu": 1, "input": []}}',
            "t",
            "error: --config: $.t.function is m",
        ),
    ],
)
def test_a_wrong_config_ends_in_one_line(
    given: str | bytes,
    task: str,
    expected: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if isinstance(given, bytes):
        (tmp_path / "c.json").write_bytes(given)
        given = str(tmp_path / "c.json")
    calls: list[dict[str, Any]] = []
    assert config.run_command(recorded(calls), ["--config", given, "--task", task]) == 1
    check_error(capsys.readouterr().err, expected)
    assert calls == []


@pytest.mark.parametrize("subject", ["table.csv", None])
def test_input_error_names_its_own_file_or_the_config(
    subject: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**kwargs: Any) -> None:
        raise InputError("too\nshort", "add rows", subject)

    assert call_handler(fail, TASKS, "score_clients", tmp_path) == 1
    file = subject or tmp_path / "py_config.json"
    check_error(capsys.readouterr().err, f"error: {file}: too short; add rows")


def test_ctrl_c_is_an_exit_code() -> None:
    def execute(**kwargs: Any) -> None:
        raise KeyboardInterrupt

    assert config.run_command(execute, ARGV) == 130


def test_usage() -> None:
    for argv in (["--task", "t"], ["--conf", "c.json", "--task", "t"]):
        with pytest.raises(SystemExit, match="^2$"):
            config.run_command(recorded([]), argv)
