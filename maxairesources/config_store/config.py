"""Runs a handler's `execute` with the config that it is told."""

import argparse
import functools
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from maxairesources.config_store.task import nearest, task_names
from maxairesources.errors import InputError

_EPILOG = """\
Relative file paths in the config are below the folder that the environment variable
MAXAI_DATA_ROOT names (default: the current folder).

Exit code: 0 done, 1 unusable input (one line on the standard error stream says what
to do), 2 wrong use of this command. Anything unforeseen ends with a traceback.
"""


def main() -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return the decorator for a handler's `execute(**kwargs)`.

    Called with keywords, the decorated function is the plain one. Called without any,
    as at the end of a handler's module, it is a command: it reads --config and --task
    and calls `execute` with the keywords `config` (the whole py_config, a dict) and
    `task` (the task's name), and ends the process.
    """

    def decorate(execute: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(execute)
        def wrapper(**kwargs: Any) -> None:
            if kwargs:
                execute(**kwargs)
            else:
                sys.exit(run_command(execute))

        return wrapper

    return decorate


def run_command(execute: Callable[..., None], argv: Sequence[str] | None = None) -> int:
    """Run a handler as a command and return its exit code: 0 or 1.

    Args:
        execute: the handler's function.
        argv: the arguments; None means those of the process.

    Raises:
        SystemExit: the arguments are wrong (2), or --help was asked for (0).
    """
    options = _parser(execute).parse_args(argv)
    try:
        config = _read_config(options.config)
        if options.task not in task_names(config):
            raise InputError(
                f"no task {options.task!r}", nearest(options.task, task_names(config))
            )
        execute(config=config, task=options.task)
    except InputError as error:
        if error.subject is None:
            error.subject = options.config
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser(execute: Callable[..., None]) -> argparse.ArgumentParser:
    module = execute.__globals__
    spec = module.get("__spec__")
    parser = argparse.ArgumentParser(
        prog=f"python -m {spec.name}" if spec else None,
        description=module.get("__doc__"),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--config",
        required=True,
        type=Path,
        metavar="FILE",
        help="the objective's py_config.json",
    )
    parser.add_argument(
        "--task",
        required=True,
        metavar="NAME",
        help="the task to run: a key of that config, as a rule named like the handler",
    )
    return parser


def _read_config(path: Path) -> dict[str, Any]:
    remedy = "give --config a readable py_config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", remedy) from error
    except UnicodeDecodeError as error:
        raise InputError(f"is no UTF-8 text ({error.reason})", remedy) from error
    except json.JSONDecodeError as error:
        problem = f"is no JSON ({error.msg}, line {error.lineno}, column {error.colno})"
        raise InputError(problem, "mend it there") from error
    if not isinstance(config, dict):
        raise InputError("is no JSON object", "give one key a task")
    return config
