"""Run the DAG of an objective once on this machine, with Airflow and the real images.

Pods run as containers of the Docker engine, from the pod that Kubernetes would get. Spark
tasks run with spark-submit of the image and local[*]. Secrets, ConfigMaps and volume claims
are folders, and Variables are in a file; see build-support/docs/dags.md. A field that needs a
cluster, such as a sidecar or hostPath, is an error before anything runs.

maxaidags:airflow starts Airflow itself with all DAGs, until Ctrl-C.
"""

import argparse
import contextlib
import datetime
import gc
import os
import shutil
import signal
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

from maxairesources.configs import document
from maxairesources.errors import InputError
from maxairesources.settings import read_settings
from maxairesources.testing.config_checks import check_configs
from maxairesources.tree import DAGS, SETTINGS, nearest
from maxaitools.local.airflow_server import free_port, make_home, standalone
from maxaitools.local.containers import LocalRun, check_engine
from maxaitools.steps import say

_USAGE = """\
./pants run maxaidags/DOMAIN/USECASE/OBJECTIVE -- [OPTION ...]
       ./pants run maxaidags:airflow -- [--deployment NAME]"""
_EPILOG = """\
The data root is the folder in the environment variable MAXAI_DATA_ROOT, or data/.

examples:
  ./pants run maxaidags/DOMAIN/USECASE/OBJECTIVE -- --deployment dev
  ./pants run maxaidags/DOMAIN/USECASE/OBJECTIVE -- --task TASK --date 2017-06-01

Handlers get your environment variables AIRFLOW_CONN_*, FSSPEC_*, AZURE_STORAGE_* and AWS_*.
DAGs get Airflow's Variables from AIRFLOW_VAR_*, or else from local/variables.json.

Exit code: 0 success, 1 a task failed, an input is wrong, or Ctrl-C, 2 wrong usage,
143 SIGTERM.
"""
# Tasks print their logs, and `run` prints the errors of a DAG.
_LOGGING = {
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    "AIRFLOW__LOGGING__NAMESPACE_LEVELS": "airflow.task=INFO "
    "airflow.task.operators.airflow.providers.cncf.kubernetes=WARNING "
    "airflow.task.hooks.airflow.providers.apache.spark=WARNING "
    "airflow.dag_processing=CRITICAL",
}


def parse(argv: Sequence[str] | None, root: Path) -> argparse.Namespace:
    """Return the options of the command line. Exit with code 2 if they are wrong.

    Raises:
        InputError: the deployments cannot be read.
    """
    parser = argparse.ArgumentParser(
        usage=_USAGE,
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    # Pants gives these three; with --check nothing runs.
    parser.add_argument("folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--image", action="append", default=[], help=argparse.SUPPRESS)
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "--deployment",
        metavar="NAME",
        help="a deployment, whose overlays apply, such as prod (default: none)",
    )
    parser.add_argument(
        "--date",
        metavar="ISO-DATE",
        type=datetime.datetime.fromisoformat,
        help="the run's logical date, such as 2017-06-01, in the DAG's time zone "
        "unless it names another (default: now)",
    )
    parser.add_argument(
        "--conf", metavar="JSON", help="""the params, such as '{"country": "de"}'"""
    )
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--task", help="run this task alone")
    only.add_argument(
        "--from", dest="first", metavar="TASK", help="run this task and all after it"
    )
    parser.add_argument(
        "--retries",
        action="store_true",
        help="retry failed tasks as the DAG does, with its delays (default: never)",
    )
    parser.add_argument(
        "--report",
        metavar="FILE.html",
        type=argparse.FileType("a", encoding="utf-8"),
        help="also write the table of tasks as a page, with a bar for each task",
    )
    options = parser.parse_args(argv)
    options.serves = options.folder == Path(DAGS)
    options.images = {name.rpartition(":")[0]: name for name in options.image}
    given = (options.date, options.conf, options.task, options.first, options.retries)
    if options.serves and any((*given, options.report)):
        names = "--date, --conf, --task, --from, --retries and --report"
        parser.error(f"maxaidags:airflow has no {names}")
    known = read_settings(root)["deployments"]
    if options.deployment is not None and options.deployment not in known:
        problem = f"{options.deployment!r} is not in {SETTINGS}"
        parser.error(f"--deployment: {problem}; {nearest(options.deployment, known)}")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run an objective, or serve them all, and return the exit code."""
    root = Path.cwd()
    with contextlib.ExitStack() as stack:

        def stop(number: int, _: object) -> None:
            print("\nInterrupted; its containers are removed.", file=sys.stderr)
            if not options.serves:
                # An exception would only fail the task that runs.
                stack.close()
                os._exit(128 + number)
            sys.exit(128 + number)

        try:
            options = parse(argv, root)
            sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
            options.conf = document.parse(options.conf or "{}", "--conf")
            data = (root / (os.environ.get("MAXAI_DATA_ROOT") or "data")).resolve()
            if not data.is_dir():
                remedy = "create it with the input files, see the domain's README"
                raise InputError("no such folder", remedy, data)
            objective = options.folder.parts[1:]
            if not options.serves:
                configs = check_configs(root, objective, options.deployment)
            if options.check:
                return 0
            to = LocalRun(str(data), str(root / "local"), options.images)
            check_engine()
            folder = Path(tempfile.mkdtemp(prefix="maxai-local-"))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            # A shell lets background processes ignore Ctrl-C.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, stop)
            # As in a deployment, where Airflow adds the folder of the trees.
            sys.path.append(str(root))
            # Airflow would also read the tests beside dag.py.
            dags = root / options.folder / ("" if options.serves else "dag.py")
            environment = make_home(folder, dags, options.deployment) | to.export()
            if options.serves:
                port = free_port()
                print(f"Airflow starts at http://127.0.0.1:{port}; Ctrl-C ends it")
                code = stack.enter_context(standalone(environment, port)).wait()
                raise InputError(f"ended with exit code {code}", "see above", "Airflow")
            shown = f"deployment {options.deployment or 'none'}, data in {data}"
            say(f"Airflow starts: {'/'.join(objective)}, {shown}")
            os.environ.clear()
            os.environ.update(environment | _LOGGING)
            sys.dont_write_bytecode = False
            warnings.simplefilter("ignore")
            # Airflow's many objects live until the end.
            gc.set_threshold(1_000_000)
            from maxaitools.local.dag_run import run

            return run(options, data, configs)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Everything of the run is removed, so Airflow need not shut down, which takes seconds.
    os._exit(code)
