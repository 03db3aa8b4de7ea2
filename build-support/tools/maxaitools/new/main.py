"""Create a domain or a usecase, with all of its files, or with none after an error.

A usecase gets one objective, and one handler for each task of its DAG. The first task
reads the input file; each later task reads the output of the previous task. The handlers
are working examples with tests. Replace them with your own code.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import black

from maxairesources.tree import DAGS, USECASES, path_of
from maxaitools import lock
from maxaitools.new.repository import (
    ME,
    OPERATORS,
    STAGE,
    Refused,
    Repository,
    check_name,
)
from maxaitools.new.stage import place, write_domain, write_usecase

_EPILOG = f"""\
examples:
  {ME} domain logistics
  {ME} domain telemetry --spark
  {ME} usecase logistics delays --objective score --operator kubepod
  {ME} usecase telemetry outages --objective score --operator spark \\
      --handler sensor_features --handler outage_score

On a terminal, the command asks for missing arguments.

Exit code: 0 done; 1 refused or failed, nothing written; 2 wrong arguments; 129 terminal
closed, 130 Ctrl-C or 143 SIGTERM, nothing written.
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line, which accepts missing arguments."""
    result = argparse.ArgumentParser(
        prog=ME,
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    kinds = result.add_subparsers(dest="kind", metavar="domain | usecase")
    domain = kinds.add_parser(
        "domain",
        help="create a domain: an image with its own requirements and lock",
        description="Create a domain without usecases, and compile its lock.",
        allow_abbrev=False,
    )
    domain.add_argument("domain", nargs="?", help="the new domain, such as logistics")
    domain.add_argument("--spark", action="store_true", help="add Spark to its image")
    usecase = kinds.add_parser(
        "usecase",
        help="create a usecase in an existing domain: handlers, configs and a DAG",
        description="Create a usecase with one objective: handlers, configs, a DAG and "
        "tests.",
        allow_abbrev=False,
    )
    usecase.add_argument("domain", nargs="?", help="the domain, such as logistics")
    usecase.add_argument("usecase", nargs="?", help="the new usecase, such as delays")
    usecase.add_argument(
        "--objective", metavar="NAME", help="the new objective, such as score"
    )
    usecase.add_argument(
        "--operator",
        choices=OPERATORS,
        help="run the tasks in Kubernetes pods or, in a domain with Spark, by Spark",
    )
    usecase.add_argument(
        "--handler",
        action="append",
        default=[],
        dest="handlers",
        metavar="NAME",
        help="a handler and its task; repeat it for each task, in order (default: one "
        "handler with the name of the objective)",
    )
    return result


def complete(options: argparse.Namespace) -> argparse.Namespace:
    """Return the options; ask the user for each missing one.

    Raises:
        Refused: the command cannot ask without a terminal, or an answer is not valid.
    """
    if options.kind is None:
        options = parser().parse_args([_ask(["kind"])["kind"]])
    missing = [name for name, value in vars(options).items() if value is None]
    vars(options).update(_ask(missing))
    return options


def _ask(names: Sequence[str]) -> dict[str, str]:
    # A CI job may have a terminal, but nobody answers there.
    if names and ("CI" in os.environ or not sys.stdin.isatty()):
        raise Refused(f"missing: {', '.join(names)}; see --help")
    answers = {}
    for name in names:
        choices = {"kind": ["domain", "usecase"], "operator": [*OPERATORS]}.get(name)
        hint = f" ({' or '.join(choices)})" if choices else ""
        answers[name] = input(f"{name}{hint}: ").strip()
        if choices and answers[name] not in choices:
            raise Refused(
                f"{answers[name]!r} is not a valid {name}; use {' or '.join(choices)}"
            )
    return answers


def write(root: Path, options: argparse.Namespace) -> None:
    """Write the domain or usecase, and print its files.

    Args:
        root: the root of the repository.
        options: the complete options.

    Raises:
        Refused: the domain or usecase cannot be written.
    """
    if options.kind == "usecase":
        options.handlers = options.handlers or [options.objective]
        for name in options.handlers:
            check_name("handler", name)
            if options.handlers.count(name) > 1:
                raise Refused(f"--handler {name} is given twice; use different names")
    for kind in ("domain", "usecase", "objective"):
        if kind in options:
            check_name(kind, getattr(options, kind))
    repository = Repository(root)
    if options.kind == "domain":
        repository.check_new_domain(options.domain)
    else:
        repository.check_domain(options.domain, options.operator)
        repository.check_free(options.domain, options.usecase)
    with tempfile.TemporaryDirectory(dir=root, prefix=STAGE) as folder:
        stage = Path(folder)
        _fill(stage, repository, options)
        files = sorted(p.relative_to(stage) for p in stage.rglob("*") if p.is_file())
        edited = [path for path in files if (root / path).exists()]
        repository.check_unchanged()
        place(stage, root)
    _print("written", [path for path in files if path not in edited])
    _print("edited", edited)
    _print("next", _next(options))


def _fill(stage: Path, repository: Repository, options: argparse.Namespace) -> None:
    """Write all files to the stage, formatted with black."""
    names = {key: value for key, value in vars(options).items() if key != "kind"}
    try:
        if options.kind == "domain":
            write_domain(repository, stage, **names)
        else:
            write_usecase(stage, **names)
    except lock.LockError as error:
        problem = " ".join(str(error).replace(f"{stage}/", "").split())
        raise Refused(problem) from None
    for path in stage.rglob("*.py"):
        path.write_text(black.format_str(path.read_text(), mode=black.Mode()))


def _print(title: str, lines: Sequence[object]) -> None:
    if lines:
        print(f"{title}:", *lines, sep="\n  ")


def _next(options: argparse.Namespace) -> list[str]:
    """Return the commands that the user may run next."""
    check = "./pants --changed-since=HEAD lint check test package ::"
    if options.kind == "domain":
        operator = "spark" if options.spark else "kubepod"
        names = f"{options.domain} <usecase> --objective <objective>"
        return [check, f"{ME} usecase {names} --operator {operator}"]
    objective = path_of(DAGS, [options.domain, options.usecase, options.objective])
    data = f"data/{options.domain}/{options.usecase}/input.csv"
    readme = path_of(USECASES, [options.domain], "README.md")
    return [
        check,
        f"./pants run {objective}   # reads {data} with the columns id and value",
        f"replace the handlers with your own code, and describe the usecase in {readme}",
    ]


def _terminated(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    # A shell lets a command that it starts in the background ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for each in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(each, _terminated)
    try:
        try:
            options = complete(parser().parse_args(argv))
        except Refused as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        write(Path.cwd(), options)
    except (Refused, lock.LockError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        print("\nInterrupted; nothing is written.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
