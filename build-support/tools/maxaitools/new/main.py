"""Writes what a new domain or a new usecase needs, in all trees: green at once, or not at all.

A usecase gets an objective with a task for each handler: the first reads the input, each
next one what the former has written. The handlers are working samples, with tests, to be
replaced.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import difflib
import functools
import keyword
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import black
import copier

from maxaitools import lock

ME = "./pants new"
TEMPLATES = Path(__file__).resolve().with_name("templates")
TREES = ("maxaiusecases", "maxaiconfigs", "maxaidags")
MACROS, PANTS_TOML = "build-support/macros.py", "pants.toml"
OPERATORS = {"kubepod": "KubernetesPodOperator", "spark": "SparkSubmitOperator"}

# Stricter than Python: a domain's name is its image's too, and a task's is its pod's.
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# Pants would take a handler of such a name for a test.
TEST = re.compile(r"test_.*|.*_test|tests|conftest")
# Spark runs a handler as a script, and so imports what stands beside it before all else.
SHADOWED = sys.stdlib_module_names | {
    *("fsspec", "numpy", "pandas", "py4j", "pyarrow", "pydantic", "pyspark"),
    *("maxairesources", "maxaiusecases"),
}
# What ends a program and can be held back.
SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)

# Where all is made first: beside its places, so that a rename is enough, and with a point,
# so that Pants ignores it.
STAGE = ".new-"

_EPILOG = f"""\
examples:
  {ME} domain logistics
  {ME} domain telemetry --spark
  {ME} usecase retail churn --objective score --operator kubepod
  {ME} usecase retail churn --objective score --operator spark \\
      --handler visit_features --handler churn_score

On a terminal, what is missing is asked for.

Exit code: 0 done, 1 refused or failed and nothing written, 2 wrong use of this command, 129
ended with its terminal, 130 by Ctrl-C, 143 by SIGTERM.
"""


class Refused(Exception):
    """What the user has to put right, in a line or two."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; what it lacks, `complete` sees to."""
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
        help="an image with requirements and a lock of its own",
        description="Write a domain, without a usecase yet, and compile its lock.",
        allow_abbrev=False,
    )
    domain.add_argument("domain", nargs="?", help="its name, such as logistics")
    domain.add_argument(
        "--spark", action="store_true", help="its image and its lock have Spark"
    )
    usecase = kinds.add_parser(
        "usecase",
        help="handlers, configs and a DAG, in a domain that is there",
        description="Write a usecase and its first objective: handlers, configs, a DAG "
        "and tests.",
        allow_abbrev=False,
    )
    usecase.add_argument("domain", nargs="?", help="the domain, such as retail")
    usecase.add_argument("usecase", nargs="?", help="its name, such as churn")
    usecase.add_argument("--objective", metavar="NAME", help="such as score")
    usecase.add_argument(
        "--operator",
        choices=OPERATORS,
        help="what runs the tasks: a pod of Kubernetes or, in a Spark domain, Spark",
    )
    usecase.add_argument(
        "--handler",
        action="append",
        default=[],
        dest="handlers",
        metavar="NAME",
        help="a handler, and the task that runs it; once for each, in their order "
        "(default: one that is named after the objective)",
    )
    return result


def complete(options: argparse.Namespace) -> argparse.Namespace:
    """Return the options with all that was missing, by asking for it.

    Raises:
        Refused: there is no terminal to ask on, or an answer is none of the choices.
    """
    if options.kind is None:
        options = parser().parse_args([_ask(["kind"])["kind"]])
    missing = [name for name, value in vars(options).items() if value is None]
    vars(options).update(_ask(missing))
    return options


def _ask(names: Sequence[str]) -> dict[str, str]:
    # Continuous integration may have a terminal, but nobody at it.
    if names and ("CI" in os.environ or not sys.stdin.isatty()):
        raise Refused(f"missing: {', '.join(names)}; see --help")
    answers = {}
    for name in names:
        choices = {"kind": ["domain", "usecase"], "operator": [*OPERATORS]}.get(name)
        hint = f" ({' or '.join(choices)})" if choices else ""
        answers[name] = input(f"{name}{hint}: ").strip()
        if choices and answers[name] not in choices:
            raise Refused(f"{answers[name]!r} is none; give {' or '.join(choices)}")
    return answers


def check_name(kind: str, name: str) -> None:
    """Raise Refused unless the name may be that of a domain, usecase and so on."""
    if not NAME.fullmatch(name) or keyword.iskeyword(name) or len(name) > 40:
        raise Refused(
            f"{kind} {name!r}: a name is made of lower-case letters, digits and single "
            "underscores between them, begins with a letter, has at most 40 of them and "
            "is no keyword of Python"
        )
    if kind == "handler" and TEST.fullmatch(name):
        raise Refused(f"{kind} {name!r}: Pants takes {name}.py for a test; rename it")
    if kind == "handler" and name in SHADOWED:
        raise Refused(
            f"{kind} {name!r}: a module that handlers import is called so; rename it"
        )


class Repository:
    """The repository, with what it says of its domains.

    Raises:
        Refused: it is none, or an earlier run was interrupted in it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        for path in root.glob(f"{STAGE}*"):
            raise Refused(
                f"{path.name}: left by a run that was killed, or one is at work; put back "
                "what is called .old in it, delete what `git status` shows as new, then it"
            )
        try:
            self.pants_toml = (root / PANTS_TOML).read_text()
            self.macros = (root / MACROS).read_text()
        except FileNotFoundError as error:
            raise Refused(f"{error.filename}: not found; begin in the root") from None
        self.resolves = lock.read_resolves(root / PANTS_TOML)
        self.domains = _assigned(self.macros, "DOMAINS")[1]
        self.spark_domains = _assigned(self.macros, "SPARK_DOMAINS")[1]

    def check_unchanged(self) -> None:
        """Raise Refused if somebody has edited what a new domain edits."""
        for path, read in ((PANTS_TOML, self.pants_toml), (MACROS, self.macros)):
            if (self.root / path).read_text() != read:
                raise Refused(f"{path} was changed meanwhile; run this again")

    def check_free(self, *names: str) -> None:
        """Raise Refused if one of the trees has a folder of these names."""
        for tree in TREES:
            path = Path(tree, *names)
            # A link that leads nowhere is there as well.
            if os.path.lexists(self.root / path):
                raise Refused(
                    f"{path} is there already; take another name, or delete it"
                )

    def check_new_domain(self, domain: str) -> None:
        """Raise Refused if anything has the name of the domain."""
        self.check_free(domain)
        if domain in self.domains or domain in self.spark_domains:
            raise Refused(f"{MACROS} lists the domain {domain!r} already; take it out")
        if domain in self.resolves:
            raise Refused(
                f"{PANTS_TOML}: [python.resolves] has {domain!r} already; take another "
                "name, or take it out"
            )
        if (self.root / f"build-support/images/{domain}.json").exists():
            raise Refused(f"maxai/{domain} is a base image; take another name")

    def check_domain(self, domain: str, operator: str) -> None:
        """Raise Refused unless a usecase with this operator fits into the domain."""
        folder = Path("maxaiusecases", domain)
        if domain not in self.domains:
            if (self.root / folder).exists():
                raise Refused(
                    f"{folder} is there, but DOMAINS of {MACROS} does not list it; "
                    "finish that domain, or delete it"
                )
            near = difflib.get_close_matches(domain, self.domains, 1)
            hint = f"did you mean {near[0]}? Else" if near else "first"
            raise Refused(f"no domain {domain!r}; {hint} `{ME} domain {domain}`")
        if domain not in self.resolves or not (self.root / folder / "BUILD").exists():
            raise Refused(
                f"{MACROS} lists {domain!r}, but {folder}/BUILD or its line in "
                f"[python.resolves] of {PANTS_TOML} is missing; finish that domain"
            )
        if operator == "spark" and domain not in self.spark_domains:
            raise Refused(
                f"{domain} is no Spark domain; take --operator kubepod, or make it one:\n"
                f"py4j and pyspark in {folder}/requirements.txt, maxai/spark in its "
                f"Dockerfile, SPARK_DOMAINS in {MACROS}, a new lock"
            )

    def base_image(self, name: str) -> str:
        """Return the base image with the tag that it has now."""
        command = [sys.executable, "build-support/images/base-image", "tag", name]
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True)
        if done.returncode:
            raise Refused(done.stderr.strip())
        return done.stdout.strip()


def _assigned(macros: str, name: str) -> tuple[str, tuple[str, ...]]:
    """Return the tuple that a name of the macros has, as it is written and as it is."""
    for node in ast.parse(macros).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            written = ast.get_source_segment(macros, node)
            return str(written), tuple(ast.literal_eval(node.value))
    raise Refused(f"{MACROS} has no {name}; add it")


def add_to_macros(macros: str, name: str, domain: str) -> str:
    """Return the macros with the domain in that tuple, sorted."""
    written, domains = _assigned(macros, name)
    if "#" in written:
        raise Refused(f"{MACROS}: a comment in {name} would be lost; move it above")
    new = black.format_str(
        f"{name} = {tuple(sorted({*domains, domain}))}", mode=black.Mode()
    ).rstrip()
    return f"\n{macros}".replace(f"\n{written}", f"\n{new}", 1)[1:]


def add_to_pants_toml(pants_toml: str, domain: str) -> str:
    """Return the pants.toml with the domain's resolve, among the domains', sorted."""
    line = '{0} = "maxaiusecases/{0}/requirements.lock"\n'.format
    lines = pants_toml.splitlines(keepends=True)
    places = [i for i, old in enumerate(lines) if old == line(old.split(" ")[0])]
    if not places:
        raise Refused(f"{PANTS_TOML}: [python.resolves] has no domain to add it to")
    after = [i for i in places if lines[i] < line(domain)]
    lines.insert(after[-1] + 1 if after else places[0], line(domain))
    return "".join(lines)


def render(template: str, stage: Path, **names: Any) -> None:
    """Write the files of a template into the stage."""
    copier.run_copy(
        str(TEMPLATES),
        stage,
        {"template": template, "BUILD": "BUILD", **names},
        # Whatever the user's own settings of copier are.
        settings=copier.Settings(),
        defaults=True,
        quiet=True,
        skip_tasks=True,
    )


def write_domain(to: Repository, stage: Path, domain: str, spark: bool) -> None:
    """Write into the stage what a new domain needs, its lock and all edits included."""
    base = to.base_image("spark" if spark else "python")
    render("domain", stage, domain=domain, spark=spark, base=base)
    macros = add_to_macros(to.macros, "DOMAINS", domain)
    if spark:
        macros = add_to_macros(macros, "SPARK_DOMAINS", domain)
    (stage / MACROS).parent.mkdir()
    (stage / MACROS).write_text(macros)
    (stage / PANTS_TOML).write_text(add_to_pants_toml(to.pants_toml, domain))
    print(f"Compiling the lock of {domain} ...", flush=True)
    resolve = lock.read_resolves(stage / PANTS_TOML)[domain]
    staged = dataclasses.replace(resolve, lock=stage / resolve.lock)
    lock.compile_lock(staged, upgrade=False)


def write_usecase(stage: Path, options: argparse.Namespace) -> None:
    """Write into the stage what a new usecase needs."""
    names = {
        "domain": options.domain,
        "usecase": options.usecase,
        "objective": options.objective,
        "operator": options.operator,
        "operator_class": OPERATORS[options.operator],
        "port_type": "spark" if options.operator == "spark" else "pandas",
        "handlers": options.handlers,
    }
    render("usecase", stage, **names)
    render(options.operator, stage, **names)
    for handler in options.handlers:
        render("handler", stage, handler=handler, **names)


def place(stage: Path, root: Path) -> None:
    """Move all that the stage holds to where it belongs; on an error, move it back."""
    undo: list[Callable[[], object]] = []
    # The moves take no time, so a signal can wait for their end.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        _place(stage, root, undo)
        # All is done, and to say so does not take long either.
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
    except BaseException:
        for step in reversed(undo):
            step()
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _place(stage: Path, folder: Path, undo: list[Callable[[], object]]) -> None:
    for path in sorted(stage.iterdir()):
        target = folder / path.name
        if not target.exists():
            path.rename(target)
            undo.append(functools.partial(target.rename, path))
        elif path.is_dir():
            _place(path, target, undo)
        else:
            shutil.copymode(target, path)
            old = path.with_name(f"{path.name}.old")
            shutil.copy2(target, old)
            path.replace(target)
            undo.append(functools.partial(old.replace, target))


def write(root: Path, options: argparse.Namespace) -> None:
    """Write what the options ask for, and say so.

    Raises:
        Refused: it cannot be written.
        lock.LockError: the requirements cannot be locked.
    """
    if options.kind == "usecase":
        options.handlers = options.handlers or [options.objective]
        for name in options.handlers:
            check_name("handler", name)
            if options.handlers.count(name) > 1:
                raise Refused(
                    f"--handler {name} is given twice; give each its own name"
                )
    for kind in ("domain", "usecase", "objective"):
        if kind in options:
            check_name(kind, getattr(options, kind))
    to = Repository(root)
    if options.kind == "domain":
        to.check_new_domain(options.domain)
    else:
        to.check_domain(options.domain, options.operator)
        to.check_free(options.domain, options.usecase)
    with tempfile.TemporaryDirectory(dir=root, prefix=STAGE) as folder:
        stage = Path(folder)
        try:
            if options.kind == "domain":
                write_domain(to, stage, options.domain, options.spark)
            else:
                write_usecase(stage, options)
        except lock.LockError as error:
            text = " ".join(str(error).replace(f"{stage}/", "").split())
            raise Refused(text) from None
        for path in stage.rglob("*.py"):
            path.write_text(black.format_str(path.read_text(), mode=black.Mode()))
        files = sorted(p.relative_to(stage) for p in stage.rglob("*") if p.is_file())
        edited = [path for path in files if (root / path).exists()]
        to.check_unchanged()
        place(stage, root)
    _tell("written", [path for path in files if path not in edited])
    _tell("edited", edited)
    _tell("next", _next(options))


def _tell(title: str, lines: Sequence[object]) -> None:
    if lines:
        print(f"{title}:", *lines, sep="\n  ")


def _next(options: argparse.Namespace) -> list[str]:
    check = "./pants --changed-since=HEAD lint check test package ::"
    readme = f"maxaiusecases/{options.domain}/README.md"
    if options.kind == "domain":
        operator = "spark" if options.spark else "kubepod"
        names = f"{options.domain} <usecase> --objective <objective>"
        return [check, f"{ME} usecase {names} --operator {operator}"]
    objective = f"maxaidags/{options.domain}/{options.usecase}/{options.objective}"
    data = f"data/{options.domain}/{options.usecase}/input.csv"
    return [
        check,
        f"./pants run {objective}   # reads {data}: id, value",
        f"replace the handlers by your own, and describe the usecase in {readme}",
    ]


def _terminated(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


def main(argv: Sequence[str] | None = None) -> int:
    """Write a domain or a usecase, and return the exit code."""
    # A shell has what it starts in the background ignore Ctrl-C.
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
