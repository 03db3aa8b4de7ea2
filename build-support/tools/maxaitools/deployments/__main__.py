"""Show what is live in the deployments, deploy and promote releases, and roll back.

Each deployment, such as dev or prod, is the branch deploy/<name> of the deployments
repository. Airflow runs exactly the files of its newest commit. Every change is one new
commit, which `history` and `git log deployments/<name>` show.

The deployments repository is the Git URL in MAXAI_DEPLOYMENTS. Without this variable, it is
the folder deployments/ of this clone.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from maxairesources.errors import InputError
from maxaitools.deployments import registry
from maxaitools.deployments.branches import Branches, pick
from maxaitools.deployments.deploys import SIGNERS, deploy, promote, rollback
from maxaitools.deployments.deploys import show_difference
from maxaitools.deployments.process import ProcessFailed, git
from maxaitools.deployments.settings import must_sign, read_settings

_EPILOG = """\
to release:
  ./pants deployments deploy dev                  package, build images, deploy to dev
  ./pants deployments diff dev prod               how the two differ
  ./pants deployments promote dev prod --dry-run  try it, and change nothing
  ./pants deployments promote dev prod

if prod is broken:
  ./pants deployments history prod                           what was live before
  ./pants deployments rollback prod --reason "wrong scores"  back to the previous release

A rollback needs only Git and Python 3.11.
Registries need the credentials of `docker login HOST`.
exit codes: 0 success; 1 refused or failed, or `verify` found a fault; 2 wrong usage.
A change that is refused leaves the deployment unchanged. An interrupted one leaves it on
either the old or the new commit, never in between.
build-support/docs/deployments.md explains the branches, the policy and the set-up.
"""
_SIDE = "a deployment, or the hash of one of its commits"
_YES: dict[str, Any] = {"action": "store_true"}
_HASH = {"metavar": "HASH"}
_FOLDER = {"type": Path, "nargs": "?"}
_MANY = {"action": "append", "metavar": "NAME", "default": []}
# The arguments: the commands that have it, its name, its help and more fields.
_ARGUMENTS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("history deploy rollback", "name", "the deployment, such as dev", {}),
    ("verify", "name", "the deployment (default: all)", {"nargs": "?"}),
    ("diff", "new", _SIDE, {}),
    ("diff", "old", _SIDE, {}),
    ("promote", "source", "the deployment that has the release", {}),
    ("promote", "name", "the deployment that gets it", {}),
    ("deploy", "folder", "a packaged release (default: package it)", _FOLDER),
    ("promote", "--commit", "a commit of `source` (default: the live one)", _HASH),
    ("rollback", "--to", "a commit or release (default: the previous release)", _HASH),
    ("promote rollback", "--domain", "change only this one; may be repeated", _MANY),
    ("deploy promote", "--force", "override the policy; needs --reason", _YES),
    ("deploy promote rollback", "--dry-run", "only show the change", _YES),
    ("deploy promote rollback", "--reason", "why; the commit records it", {}),
]


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="./pants deployments",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in _COMMANDS:
        text = str(command.__doc__).splitlines()[0].rstrip(".")
        added = commands.add_parser(
            command.__name__, help=text, description=text, allow_abbrev=False
        )
        added.set_defaults(run=command, domain=[], force=False, reason="")
        for names, argument, about, more in _ARGUMENTS:
            if command.__name__ in names.split():
                added.add_argument(argument, help=about, **more)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit code."""
    parser = make_parser()
    arguments = parser.parse_args(argv)
    needs_reason = arguments.run is rollback or arguments.force
    if needs_reason and not arguments.reason.strip():
        parser.error("this change needs --reason '...', which must not be empty")
    try:
        os.chdir(git("rev-parse", "--show-toplevel"))
        return int(arguments.run(arguments) or 0)
    except (InputError, ProcessFailed) as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\ninterrupted; `status` shows what is live", file=sys.stderr)
        return 130
    except BrokenPipeError:
        pass  # What reads the output, such as `head`, has ended.
    return 1


def status(arguments: argparse.Namespace) -> None:
    """Show the live release of each deployment."""
    branches = Branches()
    for name in branches.tips:
        try:
            made = branches.history(name)[0].action
            print(f"{name}:{'' if made else ' not made by this tool'}")
            print(branches.show(name, "--max-count=1"))
        except InputError as error:
            print(f"{name}: {error}")
    if not branches.tips:
        print("nothing was deployed yet")


def history(arguments: argparse.Namespace) -> None:
    """List the commits of a deployment, the newest first."""
    branches = Branches()
    branches.history(arguments.name)
    print(branches.show(arguments.name))


def diff(arguments: argparse.Namespace) -> None:
    """Show what changes if NEW replaces OLD."""
    branches = Branches()
    new, old = (_find_side(branches, each) for each in (arguments.new, arguments.old))
    if not new:
        raise InputError("nothing was deployed yet", "deploy first", arguments.new)
    before = branches.read(old) if old else None
    print("\n".join(show_difference(old, before, new, branches.read(new))))


def verify(arguments: argparse.Namespace) -> int:
    """Check the commits, files, signatures and images of one or all deployments."""
    branches, faults = Branches(), []
    for name in [arguments.name] if arguments.name else branches.tips:
        commits, tip = branches.history(name), branches.tips[name]
        found = [*branches.check(name, SIGNERS if must_sign(name) else None)]
        if not commits[0].action:
            found.append(f"commit {tip[:12]} was not made by this tool")
        missing = registry.find_missing(branches.read(tip)).values()
        found += [f"{image} is not in the registry" for image in missing]
        faults += found
        print(f"{name}: {len(found) or 'no'} faults, {len(commits)} commits")
        print("".join(f"  {fault}\n" for fault in found), end="")
    return 1 if faults else 0


def _find_side(branches: Branches, side: str) -> str | None:
    """Return the commit of a side of a diff; None for a deployment before its first deploy."""
    if side in branches.tips:
        return branches.history(side)[0].commit
    if side in read_settings():
        return None
    entries = [entry for name in branches.tips for entry in branches.history(name)]
    return pick("diff", entries, side).commit


_COMMANDS = (status, history, diff, verify, deploy, promote, rollback)

if __name__ == "__main__":
    sys.exit(main())
