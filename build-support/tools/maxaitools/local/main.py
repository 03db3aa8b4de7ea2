"""Run an objective on this machine: the real DAG, by real Airflow, in the real images.

Its DAG runs once: pods as containers of the Docker engine, from the same pod that
Kubernetes would be given; Spark by the image's own spark-submit, with local[*]. Secrets,
ConfigMaps and claims of volumes are folders, as build-support/docs/dags.md explains. Anything a
laptop cannot honour, such as sidecars, hostPath and the host's network, is refused by name
before anything runs.

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
The folder that the environment variable MAXAI_DATA_ROOT names is the data root, data/ by
default; `./pants sample-data` fills that with sample data.

examples:
  ./pants run maxaidags/retail/customer360/segmentation
  ./pants run maxaidags/finance/credit_risk/default_score -- --deployment dev
  ./pants run maxaidags:airflow

Handlers get your variables AIRFLOW_CONN_*, FSSPEC_*, AZURE_STORAGE_* and AWS's keys.

Exit code: 0 done, 1 a task failed or an input cannot be used, 2 wrong use of this
command, 130 ended by Ctrl-C, 143 ended by SIGTERM.
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
    folder = root / environment.get("MAXAI_DATA_ROOT", "data")
    if not folder.is_dir():
        raise InputError(
            "no such folder",
            "`./pants sample-data` writes the sample data to data/",
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
                problem = f"it runs nothing by itself, so it takes no {name!r}"
                raise InputError(problem, "choose an objective", "maxaidags:airflow")
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
        # A shell has what it starts in the background ignore Ctrl-C.
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
    """Return the date that an ISO date says, without a zone if it does not name one."""
    if text is None:
        return None
    try:
        date = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            f"{text!r} is no ISO date", "give one such as 2017-06-01", "--date"
        ) from error
    if date > datetime.datetime.now(date.tzinfo):
        raise InputError(
            f"{text} is not over yet, and Airflow runs no task before its date",
            "give an earlier one",
            "--date",
        )
    return date


def _terminated(*_: object) -> NoReturn:
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
