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
import contextlib
import itertools
import json
import keyword
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import black
import jinja2

from maxairesources.tree import COMMON, CONFIGS, DAGS, KUBEPOD_CONFIG, NAME
from maxairesources.tree import SPARK_CONFIG, TREES, USECASES, nearest, path_of
from maxaitools import lock
from maxaitools.conventions.reserved_names import SHADOWED
from maxaitools.new import adopt as adoption

_TEMPLATES = Path(__file__).resolve().with_name("templates")
_JINJA = jinja2.Environment(
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_LAUNCH_CONFIGS = {"kubepod": KUBEPOD_CONFIG, "spark": SPARK_CONFIG}
_MORE_TASKS = """\
one more task, with a new or an existing handler (build-support/docs/usecases.md):
  maxaiusecases/{usecase}/handlers/<handler>.py: the handler, and its test beside it
  maxaiconfigs/{usecase}/{launch_config}: the task's name and handler
  maxaiconfigs/{usecase}/{objective}/py_config.json: its input, output and arguments
  maxaidags/{usecase}/{objective}/dag.py: factory.add(task_id="<task>", ...)"""
# Pants would treat a handler with such a name as a test or a helper of tests.
_TEST = re.compile(r"test_.*|.*_(test|helper)|tests|conftest")


def name(text: str) -> str:
    """Return the name of a domain, usecase, objective or handler, for argparse."""
    if not NAME.fullmatch(text) or keyword.iskeyword(text) or len(text) > 40:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a valid name: use lowercase letters, digits and single "
            "underscores, start with a letter, use at most 40 characters, and avoid "
            "Python keywords"
        )
    return text


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="./pants new",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(
        dest="kind", metavar="domain | usecase | objective | adopt", required=True
    )
    text = "add what domains from elsewhere lack, and list what you have to decide"
    adopt = kinds.add_parser("adopt", help=text, description=text)
    adopt.add_argument("domains", type=name, nargs="+", metavar="domain")
    text = "create a domain: an image with its own requirements and lock"
    domain = kinds.add_parser("domain", help=text, description=text)
    domain.add_argument("domain", type=name, help="the new domain, such as logistics")
    domain.add_argument("--spark", action="store_true", help="add Spark to its image")
    text = "create a usecase in a domain: handlers, configs, a DAG and tests"
    usecase = kinds.add_parser("usecase", help=text, description=text)
    usecase.add_argument("domain", help="the domain, such as logistics")
    usecase.add_argument("usecase", type=name, help="the new usecase, such as delays")
    text = "the new objective, such as score"
    usecase.add_argument("--objective", type=name, required=True, help=text)
    usecase.add_argument("--operator", choices=_LAUNCH_CONFIGS, required=True)
    text = "create an objective in a usecase: handlers, a config, a DAG and tests"
    objective = kinds.add_parser("objective", help=text, description=text)
    objective.add_argument("domain", help="the domain, such as logistics")
    objective.add_argument("usecase", help="the usecase, such as delays")
    text = "the new objective, such as monthly_report"
    objective.add_argument("objective", type=name, help=text)
    text = "how its tasks are launched (default: as the other tasks of the usecase)"
    objective.add_argument("--operator", choices=_LAUNCH_CONFIGS, help=text)
    text = "a handler and its task; repeat it for each task (default: the objective)"
    for parent in (usecase, objective):
        parent.add_argument(
            "--handler", type=name, action="append", dest="handlers", help=text
        )
    return parser


def _prefix() -> str:
    """Return the prefix of images; the launcher reads it from marketplace.toml."""
    return os.environ["MAXAI_PREFIX"]


def find_problems(options: argparse.Namespace) -> Iterator[str]:
    """Yield why the domain or usecase cannot be created."""
    is_domain, domain = options.kind == "domain", options.domain
    names = [domain] if is_domain else [domain, options.usecase]
    below = "usecase" if is_domain else "objective"
    fix = f"use another name, or add to it: ./pants new {below} {' '.join(names)} ..."
    for path in (Path(path_of(tree, names)) for tree in TREES):
        if path.exists() and options.kind != "objective":
            yield f"{path}: already exists; {fix}"
    if is_domain:
        if domain in ("python", "spark") or domain in lock.read_resolves():
            yield f"{domain!r} is the name of a base image or of a tool's resolve"
        return
    dockerfile = Path(USECASES, domain, "Dockerfile")
    domains = [path.parent.name for path in Path(USECASES).glob("*/requirements.txt")]
    if domain not in domains:
        hint = nearest(domain, domains, f"create it with `./pants new domain {domain}`")
        yield f"domain {domain!r} does not exist; {hint}"
    elif (
        options.operator == "spark"
        and f"{_prefix()}/spark" not in dockerfile.read_text()
    ):
        yield (
            f"{dockerfile}: the image has no Spark; use --operator kubepod, or add Spark: pyspark "
            f"in requirements.txt, {_prefix()}/spark here, and `./pants lock {domain}`"
        )
    if options.usecase == COMMON:
        yield f"{COMMON!r} is the folder of what usecases share; use another name"
    for handler in options.handlers:
        if _TEST.fullmatch(handler):
            yield f"Pants treats {handler}.py as a test or its helper; use another name"
        if handler in SHADOWED:
            yield f"handler {handler!r} would hide the module; use another name"
    if options.kind == "objective":
        yield from find_problems_of_objective(options)


def find_problems_of_objective(options: argparse.Namespace) -> Iterator[str]:
    """Yield why the objective cannot be added to its usecase."""
    names = [options.domain, options.usecase]
    folders = (path for tree in TREES for path in Path(tree, options.domain).glob("*/"))
    usecases = {path.name for path in folders}
    if options.usecase not in usecases:
        fix = f"create it with `./pants new usecase {' '.join(names)} ...`"
        fix = nearest(options.usecase, usecases, fix)
        yield f"usecase {'/'.join(names)!r} does not exist; {fix}"
    for tree in (CONFIGS, DAGS):
        path = Path(path_of(tree, names, options.objective))
        if path.exists():
            yield f"{path}: already exists; use another name"
    for handler in options.handlers:
        path = Path(path_of(USECASES, names, f"handlers/{handler}.py"))
        if path.exists():
            fix = "use another name, or copy an objective that runs it"
            yield f"{path}: already exists; {fix} (build-support/docs/usecases.md)"
    launch_configs = find_launch_configs(*names)
    for file in launch_configs.values():
        try:
            tasks = [task["name"] for task in json.loads(file.read_text())["tasks"]]
        except (LookupError, TypeError, ValueError) as error:
            yield f"{file}: cannot be read ({error!r}); correct it"
        else:
            for task in {*tasks} & {*options.handlers}:
                yield f"{file}: already has a task {task!r}; use another name"
    if options.operator is None:
        found = " and ".join(map(str, launch_configs.values())) or "no launch config"
        yield f"--operator is required, because the usecase has {found}"


def find_launch_configs(domain: str, usecase: str) -> dict[str, Path]:
    """Return the launch configs that a usecase has, by their operators."""
    folder = Path(path_of(CONFIGS, [domain, usecase]))
    found = {key: folder / file for key, file in _LAUNCH_CONFIGS.items()}
    return {key: file for key, file in found.items() if file.exists()}


def add_tasks(text: str, tasks: list[dict[str, Any]]) -> str:
    """Return the text of a launch config with more tasks at the end of its list.

    Everything else stays as it is written, such as short lists on one line.
    """
    config = json.loads(text)
    ids = [task.get("id") for task in config["tasks"]]
    unused = (number for number in itertools.count(len(ids) + 1) if number not in ids)
    tasks = [{**task, "id": next(unused)} for task in tasks]
    added = textwrap.indent(json.dumps(tasks, indent=2)[2:-2], "  ")
    for end in re.finditer(r"\s*\]", text):
        head, tail = text[: end.start()], text[end.start() :]
        changed = f"{head}{',' if ids else ''}\n{added}{tail}"
        # Only at the end of that list, the result is the wanted config.
        with contextlib.suppress(ValueError):
            if json.loads(changed) == {**config, "tasks": config["tasks"] + tasks}:
                return changed
    raise AssertionError("a list has an end")


def write(template: str, **values: Any) -> None:
    """Write the files of a template that do not exist, and print their paths.

    A launch config that exists gets the tasks of the template, unless the usecase is adopted.
    """
    folder = _TEMPLATES / template
    values["prefix"] = _prefix()
    for source in sorted(folder.rglob("*.jinja")):
        where = str(source.relative_to(folder).with_suffix(""))
        path = Path(_JINJA.from_string(where).render(values))
        text = _JINJA.from_string(source.read_text()).render(values)
        if path.suffix == ".py":
            text = black.format_str(text, mode=black.Mode())
        note = ""
        if path.exists():
            if "adopted" in values or path.name not in _LAUNCH_CONFIGS.values():
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


def adopt(domain: str) -> None:
    """Complete a domain that was copied here, and print what a person has to decide."""
    requirements = Path(USECASES, domain, "requirements.txt")
    if not requirements.parent.is_dir():
        sys.exit(f"new: error: {requirements.parent}: missing; copy the domain there")
    write_domain(domain, adoption.requires(adoption.read(requirements), "pyspark"))
    adoption.add_requirements(requirements)
    for values in adoption.objectives(domain):
        for template in ("adopt", "objective", values["operator"]):
            write(template, **values, adopted=True)
    lock.main([domain])
    found = [*adoption.decisions(domain)] or ["nothing"]
    print("to decide:", *found, sep="\n  ")


def main(arguments: list[str] | None = None) -> None:
    """Run the command; an error ends it with exit code 1 or 2."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.kind not in ("adopt", "domain"):
        options.handlers = options.handlers or [options.objective]
        launch_configs = find_launch_configs(options.domain, options.usecase)
        if options.operator is None and len(launch_configs) == 1:
            (options.operator,) = launch_configs
    for problem in find_problems(options) if options.kind != "adopt" else ():
        parser.error(problem)
    print("written:")
    if options.kind == "adopt":
        for domain in options.domains:
            adopt(domain)
        step = "new adopt " + " ".join(options.domains) + "   # after each decision"
    elif options.kind == "domain":
        write_domain(options.domain, options.spark)
        lock.main([options.domain])
        step = f"new usecase {options.domain}"
    else:
        for template in ("objective", options.operator):
            write(template, **vars(options))
        for handler in options.handlers:
            write("handler", **vars(options), handler=handler)
        usecase = f"{options.domain}/{options.usecase}"
        data = f"data/{usecase}/input.csv with the columns id and value"
        step = f"run maxaidags/{usecase}/{options.objective}   # reads {data}"
    check = "./pants --changed-since=HEAD lint check test package ::"
    print(f"next:\n  {check}\n  ./pants {step}")
    if options.kind not in ("adopt", "domain"):
        names = {**vars(options), "usecase": usecase}
        launch_config = _LAUNCH_CONFIGS[options.operator]
        print(_MORE_TASKS.format(**names, launch_config=launch_config))


if __name__ == "__main__":
    main()
