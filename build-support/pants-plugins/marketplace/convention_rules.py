"""The conventions of the three trees: a table of rules, each a function of a domain's files.

What cannot be read is for the rules `config` and `dag` to report; all others pass over it.
"""

from __future__ import annotations

import difflib
import fnmatch
import keyword
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Callable, Iterable, Iterator, NamedTuple

from marketplace.domain_files import (
    CONFIGS,
    DAG_NAMES,
    DAGS,
    LAUNCHED_FROM,
    PY_CONFIG,
    TREES,
    USECASES,
    Dag,
    Domain,
    Names,
    as_list,
    find_dynamic_import,
    get_in,
    imports_in,
    path_of,
)
from marketplace.launch_configs import IN_IMAGE, SPARK_IMAGES

# The files of a folder, by its depth in a tree: those that it must have, and may have. Where it
# may have a config, it may have that one's overlays.
FILES: dict[tuple[str, int], tuple[Names, Names]] = {
    (CONFIGS, 0): ((), ("BUILD",)),
    (CONFIGS, 2): (("BUILD",), tuple(LAUNCHED_FROM.values())),
    (CONFIGS, 3): (("BUILD", PY_CONFIG), (PY_CONFIG,)),
    (DAGS, 0): ((), (".airflowignore", "BUILD")),
    (DAGS, 3): (("BUILD", "dag.py", "dag_test.py", "run_test.py"), ()),
    (USECASES, 1): (
        ("BUILD", "Dockerfile", "README.md", "image_test.py")
        + ("requirements.lock", "requirements.txt", "setup.py"),
        (),
    ),
    (USECASES, 2): (("handlers/BUILD",), ()),
    (USECASES, 3): ((), ("BUILD", "*.py")),
}


class Finding(NamedTuple):
    file: str
    problem: str
    remedy: str


def nearest(name: str, valid: Iterable[str]) -> str:
    """A remedy that gives the valid name nearest to another."""
    if close := difflib.get_close_matches(name, valid := sorted({*valid}), 1):
        return f"did you mean {close[0]}?"
    return f"use one of: {', '.join(valid[:9])}" if valid else "drop it"


def _place(*keys: str) -> str:
    plain = re.compile(r"[A-Za-z_]\w*")
    return "$" + "".join(f".{k}" if plain.fullmatch(k) else f"[{k!r}]" for k in keys)


def name(domain: Domain) -> Iterator[Finding]:
    """Domains, usecases, objectives and handlers are called [a-z][a-z0-9_]*.
    The name becomes part of modules, images and ids, of which some take nothing else.
    Rename it, in each tree.
    """
    levels = ((tree, depth) for tree in TREES for depth in (1, 2, 3))
    folders = {
        path_of(t, each) for t, depth in levels for each in domain.folders(t, depth)
    }
    for path in folders | domain.handlers:
        stem = re.sub("[.]py$", "", path.rpartition("/")[2])
        if path in domain.handlers and re.fullmatch("test_.*|tests", stem):
            problem = f"{stem!r} is a test to Pants, so no image has it"
            remedy = "rename it; a test of x.py is called x_test.py"
            yield Finding(path, problem, remedy)
        elif keyword.iskeyword(stem):
            yield Finding(path, f"{stem!r} is a keyword of Python", "rename it")
        elif not re.fullmatch("[a-z][a-z0-9_]*", stem):
            words = re.sub("(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", stem).lower()
            better = re.sub("^[^a-z]+|_+$", "", words)
            problem = f"{stem!r} does not match [a-z][a-z0-9_]*"
            yield Finding(path, problem, f"rename it, to {better} for one")


def unexpected_file(domain: Domain) -> Iterator[Finding]:
    """A folder holds what belongs there, and nothing else.
    What nothing reads is a misspelt name, or seems to do what it does not.
    Rename it, or move it where it belongs.
    """
    for path in domain.files:
        tree, *folders, file = path.split("/")
        must, may = FILES.get((tree, len(folders)), ((), ()))
        expected = [each for each in (*must, *may) if "/" not in each]
        if tree == CONFIGS:
            expected += domain.with_overlays(*(e for e in may if e.endswith(".json")))
        if tree == USECASES and folders[2:] not in ([], ["handlers"]):
            expected = []
        if tree in TREES and not any(fnmatch.fnmatchcase(file, e) for e in expected):
            remedy = nearest(file, expected) if expected else "move it, or drop it"
            yield Finding(path, "nothing of that name belongs here", remedy)


def missing_file(domain: Domain) -> Iterator[Finding]:
    """A domain, a usecase and an objective have all of their files.
    Without one, something is not built, or not tested, in silence.
    Copy that of another, or let `pants tailor` write a BUILD file.
    """
    for (tree, depth), (files, _) in FILES.items():
        for names in domain.folders(tree, depth):
            for path in (path_of(tree, names, file) for file in files):
                if path not in domain.files:
                    is_build = path.endswith("/BUILD")
                    remedy = "`pants tailor ::` writes it" if is_build else "add it"
                    yield Finding(path, "is missing", remedy)
    for names in domain.folders(CONFIGS, 2):
        paths = [path_of(CONFIGS, names, file) for file in LAUNCHED_FROM.values()]
        if not any(path in domain.files for path in paths):
            remedy = f"add it, or {paths[1]}"
            yield Finding(
                paths[0], "is missing, and nothing else launches tasks", remedy
            )


def domain_not_registered(domain: Domain) -> Iterator[Finding]:
    """A domain is in [python.resolves] of pants.toml and in DOMAINS of the macros.
    Without them it has no packages, and does not get the shared modules.
    Add the entry, or drop one that has no folder.
    """
    folder = path_of(USECASES, [domain.name])
    lock = f"{folder}/requirements.lock"
    exists = (domain.name,) in domain.folders(USECASES, 1)
    is_in_resolves = domain.resolves.get(domain.name) == lock
    is_in_macros = domain.name in domain.registered
    resolve, member = f'{domain.name} = "{lock}"', f'"{domain.name}"'
    for file, place, is_in, entry in (
        ("pants.toml", "[python.resolves]", is_in_resolves, resolve),
        ("build-support/macros.py", "DOMAINS", is_in_macros, member),
    ):
        if exists and not is_in:
            yield Finding(file, f"{place} lacks {domain.name}", f"add {entry}")
        if is_in and not exists:
            problem = f"{place} has {domain.name}, but there is no {folder}"
            yield Finding(file, problem, "drop the entry, or add the folder")


def orphan(domain: Domain) -> Iterator[Finding]:
    """The trees have the same domains and usecases; configs and DAGs the same objectives.
    What is in one of them alone is never run, or fails when it is.
    Add what is missing, rename what is misspelt, or drop the rest.
    """
    if not any(domain.folders(tree, 2) for tree in TREES):
        # A new domain has no usecase yet, and so no configs and DAGs.
        return
    for depth, kind in ((1, "domain"), (2, "usecase"), (3, "objective")):
        trees = TREES if depth < 3 else (CONFIGS, DAGS)
        folders = {tree: domain.folders(tree, depth) for tree in trees}
        mirrored = set.intersection(*folders.values())
        for names in set.union(*folders.values()) - mirrored:
            first = next(tree for tree in trees if names in folders[tree])
            for tree in trees:
                # When the folder above it is missing too, only that is reported.
                above = domain.folders(tree, depth - 1) | {()}
                if names not in folders[tree] and names[:-1] in above:
                    path = path_of(tree, names)
                    strays = [path_of(tree, each) for each in folders[tree] - mirrored]
                    remedy = nearest(path, strays) if strays else "add it, or drop this"
                    problem = f"the {kind} has no {path}"
                    yield Finding(path_of(first, names), problem, remedy)


def dag(domain: Domain) -> Iterator[Finding]:
    """A dag.py is Python, and gives DAGFactory the names of the folders that it is in.
    The DAG factory finds the configs by these names.
    Give the names that the message says.
    """
    for names in domain.folders(DAGS, 3):
        path = path_of(DAGS, names, "dag.py")
        read = domain.dags.get(names, Dag([], {}, False))
        if path in domain.files and names not in domain.dags:
            yield Finding(path, "is no Python", "mend it; `python -m ast` shows where")
        elif "DAGFactory" not in domain.files.get(path, "DAGFactory"):
            problem = "does not make its DAG with DAGFactory"
            yield Finding(path, problem, "use it; that of another objective shows how")
        says = [each for given in read.names for each in zip(DAG_NAMES, given)]
        rights = [".".join(names), *names] * len(read.names)
        for (parameter, value), right in zip(says, rights):
            if value not in (right, None):
                yield Finding(path, f"{parameter} is {value!r}", f"give {right!r}")


def task_name(domain: Domain) -> Iterator[Finding]:
    """A task has one name in the DAG, the launch config and the py_config.
    The name is what joins the three; a task that is not in all of them cannot run.
    Use the same name, or drop what no DAG has.
    """
    for names, dag in domain.dags.items():
        path = path_of(DAGS, names, "dag.py")
        py_config = path_of(CONFIGS, names, PY_CONFIG)
        launched = [(t, o) for t, o in dag.operators.items() if o in LAUNCHED_FROM]
        for task, operator in launched:
            base = path_of(CONFIGS, names[:2], LAUNCHED_FROM[operator or ""])
            if base not in domain.files:
                problem = f"task {task!r} is a {operator}, but there is no {base}"
                yield Finding(path, problem, "add that file, with the task")
            for config in (*domain.with_overlays(base), py_config):
                tasks = domain.tasks_in(config)
                if tasks is not None and task not in tasks:
                    problem = f"task {task!r} is not in {config}"
                    yield Finding(path, problem, nearest(task, tasks))
        for task in (domain.tasks_in(py_config) or ()) if dag.complete else ():
            if task not in dag.operators:
                problem = f"{_place(task)}: {path} has no task {task!r}"
                yield Finding(py_config, problem, nearest(task, dag.operators))
    for launch in domain.launches:
        known = domain.known_tasks.get(tuple(launch.file.split("/")[1:3]))
        if known is not None and launch.task not in known:
            problem = f"{launch.place}.name: no objective has a task {launch.task!r}"
            yield Finding(launch.file, problem, nearest(launch.task, known))


def unknown_handler(domain: Domain) -> Iterator[Finding]:
    """A launch config runs handlers of its own usecase.
    What is not in the domain's image fails when the task starts.
    Name the handler that the message says.
    """
    own: dict[str, set[str]] = defaultdict(set)
    for path in domain.handlers:
        own[path.rpartition("/")[0]].add(path)
    for launch in domain.launches:
        usecase = launch.file.split("/")[1:3]
        folder = path_of(USECASES, usecase, "handlers")
        known = {
            path[len(folder) + 1 : -3]: launch.name_of(path) for path in own[folder]
        }
        if launch.handler not in known.values():
            is_own = (
                re.sub("[.]py$", "", launch.name_of(f"{folder}.py")) in launch.handler
            )
            wrong = (
                "does not exist" if is_own else f"is no handler of {'/'.join(usecase)}"
            )
            stem = re.split("[./]", re.sub("[.]py$", "", launch.handler))[-1]
            close = difflib.get_close_matches(stem, known, 1) or sorted(known)
            remedy = nearest(launch.handler, [known[each] for each in close])
            problem = f"{launch.place} runs {launch.handler}, which {wrong}"
            yield Finding(launch.file, problem, remedy)


def unused_handler(domain: Domain) -> Iterator[Finding]:
    """A handler is run by a task, or imported by one that is.
    What nothing runs is carried by the image, tested and maintained for nobody.
    Launch it from a task, or drop it.
    """
    run = {launch.handler for launch in domain.launches}
    names = {p: {p[:-3].replace("/", "."), IN_IMAGE + p} for p in domain.handlers}
    # Whatever is imported from a package runs its __init__.py.
    new = {path for path in domain.modules if path.endswith("/__init__.py")}
    new |= {path for path in domain.handlers if names[path] & run}
    used: set[str] = set()
    while new:
        used |= new
        modules = [(path, domain.modules.get(path)) for path in new]
        if not all(module for _, module in modules) or any(
            find_dynamic_import(domain.files[path]) for path in new
        ):
            # What is no Python, or imports at run time, may import any.
            return
        imported = {i.file for path, m in modules if m for i in imports_in(path, m)}
        # `import *` takes all that there is.
        new = {
            path
            for path in domain.handlers - used
            if {path, f"{path.rpartition('/')[0]}/*.py"} & imported
        }
    for path in domain.handlers - used:
        remedy = "launch it from a task, import it in one that is, or drop it"
        yield Finding(path, "no task runs this handler", remedy)


def foreign_image(domain: Domain) -> Iterator[Finding]:
    """A launch config names its own domain's image, without a tag.
    Only that image has the usecase's handlers; a release adds what it is to be.
    Give maxai/<domain>.
    """
    for file, config in domain.configs.items():
        if file.endswith("/spark_config.json") and "container.image" not in str(config):
            remedy = f"give maxai/{domain.name}"
            yield Finding(file, f"$.conf lacks {SPARK_IMAGES[0]}", remedy)
        confs = [("$.conf", get_in(config, "conf"))]
        for index, task in enumerate(as_list(get_in(config, "tasks"))):
            place, submit = f"$.tasks[{index}]", "spark_submit_conf"
            confs.append((f"{place}.conf", get_in(task, "conf")))
            confs.append((f"{place}.{submit}.conf", get_in(task, submit, "conf")))
        pairs = ((conf, key) for conf in confs for key in ("image", *SPARK_IMAGES))
        for (place, conf), key in pairs:
            image = get_in(conf, key)
            if isinstance(image, str) and image != f"maxai/{domain.name}":
                problem = f"{place}{_place(key)[1:]} is the image {image}"
                yield Finding(file, problem, f"give maxai/{domain.name}")


def foreign_import(domain: Domain) -> Iterator[Finding]:
    """No domain imports another's code.
    Each has its own packages, image and owners, so a change of one may not break another.
    Move what both need into maxairesources.
    """
    for path, module in domain.modules.items():
        for found in dict.fromkeys(imports_in(path, module)):
            if domain.name not in ("", found.domain):
                problem = f"line {found.line} imports {found.file}, of another domain"
                yield Finding(path, problem, "move what both need into maxairesources")


def nested_requirements(domain: Domain) -> Iterator[Finding]:
    """A file of requirements refers to no other, by -r or -c.
    Pants passes over such a line in silence, so what it asks for would not be there.
    Write the requirements themselves.
    """
    nested = re.compile(r"\s*(-[rc]|--requirement|--constraint)")
    for path, text in domain.files.items():
        for number, line in enumerate(text.splitlines(), 1):
            if path.endswith(".txt") and nested.match(line):
                problem = f"line {number}: Pants ignores {line.strip()!r}"
                yield Finding(path, problem, "write the requirements themselves")


def config(domain: Domain) -> Iterator[Finding]:
    """The configs are what DAGs and handlers can read, with each deployment's overlays.
    A mistake is told here, and not when a task fails.
    Do what the message says.
    """
    for error in domain.config_errors:
        file, _, what = error.partition(": ")
        problem, _, remedy = what.rpartition("; ")
        yield Finding(file, problem, remedy)


def overlay(domain: Domain) -> Iterator[Finding]:
    """An overlay changes only what its base has; null drops a key.
    A misspelt key would add something that nothing reads, and change nothing.
    Use the base's key, or add it to the base.
    """
    for path, patch in domain.configs.items():
        base = domain.base_of(path)
        if base not in domain.files:
            yield Finding(path, f"there is no {base} to change", "add it, or drop this")
        # It is no recursion, since JSON may be nested as deeply as Python's stack.
        places: list[Any] = [((), domain.configs.get(base, {}), patch)]
        for keys, old, new in places if base != path and base in domain.configs else ():
            # Spark's own keys are checked against Spark's table, and one that only a
            # deployment needs, such as a Secret's, stands in no base.
            is_spark = keys == ("conf",) and "/spark_config." in path
            for key, value in () if is_spark else new.items():
                if not isinstance(old, dict) or key not in old:
                    problem = f"{_place(*keys, key)} is not in the base"
                    remedy = nearest(key, old if isinstance(old, dict) else ())
                    yield Finding(path, problem, remedy)
                elif isinstance(value, dict):
                    places.append(((*keys, key), old[key], value))


@dataclass(frozen=True)
class Rule:
    """A convention: its id, what it asks for, why, and how to mend what it finds."""

    find: Callable[[Domain], Iterator[Finding]]

    @property
    def id(self) -> str:
        return self.find.__name__.replace("_", "-")

    @property
    def texts(self) -> list[str]:
        """What, why and fix: the lines of the function's documentation."""
        return [line.strip() for line in (self.find.__doc__ or "").strip().splitlines()]


RULES = tuple(
    Rule(find)
    for find in (
        *(name, unexpected_file, missing_file, domain_not_registered, orphan, dag),
        *(task_name, unknown_handler, unused_handler, foreign_image, foreign_import),
        *(nested_requirements, config, overlay),
    )
)


def check(domain: Domain) -> list[str]:
    """What all rules find, a line each."""
    return sorted(
        f"{file}: {rule.id}: {problem}; {remedy}"
        for rule in RULES
        for file, problem, remedy in rule.find(domain)
    )
