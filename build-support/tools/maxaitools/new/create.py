"""Create a domain, a usecase in a domain, or an objective in a usecase, with all of its files.

A usecase gets one objective. An objective gets one new handler for each task of its DAG. The first
task reads the input file; each later task reads the output of the previous task. The handlers are
working examples with tests. Replace them with your own code. Of the files that exist, only the
launch config changes: it gets the new tasks. To undo: git clean -i -d maxai*, and git restore for
the launch config.

`adopt` completes domains that you have copied into the three trees: it writes the files that they
lack and their locks, changes no other file, and lists what you have to decide.

examples:
  ./pants new domain logistics
  ./pants new adopt growth web
  ./pants new usecase logistics delays --objective score --operator kubepod \\
      --handler delay_features --handler delay_score
  ./pants new objective logistics delays monthly_report

Exit code: 0 done; 1 failed; 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import itertools
import json
import keyword
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import black
import jinja2

from maxairesources.tree import COMMON, CONFIGS, KUBEPOD_CONFIG, NAME
from maxairesources.tree import SPARK_CONFIG, TREES, USECASES, nearest, path_of
from maxaitools import lock
from maxaitools.conventions.check import SHADOWED, requires
from maxaitools.new import adopt as adoption

_TEMPLATES = Path(__file__).resolve().with_name("templates")
_JINJA = jinja2.Environment(
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_LAUNCH_CONFIGS = {"kubepod": KUBEPOD_CONFIG, "spark": SPARK_CONFIG}
_MORE_TASKS = """
one more task, with a new or an existing handler (build-support/docs/usecases.md):
  maxaiusecases/{usecase}/handlers/<handler>.py: the handler, and its test beside it
  maxaiconfigs/{usecase}/{launch_config}: the task's name and handler
  maxaiconfigs/{usecase}/{objective}/py_config.json: its input, output and arguments
  maxaidags/{usecase}/{objective}/dag.py: factory.add(task_id="<task>", ...)"""
# The commands, each with its help. The first three create what is below the one before.
_KINDS = {
    "domain": "create a domain: an image with its own requirements and lock",
    "usecase": "create a usecase in a domain: handlers, configs, a DAG and tests",
    "objective": "create an objective in a usecase: handlers, a config, a DAG and tests",
    "adopt": "add what domains from elsewhere lack, and list what you have to decide",
}


def name(text: str) -> str:
    """Return the name of a domain, usecase, objective or handler, for argparse."""
    if not NAME.fullmatch(text) or keyword.iskeyword(text) or len(text) > 40:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a valid name: use lowercase letters, digits and single "
            "underscores, start with a letter, use at most 40 characters, and avoid "
            "Python keywords"
        )
    return text


def handler(text: str) -> str:
    """Return the name of a handler, for argparse."""
    is_test = re.fullmatch(r"test_.*|.*_(test|helper)|tests|conftest", name(text))
    if is_test or text in SHADOWED:
        problem = (
            "is a test or a helper of tests for Pants" if is_test else "hides a module"
        )
        raise argparse.ArgumentTypeError(f"{text}.py {problem}; use another name")
    return text


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "./pants new", None, __doc__, formatter_class=style
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    domain, usecase, objective, adopt = (
        kinds.add_parser(kind, help=text, description=text)
        for kind, text in _KINDS.items()
    )
    adopt.add_argument("domains", type=name, nargs="+", metavar="domain")
    for each in (domain, usecase, objective):
        each.add_argument("domain", type=name, help="such as logistics")
    domain.add_argument("--spark", action="store_true", help="add Spark to its image")
    for each in (usecase, objective):
        each.add_argument("usecase", type=name, help="such as delays")
        text = "how the tasks are launched (default: as the others of the usecase)"
        each.add_argument("--operator", choices=_LAUNCH_CONFIGS, help=text)
        text = "a handler and its task; repeat it for each (default: the objective)"
        each.add_argument(
            "--handler", type=handler, action="append", dest="handlers", help=text
        )
    usecase.add_argument("--objective", type=name, required=True, help="such as score")
    objective.add_argument("objective", type=name, help="such as score")
    return parser


def find_problems(options: argparse.Namespace) -> Iterator[str]:
    """Yield why a domain, usecase or objective cannot be created."""
    kinds = [*_KINDS][: [*_KINDS].index(options.kind) + 1]
    names = [getattr(options, kind) for kind in kinds]
    for depth, kind in enumerate(kinds[:-1]):
        parents = [Path(path_of(tree, names[:depth])) for tree in TREES]
        found = {path.name for parent in parents for path in parent.glob("*/")}
        if names[depth] not in found:
            fix = f"create it with `./pants new {kind} {' '.join(names[: depth + 1])}`"
            fix = nearest(names[depth], found, fix)
            yield f"{kind} {'/'.join(names[: depth + 1])!r} does not exist; {fix}"
    files = [path_of(tree, names) for tree in TREES]
    fix = f"add to it: ./pants new {[*_KINDS][len(kinds)]} {' '.join(names)} ..."
    if options.kind == "objective":
        code = path_of(USECASES, names[:2], "handlers")
        files[2:] = (f"{code}/{each}.py" for each in options.handlers)
        fix = "see build-support/docs/usecases.md"
    for path in filter(os.path.exists, files):
        yield f"{path}: already exists; use another name, or {fix}"
    if options.kind == "domain":
        if options.domain in ("python", "spark", *lock.read_resolves()):
            yield f"{options.domain!r} is the name of a base image or of a tool's resolve"
        return
    if options.usecase == COMMON:
        yield f"{COMMON!r} is the folder of what usecases share; use another name"
    launch_configs = find_launch_configs(options)
    for file in launch_configs.values():
        try:
            tasks = [task["name"] for task in json.loads(file.read_text())["tasks"]]
        except (LookupError, TypeError, ValueError) as error:
            yield f"{file}: cannot be read ({error!r}); correct it"
        else:
            for task in {*tasks} & {*options.handlers}:
                yield f"{file}: already has a task {task!r}; use another name"
    if options.operator is None:
        given = " and ".join(map(str, launch_configs.values())) or "no launch config"
        yield f"--operator is required, because the usecase has {given}"
    if options.operator == "spark" and not requires(options.domain, "pyspark"):
        fix = "use --operator kubepod, or add it, name the base image spark in the Dockerfile, "
        fix += f"and run ./pants lock {options.domain}"
        yield f"{path_of(USECASES, names[:1])}/requirements.txt: no pyspark; {fix}"


def find_launch_configs(options: argparse.Namespace) -> dict[str, Path]:
    """Return the launch configs that a usecase has, by their operators."""
    folder = Path(CONFIGS, options.domain, options.usecase)
    found = {key: folder / file for key, file in _LAUNCH_CONFIGS.items()}
    return {key: file for key, file in found.items() if file.exists()}


def add_tasks(text: str, tasks: list[dict[str, Any]]) -> str:
    """Return the text of a launch config with more tasks at the end of its list.

    Everything else stays as it is written, such as short lists on one line.
    """
    given = json.loads(text)["tasks"]
    ids = [task.get("id") for task in given]
    unused = (number for number in itertools.count(len(ids) + 1) if number not in ids)
    tasks = [{**task, "id": next(unused)} for task in tasks]
    added = textwrap.indent(json.dumps(tasks, indent=2)[2:-2], "  ")
    start = re.search(r'"tasks"\s*:\s*(?=\[)', text)
    assert start
    _, end = json.JSONDecoder().raw_decode(text, start.end())
    before = text[: end - 1].rstrip()
    return f"{before}{',' if given else ''}\n{added}{text[len(before) :]}"


def write(template: str, **values: Any) -> None:
    """Write the files of a template that do not exist, and print their paths.

    A launch config that exists gets the tasks of the template, unless the usecase is adopted.
    """
    folder = _TEMPLATES / template
    # The launcher reads it from marketplace.toml.
    values["prefix"] = os.environ["MAXAI_PREFIX"]
    for source in sorted(folder.rglob("*.jinja")):
        where = str(source.relative_to(folder).with_suffix(""))
        path = Path(_JINJA.from_string(where).render(values))
        text = _JINJA.from_string(source.read_text()).render(values)
        if path.suffix == ".py":
            text = black.format_str(text, mode=black.Mode())
        note = ""
        if path.exists():
            if path.name not in _LAUNCH_CONFIGS.values() or values["adopted"]:
                continue
            text = add_tasks(path.read_text(), json.loads(text)["tasks"])
            note = " (the tasks are added)"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(f"  {path}{note}")


def write_domain(domain: str, spark: bool) -> None:
    """Write the files of a domain; its image has Spark or not."""
    command = ["build-support/images/base-image", "tag", "spark" if spark else "python"]
    tag = subprocess.check_output(command, text=True).strip()
    write("domain", domain=domain, spark=spark, base=tag)


def adopt(domain: str) -> bool:
    """Complete a domain that was copied here, and print what a person has to decide.

    Returns:
        If its requirements could be locked.
    """
    print(f"{domain}: written:")
    write_domain(domain, requires(domain, "pyspark"))
    adoption.add_requirements(domain)
    for values in adoption.objectives(domain):
        for template in ("objective", values["operator"]):
            write(template, **values, adopted=True)
    failed = []
    try:
        lock.main([domain])
    except SystemExit as error:
        failed.append(str(error))
    found = [*failed, *adoption.decisions(domain)] or ["nothing"]
    print(f"{domain}: to decide:", *found, sep="\n  ")
    return not failed


def main(arguments: list[str] | None = None) -> None:
    """Run the command; an error ends it with exit code 1 or 2."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.kind in ("usecase", "objective"):
        options.handlers = options.handlers or [options.objective]
        launch_configs = find_launch_configs(options)
        if options.operator is None and len(launch_configs) == 1:
            (options.operator,) = launch_configs
    problems = find_problems(options)
    if options.kind == "adopt":
        folders = (Path(USECASES, domain) for domain in options.domains)
        missing = (folder for folder in folders if not folder.is_dir())
        problems = (f"{each}: missing; copy the domain there" for each in missing)
    for problem in problems:
        parser.error(problem)
    if options.kind != "adopt":
        print("written:")
    more, done = "", True
    if options.kind == "adopt":
        done = all([adopt(domain) for domain in options.domains])
        step = f"new adopt {' '.join(options.domains)}   # after each decision"
    elif options.kind == "domain":
        write_domain(options.domain, options.spark)
        lock.main([options.domain])
        step = f"new usecase {options.domain}"
    else:
        values = {**vars(options), "adopted": False}
        for template in ("objective", options.operator):
            write(template, **values)
        for each in options.handlers:
            write("handler", **values, handler=each)
        usecase = f"{options.domain}/{options.usecase}"
        data = f"data/{usecase}/input.csv with the columns id and value"
        step = f"run maxaidags/{usecase}/{options.objective}   # reads {data}"
        launch_config = _LAUNCH_CONFIGS[options.operator]
        values |= {"usecase": usecase, "launch_config": launch_config}
        more = _MORE_TASKS.format(**values)
    check = "./pants --changed-since=HEAD lint check test package ::"
    print(f"next:\n  {check}\n  ./pants {step}{more}")
    if not done:
        sys.exit(1)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C prints no traceback.
    main()
