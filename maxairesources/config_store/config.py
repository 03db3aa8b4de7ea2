"""Runs a handler's `execute` with the config that it is told."""

import argparse
import functools
import inspect
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from maxairesources.config_store.credentials import Credentials
from maxairesources.configs.document import parse, validate
from maxairesources.configs.py_config import PyConfig
from maxairesources.errors import InputError
from maxairesources.tree import nearest
from maxairesources.utilities import storage

# The folder of a pod in which Airflow's KubernetesPodOperator with do_xcom_push looks for
# return.json.
_XCOM = Path("/airflow/xcom")

_EPILOG = """\
Relative file paths in the config are below what the environment variable
MAXAI_DATA_ROOT names: a folder (default: the current one), or a URI of an object store.
Stores take their credentials from the environment, and so does the handler its
connections: AIRFLOW_CONN_<ID>, each in Airflow's JSON or URI form.

Exit code: 0 done, 1 unusable input (one line on the standard error stream says what
to do), 2 wrong use of this command. Anything unforeseen ends with a traceback.
"""


def main() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the decorator for a handler's `execute(**kwargs)`.

    Called with keywords, the decorated function is the plain one. Called without any,
    as at the end of a handler's module, it is a command: it reads --config and --task,
    calls `execute` and ends the process. The keywords of that call are:

    - config: the whole py_config, a dict;
    - task: the task's name;
    - access_credentials: the connections by their ids, see `Credentials`.

    What `execute` returns, if anything, is a JSON value for the DAG, such as metrics
    that it branches on. It goes to /airflow/xcom/return.json, where the DAG's
    KubernetesPodOperator looks for it if do_xcom_push is set; where there is no folder
    /airflow/xcom, nobody waits for the value and it is dropped.
    """

    def decorate(execute: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(execute)
        def wrapper(**kwargs: Any) -> Any:
            if kwargs:
                return execute(**kwargs)
            sys.exit(run_command(execute))

        return wrapper

    return decorate


def run_command(execute: Callable[..., Any], argv: Sequence[str] | None = None) -> int:
    """Run a handler as a command and return its exit code: 0 or 1.

    Args:
        execute: the handler's function.
        argv: the arguments; None means those of the process.

    Raises:
        SystemExit: the arguments are wrong (2), or --help was asked for (0).
    """
    options = _parser(execute).parse_args(argv)
    inline = options.config.startswith("{")
    try:
        text = options.config if inline else storage.read_text(options.config)
        config = parse(text)
        tasks = validate(PyConfig, config).tasks
        if options.task not in tasks:
            raise InputError(f"no task {options.task!r}", nearest(options.task, tasks))
        config.pop("$schema", None)
        credentials = Credentials()
        value = execute(
            config=config, task=options.task, access_credentials=credentials
        )
        if value is not None:
            _hand_over(value)
    except InputError as error:
        if error.subject is None:
            error.subject = "--config" if inline else storage.shown(options.config)
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser(execute: Callable[..., Any]) -> argparse.ArgumentParser:
    module = execute.__globals__
    spec = module.get("__spec__")
    texts = [module.get("__doc__"), getattr(module.get("Arguments"), "__doc__", None)]
    parser = argparse.ArgumentParser(
        prog=f"python -m {spec.name}" if spec else None,
        description="\n".join(inspect.cleandoc(text) + "\n" for text in texts if text),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--config",
        required=True,
        metavar="FILE",
        help="the objective's py_config.json: its path, a URI such as s3://bucket/it, "
        "or the JSON text itself",
    )
    parser.add_argument(
        "--task",
        required=True,
        metavar="NAME",
        help="the task to run: a key of that config, as a rule named like the handler",
    )
    return parser


def _hand_over(value: Any) -> None:
    # Also where nobody waits for it, so that a value that is no JSON shows in tests.
    text = json.dumps(value, allow_nan=False)
    if _XCOM.is_dir():
        with storage.replacing(str(_XCOM / "return.json")) as file:
            file.write(text.encode())
