"""Run the DAG of an objective once on this machine, with Airflow and the real images.

Pods run as containers of the Docker engine, from the pod that Kubernetes would get. Spark
tasks run with spark-submit of the image and local[*]. Secrets, ConfigMaps and volume claims
are folders; see build-support/docs/dags.md. A field that needs a cluster, such as a sidecar
or hostPath, is an error before anything runs.

maxaidags:airflow starts Airflow itself with all DAGs, until Ctrl-C.
"""

import argparse
import datetime
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from maxairesources.configs.objective import find_deployments
from maxairesources.errors import InputError
from maxairesources.tree import nearest
from maxaitools.local.containers import Settings, count_cpus
from maxaitools.local.home import home, new_run, session
from maxaitools.local.standalone import serve

_USAGE = """\
./pants run maxaidags/DOMAIN/USECASE/OBJECTIVE -- [OPTION ...]
       ./pants run maxaidags:airflow -- [--deployment NAME]"""
_EPILOG = """\
The data root is the folder in the environment variable MAXAI_DATA_ROOT, or data/.

examples:
  ./pants run maxaidags/DOMAIN/USECASE/OBJECTIVE -- --deployment dev
  ./pants run maxaidags/DOMAIN/USECASE/OBJECTIVE -- --task TASK --date 2017-06-01
  ./pants run maxaidags:airflow

Handlers get your environment variables AIRFLOW_CONN_*, FSSPEC_*, AZURE_STORAGE_* and AWS_*.

Exit code: 0 success, 1 a task failed or an input is wrong, 2 wrong usage, 130 Ctrl-C,
143 SIGTERM.
"""
_ALL = Path("maxaidags")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = argparse.ArgumentParser(
        usage=_USAGE,
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    # Pants gives these two.
    result.add_argument("folder", type=Path, help=argparse.SUPPRESS)
    result.add_argument("--image", action="append", default=[], help=argparse.SUPPRESS)
    result.add_argument(
        "--deployment",
        metavar="NAME",
        help="the deployment whose overlays apply, such as prod (default: none)",
    )
    result.add_argument(
        "--date",
        metavar="ISO-DATE",
        help="the run's logical date, such as 2017-06-01, in the DAG's time zone "
        "unless it names another (default: now)",
    )
    only = result.add_mutually_exclusive_group()
    only.add_argument("--task", metavar="TASK", help="run this task alone")
    only.add_argument(
        "--from",
        metavar="TASK",
        dest="first",
        help="run this task and those that come after it",
    )
    return result


def check_deployment(root: Path, name: str) -> None:
    """Raise an InputError if no config has an overlay for a deployment."""
    known = {*find_deployments(root / "maxaiconfigs")}
    if name not in known:
        raise InputError(
            f"no config has an overlay for a deployment {name!r}",
            nearest(name, known),
            "--deployment",
        )


def data_root(root: Path, environment: Mapping[str, str]) -> Path:
    """Return the folder that holds the data.

    Raises:
        InputError: it is missing.
    """
    folder = root / (environment.get("MAXAI_DATA_ROOT") or "data")
    if not folder.is_dir():
        raise InputError(
            "no such folder",
            "create it with the input files, as the README of the domain describes",
            folder,
        )
    return folder.resolve()


def main(argv: Sequence[str] | None = None) -> int:
    """Run an objective, or serve them all, and return the exit code."""
    options = parser().parse_args(argv)
    root = Path.cwd()
    folder = root / options.folder
    serves = options.folder == _ALL
    try:
        for name in ("date", "task", "first") if serves else ():
            if getattr(options, name):
                problem = f"it runs no DAG by itself, so it has no option {name!r}"
                raise InputError(
                    problem, "run an objective instead", "maxaidags:airflow"
                )
        if options.deployment is not None:
            check_deployment(root, options.deployment)
        date = _date(options.date)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        to = Settings(
            run=new_run(),
            data=str(data_root(root, os.environ)),
            cpus=count_cpus(),
            images={name.rpartition(":")[0]: name for name in options.image},
            local=str(root / "local"),
        )
        to.export(os.environ)
        # A shell lets background processes ignore Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, _terminated)
        if serves:
            with home(folder, to, options.deployment) as (place, environment):
                return serve(place, environment, to.run)
        shown = "/".join(options.folder.parts[1:])
        shown += f", deployment {options.deployment or 'none'}"
        print(f"Airflow starts: {shown}, data in {to.data}", flush=True)
        with home(folder, to, options.deployment) as (place, environment):
            command = [sys.executable, "-m", "maxaitools.local.run", str(folder)]
            command += ["--log", str(place / "run.log")]
            command += ["--date", date.isoformat()] if date else []
            command += ["--task", options.task] if options.task else []
            command += ["--from", options.first] if options.first else []
            with session(command, environment, to.run) as process:
                return process.wait()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; nothing is left running.", file=sys.stderr)
        return 130


def _date(text: str | None) -> datetime.datetime | None:
    """Return the date of an ISO string, without a time zone if it names none."""
    if text is None:
        return None
    try:
        date = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            f"{text!r} is not an ISO date", "use one such as 2017-06-01", "--date"
        ) from error
    if date > datetime.datetime.now(date.tzinfo):
        raise InputError(
            f"{text} is not over yet, and Airflow runs no task before its date",
            "use an earlier date",
            "--date",
        )
    return date


def _terminated(*_: object) -> NoReturn:
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
