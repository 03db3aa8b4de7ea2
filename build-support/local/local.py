"""Runs objectives on this machine: the real DAG, by real Airflow, in the real images.

With the names of an objective, its DAG runs once: pods as containers of the Docker
engine, from the same pod that Kubernetes would be given; Spark by the image's own
spark-submit, with local[*]. With --airflow, a whole Airflow serves all DAGs until
Ctrl-C. What a laptop cannot honour, such as volumes and secrets, is refused by name
before anything runs.
"""

import argparse
import dataclasses
import datetime
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from local_runner.containers import Settings, build_images, count_cpus, image_of
from local_runner.home import home, new_run, session
from local_runner.standalone import serve
from maxairesources.config_store.objective import find_deployments
from maxairesources.errors import InputError, nearest

_EPILOG = """\
The folder that the environment variable MAXAI_DATA_ROOT names is the data root, data/ by
default; `./pants run build-support/sample-data` fills that with sample data. The images
are built first, as far as they are not there yet.

examples:
  ./pants run build-support/local -- retail customer360 segmentation
  ./pants run build-support/local -- finance credit_risk default_score --deployment dev
  ./pants run build-support/local -- --airflow

Handlers get your variables AIRFLOW_CONN_*, FSSPEC_*, AZURE_STORAGE_* and AWS's keys.

Exit code: 0 done, 1 a task failed or an input cannot be used, 2 wrong use of this
command, 130 ended by Ctrl-C, 143 ended by SIGTERM.
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = argparse.ArgumentParser(
        prog="./pants run build-support/local --",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    result.add_argument("domain", nargs="?", help="such as retail")
    result.add_argument("usecase", nargs="?", help="such as customer360")
    result.add_argument("objective", nargs="?", help="such as segmentation")
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
    result.add_argument(
        "--image",
        action="append",
        default=[],
        metavar="REPOSITORY:TAG",
        help="run this image as it is, instead of building that repository's",
    )
    result.add_argument(
        "--airflow",
        action="store_true",
        help="serve all DAGs by a whole Airflow, with its pages in the browser",
    )
    return result


def find_objective(root: Path, names: Sequence[str]) -> Path:
    """Return the folder in maxaidags that the three names say.

    Raises:
        InputError: one of them is unknown.
    """
    folder = root / "maxaidags"
    for kind, name, pattern in zip(
        ("domain", "usecase", "objective"), names, ("*/*/*/", "*/*/", "*/")
    ):
        depth = pattern.count("/")
        known = {
            path.parents[depth - 1].name for path in folder.glob(f"{pattern}dag.py")
        }
        if name not in known:
            raise InputError(
                f"no {kind} {name!r}", nearest(name, known), folder.relative_to(root)
            )
        folder /= name
    return folder


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
            "`./pants run build-support/sample-data` writes the sample data to data/",
            folder,
        )
    return folder.resolve()


def given_images(names: Sequence[str]) -> dict[str, str]:
    """Return the names and tags of images by their repository."""
    return {name.rpartition(":")[0] or name: name for name in names}


def main(argv: Sequence[str] | None = None) -> int:
    """Run an objective, or serve them all, and return the exit code."""
    arguments = parser()
    options = arguments.parse_args(argv)
    names = [options.domain, options.usecase, options.objective]
    root = Path.cwd()
    try:
        if options.airflow and (any(names) or options.date):
            raise InputError("serves all objectives", "give no names", "--airflow")
        if not options.airflow and None in names:
            raise InputError(
                "an objective has three names",
                "give domain, usecase and objective, or --airflow",
                "arguments",
            )
        if options.deployment is not None:
            check_deployment(root, options.deployment)
        dags = root / "maxaidags"
        folder = dags if options.airflow else find_objective(root, names)
        date = _date(options.date)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        to = Settings(
            run=new_run(),
            data=str(data_root(root, os.environ)),
            cpus=count_cpus(),
            path=os.environ["PATH"],
            images={
                name: name
                for name in sorted(
                    {
                        f"maxai/{path.parents[2].name}"
                        for path in dags.glob("*/*/*/dag.py")
                    }
                )
            },
        )
        to.export(os.environ)
        given = given_images(options.image)
        for repository in given:
            image_of(repository, to.images)
        # A shell has what it starts in the background ignore Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, _terminated)
        if options.airflow:
            images = build_images(to.images, given, sys.stdout)
            to = dataclasses.replace(to, images=images)
            with home(folder, to, options.deployment) as (place, environment):
                return serve(place, environment, to.run)
        shown = f"{'/'.join(names)}, deployment {options.deployment or 'none'}"
        print(f"Airflow starts: {shown}, data in {to.data}", flush=True)
        with home(folder, to, options.deployment) as (place, environment):
            command = [sys.executable, "-m", "local_runner.run", str(folder)]
            command += ["--given", json.dumps(given), "--log", str(place / "run.log")]
            command += ["--date", date.isoformat()] if date else []
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
