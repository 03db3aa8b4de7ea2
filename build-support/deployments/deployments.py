"""Says what is in the deployments, and changes it: one release at a time, as a whole.

A release is what `./pants package //:release` makes. A deployment is a target of the root
BUILD; it points to one release at a time, and keeps a record of each that it had.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from deployer import actions, report
from deployer.deployment import find, read_deployments
from deployer.destination import ERRORS, open_destination
from deployer.record import read_current, read_history
from deployer.release import newest_packaged, read_packaged
from maxairesources.errors import InputError
from release_bundle.layout import DestinationError

_EPILOG = """\
examples:
  ./pants run build-support/deployments -- status
  ./pants run build-support/deployments -- diff dev prod
  ./pants run build-support/deployments -- promote dev prod --dry-run
  ./pants run build-support/deployments -- rollback prod --reason "scores are off"

`./pants experimental-deploy //:dev` packages the release, builds the images that the
registry lacks, and then runs `deploy dev`. Log in first: docker login HOST.

Exit code: 0 done, 1 refused or found wrong, in which case the deployment is as it was,
2 wrong use of this command.
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = argparse.ArgumentParser(
        prog="./pants run build-support/deployments --",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = result.add_subparsers(metavar="COMMAND", required=True)

    def command(
        name: str, run: Callable[[argparse.Namespace], int], text: str, *names: str
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name, help=text, description=text, allow_abbrev=False
        )
        for each in names:
            added.add_argument(each, help="a deployment, such as dev")
        added.set_defaults(run=run)
        return added

    command("status", _status, "what is current in each deployment")
    history = command("history", _history, "what was: which release, by whom, when")
    history.add_argument("deployment", nargs="?", help="(default: all of them)")
    command("diff", _diff, "what one deployment would get from another", "source", "to")
    command("verify", _verify, "whether all is as it was deployed", "deployment")
    deploy = command("deploy", _deploy, "deploy a packaged release", "deployment")
    deploy.add_argument(
        "--release",
        type=Path,
        metavar="FOLDER",
        help="the release (default: the one in dist/release that was packaged last)",
    )
    promote = command(
        "promote", _promote, "deploy what is current elsewhere", "source", "to"
    )
    promote.add_argument(
        "--record",
        metavar="ID",
        help="a record of the source, or how its name begins (default: the current one); "
        "who has looked at a diff names what that was of",
    )
    rollback = command(
        "rollback", _rollback, "make an earlier record current again", "deployment"
    )
    rollback.add_argument(
        "--to",
        metavar="ID",
        help="a record or a release, or how its name begins (default: what was current "
        "before; after a rollback, what was before that)",
    )
    prune = command(
        "prune", _prune, "remove the releases that are no longer needed", "deployment"
    )
    prune.add_argument(
        "--keep",
        type=_count,
        required=True,
        metavar="N",
        help="how many of the releases that were current last are kept; DAG runs that "
        "began on one that is removed may fail, and so does a rollback to it",
    )
    for each in (deploy, promote, rollback, prune):
        each.add_argument(
            "--dry-run", action="store_true", help="only say what would be done"
        )
    for each in (deploy, promote, rollback):
        each.add_argument("--reason", help="why; it is kept in the record")
    for each in (deploy, promote):
        each.add_argument(
            "--force",
            action="store_true",
            help="pass over the deployment's policy; it needs --reason",
        )
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command, and return the exit code."""
    arguments = parser()
    told = arguments.parse_args(argv)
    if getattr(told, "force", False) and not (told.reason or "").strip():
        arguments.error("--force needs --reason '...', which is kept in the record")
    try:
        code: int = told.run(told)
        return code
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
    except DestinationError as error:
        remedy = (
            "restore it, or write the name of a record that is whole into `current`"
        )
        print(f"error: {error}; {remedy}", file=sys.stderr)
    except ERRORS as error:
        # Reading is done by fsspec, whose errors name the address.
        remedy = "see that the destination exists and lets you read"
        print(f"error: {error}; {remedy}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nInterrupted; the deployment is whole: see status.", file=sys.stderr)
        return 130
    return 1


def _options(told: argparse.Namespace) -> actions.Options:
    return actions.Options(
        told.dry_run, getattr(told, "force", False), getattr(told, "reason", None)
    )


def _status(told: argparse.Namespace) -> int:
    for name, deployment in read_deployments().items():
        record = read_current(open_destination(deployment.destination))
        print(f"{name}  ({deployment.destination}, images in {deployment.registry})")
        lines = report.tell_history([record]) if record else ["nothing is deployed yet"]
        for line in lines:
            print(f"  {line}")
    return 0


def _history(told: argparse.Namespace) -> int:
    for name in [told.deployment] if told.deployment else read_deployments():
        reader = open_destination(find(name).destination)
        if not told.deployment:
            print(name)
        for line in report.tell_history([*read_history(reader)]):
            print(line)
    return 0


def _diff(told: argparse.Namespace) -> int:
    source, to = find(told.source), find(told.to)
    origin, new = actions.preview(source, to)
    reader = open_destination(to.destination)
    now = read_current(reader)
    old = report.read_state(reader, now) if now else report.NOTHING
    print(f"{to.name} would get {origin.name} of {source.name}")
    for line in report.compare(old, new):
        print(line)
    return 0


def _verify(told: argparse.Namespace) -> int:
    deployment = find(told.deployment)
    reader = open_destination(deployment.destination)
    record = actions.current(deployment, reader)
    # Each record vouches for the one before it.
    count = len([*read_history(reader)])
    drift = actions.find_all_drift(reader, record)
    for line in drift:
        print(f"drift: {line}", file=sys.stderr)
    if not drift:
        images = len(record.images)
        print(
            f"{deployment.name}: {record.name}, release {record.release}, is as it was "
            f"deployed: {len(record.files)} files of the record, all of the release, "
            f"{images} images, {count} records"
        )
    return 1 if drift else 0


def _deploy(told: argparse.Namespace) -> int:
    deployment = find(told.deployment)
    release = read_packaged(told.release or newest_packaged())
    actions.deploy(deployment, release, _options(told))
    return 0


def _promote(told: argparse.Namespace) -> int:
    actions.promote(find(told.source), find(told.to), told.record, _options(told))
    return 0


def _rollback(told: argparse.Namespace) -> int:
    actions.rollback(find(told.deployment), told.to, _options(told))
    return 0


def _prune(told: argparse.Namespace) -> int:
    gone = actions.prune(find(told.deployment), told.keep, _options(told))
    verb = "would be removed" if told.dry_run else "removed"
    for name in gone:
        print(f"release {name} {verb}")
    print(f"{len(gone)} releases {verb}")
    return 0


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
