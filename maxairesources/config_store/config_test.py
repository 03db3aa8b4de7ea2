import json
import sys
from pathlib import Path
from typing import Any

import pytest

from maxairesources.config_store import config
from maxairesources.errors import InputError
from maxairesources.testing.handlers import call_handler, check_error

TASKS = {"$schema": "x", "score_clients": {"a": 1}, "evaluate_model": {}}


def recorded(calls: list[dict[str, Any]]) -> Any:
    def execute(**kwargs: Any) -> None:
        calls.append(kwargs)

    return execute


def test_command_passes_the_config_and_the_task(tmp_path: Path) -> None:
    calls: list[dict[str, Any]] = []
    assert call_handler(recorded(calls), TASKS, "score_clients", tmp_path) == 0
    assert calls == [{"config": TASKS, "task": "score_clients"}]


def test_decorated_function_can_be_called_with_keywords() -> None:
    calls: list[dict[str, Any]] = []
    config.main()(recorded(calls))(config={}, task="t")
    assert calls == [{"config": {}, "task": "t"}]


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


@pytest.mark.parametrize(
    ("text", "task", "expected"),
    [
        ("{", "t", ["py_config.json", "is no JSON", "line 1, column 2"]),
        ("[]", "t", ["py_config.json", "is no JSON object"]),
        ("{}", "t", ["no task 't'", "none is defined"]),
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
        ("missing.json", None, "cannot be read (No such file or directory)"),
        ("latin.json", b'{"caf\xe9": 1}', "is no UTF-8 text"),
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


def test_input_error_names_its_own_file_or_the_config(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**kwargs: Any) -> None:
        raise InputError("too\nshort", "add rows", subject)

    for subject, start in (("table.csv", "error: table.csv: "), (None, "error: /")):
        assert call_handler(fail, TASKS, "score_clients", tmp_path) == 1
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
