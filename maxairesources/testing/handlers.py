"""Runs handlers as commands, for tests."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from maxairesources.config_store.config import run_command


def port(
    number: int, path: str | Path, kind: str = "pandas", source: str = "file"
) -> dict[str, Any]:
    """Return a port with the format of the path's suffix."""
    details = {
        "source": source,
        "fileFormat": Path(path).suffix[1:],
        "filePath": str(path),
    }
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


def command_line(config: Any, task: str, folder: Path) -> list[str]:
    """Write a config into a folder and return the arguments that run its task."""
    path = folder / "py_config.json"
    path.write_text(config if isinstance(config, str) else json.dumps(config))
    return ["--config", str(path), "--task", task]


def call_handler(
    execute: Callable[..., Any], config: Any, task: str, folder: Path
) -> int:
    """Run a handler's command within this process and return its exit code.

    Args:
        execute: the handler's function.
        config: the py_config, or the text of one.
        task: the task's name.
        folder: where the config is written.
    """
    return run_command(execute, command_line(config, task, folder))


def run_handler(
    module: ModuleType, config: Any, task: str, folder: Path
) -> "subprocess.CompletedProcess[str]":
    """Run a handler's real command; relative paths in the config are below `folder`.

    Args:
        module: the handler's module. The import makes the test depend on it.
        config: the py_config, or the text of one.
        task: the task's name.
        folder: where the config is written and relative paths begin.
    """
    environment = {
        **os.environ,
        "MAXAI_DATA_ROOT": str(folder),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    return subprocess.run(
        [sys.executable, "-m", module.__name__, *command_line(config, task, folder)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def check_error(stderr: str, *expected: str) -> None:
    """Assert that the error stream ends with one error line, and that it has these parts."""
    lines = stderr.strip().splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert errors == lines[-1:], stderr
    assert "Traceback" not in stderr and "\tat " not in stderr, stderr
    for part in expected:
        assert part in errors[0], f"{part!r} is not in {errors[0]!r}"
