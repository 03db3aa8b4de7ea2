"""Show what is live in the deployments, deploy and promote releases, and roll back.

Each deployment, such as dev or prod, is the branch deploy/<name> of the deployments
repository. Airflow runs exactly the files of its newest commit. Every change is one new
commit, which `history` and `git log deployments/<name>` show.

The deployments repository is the Git URL in MAXAI_DEPLOYMENTS. Without this variable, it is
the folder deployments/ of this clone.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from maxairesources.errors import InputError
from maxaitools.deployments import changes, registry, rollbacks
from maxaitools.deployments.deployment import find
from maxaitools.deployments.live import read_live, read_origin
from maxaitools.deployments.policy import find_hold
from maxaitools.deployments.process import ProcessFailed, git
from maxaitools.deployments.publish import Options
from maxaitools.deployments.release import Release, read_folder
from maxaitools.deployments.release_images import find_images
from maxaitools.deployments.repository import Repository, find_url

_EPILOG = """\
if prod is broken:
  ./pants deployments status                                 what is live, since when
  ./pants deployments history prod                           what was live before
  ./pants deployments rollback prod --reason "wrong scores"  back to the previous release
  ./pants deployments hold prod --reason "wrong scores"      refuse further deploys

to release:
  ./pants experimental-deploy //:dev              package, build images, deploy to dev
  ./pants deployments diff dev prod               what a promotion would change
  ./pants deployments promote dev prod --dry-run  try it, and change nothing
  ./pants deployments promote dev prod

Without Pants, a rollback needs only Git and Python 3.11:
  PYTHONPATH=.:build-support/tools python3 -m maxaitools.deployments.main rollback ...

A command that needs a registry uses the credentials of `docker login HOST`.

exit codes: 0 success; 1 refused or failed, or `verify` found a fault; 2 wrong usage.
A change that is refused leaves the deployment unchanged. An interrupted one leaves it on
either the old or the new commit, never in between.

build-support/docs/deployments.md explains the branches, the policy and the set-up.
"""
# The keys that may sign the commits of a deployment with signed=True.
_SIGNERS = Path("build-support/allowed_signers")
_SIDE = "a deployment, the hash of one of its commits, or the folder of a release"
_NAMES = {
    "name": "the deployment, such as dev",
    "source": "the deployment that has the release",
    "new": _SIDE,
    "old": _SIDE,
}


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
    parsers = {}
    for command, names in _COMMANDS.items():
        text = str(command.__doc__).splitlines()[0].rstrip(".")
        added = commands.add_parser(
            command.__name__, help=text, description=text, allow_abbrev=False
        )
        for name in names:
            added.add_argument(name, help=_NAMES[name])
        added.set_defaults(run=command)
        parsers[command.__name__] = added

    def option(commands: str, flag: str, text: str, **more: Any) -> None:
        for each in commands.split():
            parsers[each].add_argument(flag, help=text, **more)

    yes: dict[str, Any] = {"action": "store_true"}
    option("status history diff verify images", "--json", "print JSON", **yes)
    option("history", "--images", "list the images that these commits need", **yes)
    text = "the folder of a packaged release (default: the newest in dist/release)"
    option("images check deploy", "--release", text, type=Path)
    text = "also use an image whose digest no deployment has recorded"
    option("images deploy", "--trust-registry", text, **yes)
    text = "a commit of the deployment `source` (default: the live one)"
    option("promote", "--commit", text, metavar="HASH")
    text = "a commit or a release that was live (default: the previous release)"
    option("rollback", "--to", text, metavar="HASH")
    text = "the key that `check` printed, to skip the check (default: $MAXAI_CHECKED)"
    key = os.environ.get("MAXAI_CHECKED")
    option("deploy promote", "--checked", text, default=key, metavar="KEY")
    text = "change only this domain; may be repeated"
    option("promote rollback", "--domain", text, action="append", metavar="NAME")
    moves = "deploy promote rollback"
    text = "override the policy of the deployment; needs --reason"
    option(moves, "--force", text, **yes)
    text = "show the change without making it"
    option(f"{moves} hold unhold", "--dry-run", text, **yes)
    text = "the reason, which the commit records"
    option("rollback hold", "--reason", text, required=True)
    option("deploy promote unhold", "--reason", text)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit code."""
    parser = make_parser()
    arguments = parser.parse_args(argv)
    reason = getattr(arguments, "reason", None)
    if getattr(arguments, "force", False) or reason is not None:
        reason = (reason or "").strip()
    if reason == "":
        parser.error("--force needs --reason '...', and the reason must not be empty")
    try:
        os.chdir(git("rev-parse", "--show-toplevel"))
        return int(arguments.run(arguments))
    except (InputError, ProcessFailed) as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\ninterrupted; `status` shows what is live", file=sys.stderr)
        return 130
    return 1


def status(arguments: argparse.Namespace) -> int:
    """Show the live release of each deployment, and which deployments are on hold."""
    from maxaitools.deployments import report

    data: dict[str, Any] = {}
    lines: list[str] = []
    repository = _open()
    for name in repository.tips:
        try:
            commits = repository.history(name)
        except InputError as error:
            data[name], lines = {"error": str(error)}, [*lines, f"{name}: {error}"]
            continue
        # A commit that only begins or ends a hold changes no files.
        live = [e for e in commits if e.get("Action") not in ("hold", "unhold")][:1]
        held = (entry := find_hold(commits)) and entry.why
        data[name] = {"live": vars(live[0]) if live else None, "hold": held}
        lines.append(f"{name}: on hold: {held}" if held else name)
        if live and not live[0].get("Action"):
            lines.append("  not made by this tool:")
        lines += [f"  {line}" for line in report.show_history(live)]
    return _print(arguments, data, lines or ["nothing was deployed yet"])


def history(arguments: argparse.Namespace) -> int:
    """List the commits of a deployment, the newest first."""
    from maxaitools.deployments import report

    repository, name = _open(), arguments.name
    commits = repository.history(name)
    if not repository.has_all_history(name):
        problem = "older commits are missing in this shallow clone"
        raise InputError(problem, "run `git fetch --unshallow`", f"deploy/{name}")
    if not arguments.images:
        data = [vars(each) for each in commits]
        return _print(arguments, data, report.show_history(commits))
    states = [read_live(repository, each) for each in commits]
    found = sorted({i.reference for each in states for i in each.images.values()})
    return _print(arguments, found, found)


def diff(arguments: argparse.Namespace) -> int:
    """Show what changes if NEW replaces OLD."""
    from maxaitools.deployments import report

    old, new = report.read_sides(_open(), arguments.new, arguments.old)
    difference = report.compare(old, new)
    return _print(arguments, difference, report.show(difference))


def verify(arguments: argparse.Namespace) -> int:
    """Check the commits, files, signatures and images of a deployment."""
    repository, name = _open(), arguments.name
    commits = repository.history(name)
    faults = repository.check(name, _SIGNERS if find(name).signed else None)
    if not repository.has_all_history(name):
        faults.append(f"deploy/{name}: older commits are missing in this shallow clone")
    if not commits[0].get("Action"):
        faults.append(f"commit {commits[0].commit[:12]} was not made by this tool")
    live = read_live(repository, commits[0])
    wanted = [image.reference for image in live.images.values()]
    faults += registry.describe_missing(wanted)
    good = (
        f"{name}: commit {commits[0].commit[:12]}, release {live.id}, has no faults: "
        f"{len(live.files)} files, {len(wanted)} images, {len(commits)} commits"
    )
    _print(arguments, {"faults": faults}, [f"fault: {f}" for f in faults] or [good])
    return 1 if faults else 0


def images(arguments: argparse.Namespace) -> int:
    """List the domains whose image must be built before a release can be deployed."""
    new = _draft(arguments)
    found = find_images(_open(), new, {}, arguments.trust_registry)
    missing = sorted({*new.images} - {*found})
    return _print(arguments, missing, missing)


def check(arguments: argparse.Namespace) -> int:
    """Check all DAGs of a release; print a key that lets `deploy` skip this."""
    new = _draft(arguments)
    changes.check_dags(new)
    print(f"checked: {new.facts['checked']}")
    return 0


def deploy(arguments: argparse.Namespace) -> int:
    """Deploy a packaged release."""
    repository, to = _open(), find(arguments.name)
    release = read_folder(arguments.release)
    new = changes.deploy(repository, to, release, _options(arguments))
    return _show_change(repository, new, arguments)


def promote(arguments: argparse.Namespace) -> int:
    """Deploy the release that is live in another deployment."""
    repository, to = _open(), find(arguments.name)
    origin = read_origin(repository, arguments.source, arguments.commit)
    new = changes.promote(repository, origin, to, _options(arguments))
    return _show_change(repository, new, arguments)


def rollback(arguments: argparse.Namespace) -> int:
    """Make the previous release, or an earlier commit, live again."""
    repository, to = _open(), arguments.to
    new = rollbacks.rollback(repository, arguments.name, to, _options(arguments))
    return _show_change(repository, new, arguments)


def hold(arguments: argparse.Namespace) -> int:
    """Refuse all changes of a deployment until `unhold`, except with --force."""
    rollbacks.hold(_open(), arguments.name, _options(arguments), on=True)
    return 0


def unhold(arguments: argparse.Namespace) -> int:
    """End the hold of a deployment."""
    rollbacks.hold(_open(), arguments.name, _options(arguments), on=False)
    return 0


def _draft(arguments: argparse.Namespace) -> Release:
    release, to = read_folder(arguments.release), find(arguments.name)
    return changes.draft(release, to, changes.NO_SOURCE)


def _open() -> Repository:
    return Repository(find_url())


def _options(arguments: argparse.Namespace) -> Options:
    known = {key: value for key, value in vars(arguments).items() if value is not None}
    fields = Options.__dataclass_fields__
    return Options(**{key: known[key] for key in fields.keys() & known.keys()})


def _print(arguments: argparse.Namespace, data: Any, lines: Iterable[str]) -> int:
    print(json.dumps(data, indent=2) if arguments.json else "\n".join(lines))
    return 0


def _show_change(
    repository: Repository, new: Release, arguments: argparse.Namespace
) -> int:
    if arguments.dry_run:
        from maxaitools.deployments import report

        name, live = arguments.name, None
        if name in repository.tips:
            live = read_origin(repository, name, None).live
        print(f"{name}: nothing was changed; this would change:")
        print("\n".join(report.show(report.compare(live, new))))
    return 0


_COMMANDS: dict[Callable[[argparse.Namespace], int], Sequence[str]] = {
    status: (),
    history: ("name",),
    diff: ("new", "old"),
    verify: ("name",),
    images: ("name",),
    check: ("name",),
    deploy: ("name",),
    promote: ("source", "name"),
    rollback: ("name",),
    hold: ("name",),
    unhold: ("name",),
}

if __name__ == "__main__":
    sys.exit(main())
