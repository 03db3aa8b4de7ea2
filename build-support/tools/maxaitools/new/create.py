"""Create a domain, or a usecase in a domain, with all of its files.

A usecase gets one objective, and one handler for each task of its DAG. The first task reads the
input file; each later task reads the output of the previous task. The handlers are working examples
with tests. Replace them with your own code. To undo: git clean -d maxai*
"""

from __future__ import annotations

import argparse
import keyword
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import black
import copier
from copier.errors import CopierError, InteractiveSessionError

from maxairesources.tree import (
    COMMON,
    LAUNCHED_FROM,
    NAME,
    TREES,
    USECASES,
    nearest,
    path_of,
)
from maxaitools import lock

_TEMPLATES = Path(__file__).resolve().with_name("templates")
# The operators, by the names that the command line gives them: kubepod and spark.
_OPERATORS = {
    config.removesuffix("_config.json"): operator
    for operator, config in LAUNCHED_FROM.items()
}
# Pants would treat a handler with such a name as a test.
_TEST = re.compile(r"test_.*|.*_test|tests|conftest")
# Spark runs a handler as a script. Python then looks for each module in the handler's folder
# first, so a handler with such a name would hide the module.
_SHADOWED = sys.stdlib_module_names | {
    *("fsspec", "numpy", "pandas", "py4j", "pyarrow", "pydantic", "pyspark"),
    *("maxairesources", "maxaiusecases"),
}
_EPILOG = """\
examples:
  ./pants new domain logistics
  ./pants new usecase logistics delays --objective score --operator kubepod
  ./pants new usecase telemetry outages --objective score --operator spark \\
      --handler sensor_features --handler outage_score

On a terminal, the command asks for missing arguments. Exit code: 0 done; 1 refused or failed;
2 wrong arguments.
"""


class Refused(Exception):
    """A request that cannot be carried out; the message has one or two lines."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line, which accepts missing arguments."""
    result = argparse.ArgumentParser(
        prog="./pants new",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = result.add_subparsers(
        dest="template", metavar="domain | usecase", required=True
    )
    text = "create a domain: an image with its own requirements and lock"
    domain = kinds.add_parser("domain", help=text, description=text)
    domain.add_argument("domain", nargs="?", help="the new domain, such as logistics")
    domain.add_argument("--spark", action="store_true", help="add Spark to its image")
    text = "create a usecase in a domain: handlers, configs, a DAG and tests"
    usecase = kinds.add_parser("usecase", help=text, description=text)
    usecase.add_argument("domain", nargs="?", help="the domain, such as logistics")
    usecase.add_argument("usecase", nargs="?", help="the new usecase, such as delays")
    usecase.add_argument("--objective", help="the new objective, such as score")
    usecase.add_argument("--operator", choices=_OPERATORS)
    usecase.add_argument(
        "--handler",
        action="append",
        dest="handlers",
        metavar="NAME",
        help="a handler and its task; repeat it for each task, in order (default: one "
        "handler with the name of the objective)",
    )
    return result


def check(answers: Mapping[str, Any]) -> None:
    """Raise Refused if a name is not valid or in use, or the domain does not fit."""
    template, domain = answers["template"], answers["domain"]
    for kind in ("domain", "usecase", "objective"):
        if answers.get(kind):
            check_name(kind, answers[kind])
    for name in answers.get("handlers", ()):
        check_name("handler", name)
    names = [domain] if template == "domain" else [domain, answers["usecase"]]
    for tree in TREES:
        if (path := Path(path_of(tree, names))).exists():
            raise Refused(f"{path}: already exists; use another name or delete it")
    if template == "domain":
        if domain in lock.read_resolves(Path()):
            raise Refused(
                f"domain {domain!r}: a tool's resolve has this name; rename it"
            )
        return
    domains = lock.read_domains(Path())
    if domain not in domains:
        create = f"create it with `./pants new domain {domain}`"
        hint = nearest(domain, domains, create)
        raise Refused(f"domain {domain!r} does not exist; {hint}")
    dockerfile = Path(USECASES, domain, "Dockerfile")
    text = dockerfile.read_text() if dockerfile.exists() else ""
    if answers["operator"] == "spark" and "maxai/spark" not in text:
        raise Refused(
            f"{dockerfile}: the image has no Spark; use --operator kubepod, or add Spark: py4j "
            f"and pyspark in requirements.txt, maxai/spark here, and `./pants lock {domain}`"
        )


def check_name(kind: str, name: str) -> None:
    """Raise Refused if the name of a new domain, usecase, objective or handler is not valid."""
    if not NAME.fullmatch(name) or keyword.iskeyword(name) or len(name) > 40:
        raise Refused(
            f"{name!r} is not a valid {kind} name: use lowercase letters, digits and "
            "single underscores, start with a letter, use at most 40 characters, and "
            "avoid Python keywords"
        )
    if kind == "domain" and name in ("python", "spark"):
        raise Refused(f"maxai/{name} is the name of a base image; use another name")
    if kind == "usecase" and name == COMMON:
        raise Refused(
            f"usecase {name!r}: the folder holds what usecases share; rename it"
        )
    if kind == "handler" and _TEST.fullmatch(name):
        raise Refused(f"handler {name!r}: Pants treats {name}.py as a test; rename it")
    if kind == "handler" and name in _SHADOWED:
        raise Refused(f"handler {name!r}: it would hide the module {name}; rename it")


def create(given: Mapping[str, Any]) -> Iterator[Path]:
    """Write the files of a domain or usecase, and yield their paths.

    Args:
        given: the answers that the command line gives, and `template`, which names the folder.
    """
    answers = {**given, **ask(given)}
    if answers["template"] == "usecase":
        answers["handlers"] = answers.get("handlers") or [answers["objective"]]
        answers["operator_class"] = _OPERATORS[answers["operator"]]
        answers["port_type"] = "spark" if answers["operator"] == "spark" else "pandas"
    check(answers)
    base = "spark" if answers.get("spark") else "python"
    command = ["build-support/images/base-image", "tag", base]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answers["base"] = done.stdout.strip()
    before = _files(answers["domain"])
    render(answers)
    if answers["template"] == "usecase":
        render({**answers, "template": answers["operator"]})
        for handler in answers["handlers"]:
            render({**answers, "template": "handler", "handler": handler})
    for path in sorted(_files(answers["domain"]) - before):
        if path.suffix == ".py":
            path.write_text(black.format_str(path.read_text(), mode=black.Mode()))
        yield path


def _files(domain: str) -> set[Path]:
    found = (p for tree in TREES for p in Path(tree, domain).rglob("*"))
    return {path for path in found if path.is_file()}


def ask(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answers, after copier has asked for those that are missing."""
    return dict(_copy(given, exclude=["*"]).answers.combined)


def render(answers: Mapping[str, Any]) -> None:
    """Write the files of a template; existing files stay as they are."""
    _copy(answers, defaults=True)


def _copy(answers: Mapping[str, Any], **options: Any) -> Any:
    # The user's own settings of copier must not change the files.
    settings = copier.Settings()
    return copier.run_copy(
        str(_TEMPLATES), ".", dict(answers), settings=settings, quiet=True, **options
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = parser().parse_args(argv)
    given = {name: value for name, value in vars(options).items() if value is not None}
    try:
        written = [*create(given)]
        print("written:", *written, sep="\n  ")
        domain = written[0].parts[1]
        if options.template == "domain":
            if code := lock.main([domain]):
                return code
            step = f"./pants new usecase {domain}"
        else:
            (dag,) = (path.parent for path in written if path.name == "dag.py")
            data = f"data/{domain}/{dag.parts[2]}/input.csv"
            step = f"./pants run {dag}   # reads {data} with the columns id and value"
        print(
            f"next:\n  ./pants --changed-since=HEAD lint check test package ::\n  {step}"
        )
    except InteractiveSessionError:
        missing = ", ".join(n for n, value in vars(options).items() if value is None)
        print(f"error: missing: {missing}; see --help", file=sys.stderr)
        return 2
    except (Refused, CopierError, OSError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
