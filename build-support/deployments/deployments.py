"""Show what is live in the deployments, and change it: each one is a Git branch.

The deployments repository is MAXAI_DEPLOYMENTS, any Git URL; without it, the folder
deployments/ of this clone. Each deployment is its branch deploy/<name>: the files of the
newest commit are exactly what Airflow runs, and `git log deployments/<name>` shows who
changed it and why.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from deployer import changes, registry
from deployer.deployment import find
from deployer.policy import find_hold
from deployer.process import ProcessFailed, git
from deployer.release import Release, read_folder
from deployer.repository import Repository, find_url
from maxairesources.errors import InputError

_EPILOG = """\
examples:
  ./pants run build-support/deployments -- status
  ./pants run build-support/deployments -- diff dev prod
  ./pants run build-support/deployments -- promote dev prod --dry-run
  ./pants run build-support/deployments -- rollback prod --reason "scores are off"

`./pants experimental-deploy //:dev` packages the release, builds the images that the
registry lacks, and then runs `deploy dev`. Log in first: docker login HOST.

exit codes: 0 done; 1 refused, or `verify` found a fault; 2 wrong usage. A change that is
refused or interrupted leaves the deployment as it was.
"""
# Who may sign the commits of a deployment that says signed=True.
_SIGNERS = Path("build-support/deployments/allowed_signers")
_SIDE = "a deployment, a commit of one, or the folder of a release"

Command = Callable[[argparse.Namespace], int]


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="./pants run build-support/deployments --",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(run: Command, text: str, **names: str) -> argparse.ArgumentParser:
        added = commands.add_parser(
            run.__name__, help=text, description=text, allow_abbrev=False
        )
        for each, explained in names.items():
            added.add_argument(each, help=explained)
        added.set_defaults(run=run)
        return added

    name = {"name": "a deployment, such as dev"}
    pair = {"source": "the deployment that has it", "name": "the one that gets it"}
    sides = {"new": _SIDE, "old": _SIDE}
    reports = [
        add(status, "show what is live in each deployment"),
        listed := add(history, "list the commits of a deployment", **name),
        add(diff, "show what would change if NEW replaced OLD", **sides),
        add(verify, "check each object, each image, and the signature", **name),
        needed := add(images, "list the domains whose image must be built", **name),
    ]
    checked = add(check, "load all DAGs as the deployment would", **name)
    deployed = add(deploy, "deploy a packaged release", **name)
    promoted = add(promote, "deploy what is live elsewhere", **pair)
    rolled = add(rollback, "make the files of an earlier commit live again", **name)
    held = add(hold, "freeze a deployment", **name)
    unheld = add(unhold, "end a hold", **name)

    def option(
        parsers: Sequence[argparse.ArgumentParser], *flags: str, **more: Any
    ) -> None:
        for each in parsers:
            each.add_argument(*flags, **more)

    option(reports, "--json", action="store_true", help="print JSON")
    option([listed], "--images", action="store_true", help="list the images they need")
    text = "the folder of the release (default: the newest in dist/release)"
    option([checked, deployed, needed], "--release", type=Path, help=text)
    text = "also use an image whose digest no deployment has recorded"
    option([deployed, needed], "--trust-registry", action="store_true", help=text)
    text = "a commit of the source (default: the newest)"
    option([promoted], "--commit", metavar="HASH", help=text)
    text = "a commit or a release (default: the previous release)"
    option([rolled], "--to", metavar="HASH", help=text)
    text = "skip the check of the DAGs, which `check` passed with this key"
    key = os.environ.get("MAXAI_CHECKED")
    text += " (default: the environment variable MAXAI_CHECKED)"
    option([deployed, promoted], "--checked", default=key, metavar="KEY", help=text)
    text = "change this domain alone; repeatable"
    option([promoted, rolled], "--domain", action="append", metavar="NAME", help=text)
    moves = [deployed, promoted, rolled]
    text = "override the policy; needs --reason"
    option(moves, "--force", action="store_true", help=text)
    option(
        [*moves, held, unheld], "--dry-run", action="store_true", help="change nothing"
    )
    text = "why; the commit keeps it"
    option([rolled, held], "--reason", required=True, help=text)
    option([deployed, promoted, unheld], "--reason", help=text)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command, and return the exit code."""
    parser = make_parser()
    arguments = parser.parse_args(argv)
    reason = getattr(arguments, "reason", None)
    if getattr(arguments, "force", False) or reason is not None:
        reason = (reason or "").strip()
    if reason == "":
        parser.error("--force needs --reason '...', and a reason must not be empty")
    try:
        os.chdir(git("rev-parse", "--show-toplevel"))
        return int(arguments.run(arguments))
    except (InputError, ProcessFailed) as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nInterrupted; `status` shows what is live.", file=sys.stderr)
        return 130
    return 1


def status(arguments: argparse.Namespace) -> int:
    """Show what is live in each deployment, and which are on hold."""
    from deployer import report

    data: dict[str, Any] = {}
    lines: list[str] = []
    repository = _open()
    for name in repository.tips:
        try:
            commits = repository.history(name)
        except InputError as error:
            data[name], lines = {"error": str(error)}, [*lines, f"{name}: {error}"]
            continue
        # What is live is the tip, unless that only holds or unholds the deployment.
        live = [e for e in commits if e.get("Action") not in ("hold", "unhold")][:1]
        held = (entry := find_hold(commits)) and entry.why
        data[name] = {"live": vars(live[0]) if live else None, "hold": held}
        lines.append(f"{name}: on hold: {held}" if held else name)
        if live and not live[0].get("Action"):
            lines.append("  not made by this tool:")
        lines += [f"  {line}" for line in report.show_history(live)]
    return _print(arguments, data, lines or ["nothing was deployed yet"])


def history(arguments: argparse.Namespace) -> int:
    """List the commits of a deployment, or the images that they need."""
    from deployer import report

    repository, name = _open(), arguments.name
    commits = repository.history(name)
    if not repository.has_all_history(name):
        problem = "older commits are missing in this shallow clone"
        raise InputError(problem, "git fetch --unshallow", f"deploy/{name}")
    if not arguments.images:
        data = [vars(each) for each in commits]
        return _print(arguments, data, report.show_history(commits))
    states = [changes.read_live(repository, each) for each in commits]
    found = sorted({i.reference for each in states for i in each.images.values()})
    return _print(arguments, found, found)


def diff(arguments: argparse.Namespace) -> int:
    """Show what would change if one side replaced the other."""
    from deployer import report

    difference = report.compare(
        *report.read_sides(_open(), arguments.new, arguments.old)
    )
    return _print(arguments, difference, report.show(difference))


def verify(arguments: argparse.Namespace) -> int:
    """Check that a deployment is what was deployed."""
    repository, name = _open(), arguments.name
    commits = repository.history(name)
    faults = repository.check(name, _SIGNERS if find(name).signed else None)
    if not repository.has_all_history(name):
        faults.append(f"deploy/{name}: older commits are missing in this shallow clone")
    if not commits[0].get("Action"):
        faults.append(f"commit {commits[0].commit[:12]} was not made by this tool")
    live = changes.read_live(repository, commits[0])
    wanted = [image.reference for image in live.images.values()]
    faults += [
        f"the registry has no {image}" for image in registry.find_missing(wanted)
    ]
    whole = (
        f"{name}: commit {commits[0].commit[:12]}, release {live.id}, is whole: "
        f"{len(live.files)} files, {len(wanted)} images, {len(commits)} commits"
    )
    _print(arguments, {"faults": faults}, [f"fault: {f}" for f in faults] or [whole])
    return 1 if faults else 0


def images(arguments: argparse.Namespace) -> int:
    """List the domains whose image must be built before a release can be deployed."""
    new = changes.draft(
        read_folder(arguments.release), find(arguments.name), changes.NO_SOURCE
    )
    found = changes.find_images(_open(), new, {}, arguments.trust_registry)
    missing = sorted({*new.images} - {*found})
    return _print(arguments, missing, missing)


def check(arguments: argparse.Namespace) -> int:
    """Load all DAGs of a release, and print the key by which `deploy` skips that."""
    new = changes.draft(
        read_folder(arguments.release), find(arguments.name), changes.NO_SOURCE
    )
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
    """Deploy what is live in another deployment."""
    repository, to = _open(), find(arguments.name)
    origin = changes.read_origin(repository, arguments.source, arguments.commit)
    new = changes.promote(repository, origin, to, _options(arguments))
    return _show_change(repository, new, arguments)


def rollback(arguments: argparse.Namespace) -> int:
    """Make the files of an earlier commit live again."""
    repository, to = _open(), arguments.to
    new = changes.rollback(repository, arguments.name, to, _options(arguments))
    return _show_change(repository, new, arguments)


def hold(arguments: argparse.Namespace) -> int:
    """Freeze a deployment."""
    changes.hold(_open(), arguments.name, _options(arguments), on=True)
    return 0


def unhold(arguments: argparse.Namespace) -> int:
    """End a hold."""
    changes.hold(_open(), arguments.name, _options(arguments), on=False)
    return 0


def _open() -> Repository:
    return Repository(find_url())


def _options(arguments: argparse.Namespace) -> changes.Options:
    known = {key: value for key, value in vars(arguments).items() if value is not None}
    fields = changes.Options.__dataclass_fields__
    return changes.Options(**{key: known[key] for key in fields.keys() & known.keys()})


def _print(arguments: argparse.Namespace, data: Any, lines: Iterable[str]) -> int:
    print(json.dumps(data, indent=2) if arguments.json else "\n".join(lines))
    return 0


def _show_change(
    repository: Repository, new: Release, arguments: argparse.Namespace
) -> int:
    if arguments.dry_run:
        from deployer import report

        name, live = arguments.name, None
        if name in repository.tips:
            live = changes.read_origin(repository, name, None).live
        print(f"{name}: nothing was changed; this would change:")
        print("\n".join(report.show(report.compare(live, new))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
