"""Runs handlers as commands, for tests."""

import contextlib
import copy
import io
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from maxairesources.config_store.config import run_command

Execute = Callable[..., Any]


def port(
    number: int, path: str | Path, kind: str = "pandas", source: str = "file"
) -> dict[str, Any]:
    """Return a port with the format of the path's suffix."""
    details = {"fileFormat": Path(path).suffix[1:], "filePath": str(path)}
    details["source"] = source
    return {"port": number, "type": kind, "sourceDetails": details}


def py_config(
    task: str,
    inputs: Sequence[dict[str, Any]],
    outputs: Sequence[dict[str, Any]],
    **args: Any,
) -> dict[str, Any]:
    """Return a py_config of one task."""
    part = {"input": [*inputs], "output": [*outputs], "function": {"args": args}}
    return {task: part}


def call_handler(
    execute: Execute, config: Any, task: str, folder: Path, **args: Any
) -> int:
    """Run a handler's command within this process and return its exit code.

    Args:
        execute: the handler's function.
        config: the py_config, or the text of one.
        task: the task's name.
        folder: where the config is written, and relative paths in it begin.
        args: arguments that replace those of the config.
    """
    if args:
        config = copy.deepcopy(config)
        config[task]["function"]["args"] |= args
    path = folder / "py_config.json"
    path.write_text(config if isinstance(config, str) else json.dumps(config))
    with patch.dict(os.environ, MAXAI_DATA_ROOT=str(folder)):
        return run_command(execute, ["--config", str(path), "--task", task])


def check_bad_input(
    execute: Execute,
    config: dict[str, Any],
    folder: Path,
    expected: str,
    **args: Any,
) -> None:
    """Assert that a handler reports bad input without a traceback, and writes nothing.

    Args:
        config: a py_config of one task.
        expected: a part of the error.
        execute, folder, args: see `call_handler`.
    """
    ((task, part),) = config.items()
    with contextlib.redirect_stderr(io.StringIO()) as stderr:
        code = call_handler(execute, config, task, folder, **args)
    check_error(stderr.getvalue(), expected)
    assert code == 1
    for each in part["output"]:
        assert not (folder / each["sourceDetails"]["filePath"]).exists()


def check_error(stderr: str, *expected: str) -> None:
    """Assert that the error stream ends with error lines, and that they have these parts."""
    lines = stderr.strip().splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert errors and errors == lines[-len(errors) :], stderr
    assert "Traceback" not in stderr and "\tat " not in stderr, stderr
    for part in expected:
        assert any(part in line for line in errors), f"{part!r} is not in {errors}"
