"""Runs the `execute` function of a handler as a command."""

import argparse
import functools
import inspect
import json
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from maxairesources.config_store.credentials import Credentials
from maxairesources.config_store.task import find_configs, find_py_config, find_task
from maxairesources.configs.document import parse
from maxairesources.errors import InputError
from maxairesources.utilities import storage

_XCOM = Path("/airflow/xcom")

_EPILOG = """\
In a checkout, --config is by default the py_config of the usecase that has the task. Relative
file paths in it are below MAXAI_DATA_ROOT, a folder or a URI of an object store (default: data/
in a checkout, else the current folder). A connection is in AIRFLOW_CONN_<ID>, in the JSON or URI
form of Airflow; an object store has environment variables of its own.

Exit code: 0 success, 1 wrong input (the error is one line on the standard error stream),
2 wrong usage, 130 Ctrl-C. An unexpected error ends with a traceback.
"""


def main(execute: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """Return a handler's `execute(**kwargs)` as a command; a decorator, with or without ().

    Without arguments, as at the end of a handler's module, the command reads --task and
    --config, calls `execute` and exits. `execute` is given `config` (the whole py_config, a
    dict), `task` (the task's name) and `access_credentials` (see `Credentials`).

    With other keyword arguments, such as `execute(argument=3)`, it adds these three, returns
    what `execute` returns, and does not exit; it prints an error and raises it again.
    With the argument `config`, it is the original function.

    `execute` may return a JSON value for the DAG, such as metrics to branch on. If the
    folder /airflow/xcom exists, the command writes it to return.json there, for
    KubernetesPodOperator with do_xcom_push.
    """
    if execute is None:
        return main

    @functools.wraps(execute)
    def wrapper(**kwargs: Any) -> Any:
        if "config" in kwargs:
            return execute(**kwargs)
        if not kwargs:
            sys.exit(run_command(execute))
        try:
            return _call(execute, None, **kwargs)
        except Exception as error:
            # The documented handler exits in `finally`, which hides the error.
            if not isinstance(error, InputError):
                traceback.print_exc()
            raise

    return wrapper


# The other name of the decorator in the platform's documentation.
pyconfig = main


def run_command(execute: Callable[..., Any], argv: Sequence[str] | None = None) -> int:
    """Run a handler as a command and return its exit code: 0, 1, or 130 after Ctrl-C.

    Raises:
        SystemExit: the arguments are wrong (2), or include --help (0).
    """
    try:
        _call(execute, argv)
    except InputError:
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _call(
    execute: Callable[..., Any], argv: Sequence[str] | None, **kwargs: Any
) -> Any:
    """Call `execute` with the config that the command line names; print an InputError."""
    configs = find_configs(execute.__globals__.get("__file__", ""))
    options = _parser(execute, configs is None).parse_args(argv)
    # DAGFactory puts a space in front of the JSON.
    inline = (options.config or "").lstrip().startswith("{")
    try:
        if configs and not options.config:
            options.config = find_py_config(configs, options.task)
        config = parse(options.config if inline else storage.read_text(options.config))
        find_task(config, options.task)
        value = execute(
            config={key: config[key] for key in config if not key.startswith("$")},
            task=options.task,
            access_credentials=Credentials(),
            **kwargs,
        )
        if value is not None:
            _hand_over(value)
        return value
    except InputError as error:
        for each in (error, *error.others):
            if each.subject is None:
                each.subject = "--config" if inline else storage.shown(options.config)
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        raise


def _parser(execute: Callable[..., Any], needs_config: bool) -> argparse.ArgumentParser:
    module = execute.__globals__
    spec = module.get("__spec__")
    docs = [module.get("__doc__"), getattr(module.get("Arguments"), "__doc__", None)]
    parser = argparse.ArgumentParser(
        prog=f"python -m {spec.name}" if spec else None,
        description="\n".join(inspect.cleandoc(text) + "\n" for text in docs if text),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    config = "the path of a py_config.json, a URI such as s3://bucket/it, or the text"
    parser.add_argument("--config", required=needs_config, help=config)
    task = "the name of the task to run, a key of that config"
    parser.add_argument("--task", required=True, help=task)
    return parser


def _hand_over(value: Any) -> None:
    """Write a value for the DAG, if it waits for one."""
    try:
        # NumPy's scalars and arrays have `tolist`. Also without an XCom folder, so that
        # tests find a value that is not JSON.
        text = json.dumps(value, allow_nan=False, default=lambda each: each.tolist())
    except (AttributeError, TypeError, ValueError) as error:
        problem = f"the value that execute returned is not JSON ({error})"
        remedy = "return numbers, strings, lists and dicts; None for a missing value"
        raise InputError(problem, remedy, "execute") from error
    if _XCOM.is_dir():
        storage.write(str(_XCOM / "return.json"), text.encode())
