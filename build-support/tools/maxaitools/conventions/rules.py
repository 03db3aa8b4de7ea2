"""The conventions of the three trees: one function for each rule, which checks one domain.

A file that cannot be parsed is reported by the rules `config` and `dag`; the others skip it.
The docstring of a rule has three lines, which `./pants list-conventions` prints: the rule, why it
exists, and how to fix what it finds.
"""

from __future__ import annotations

import difflib
import fnmatch
import keyword
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from maxairesources.dynamic_imports import find_dynamic_import
from maxairesources.launches import handler_name, lacks_spark_image
from maxairesources.tree import (
    COMMON,
    CONFIGS,
    DAGS,
    LAUNCHED_FROM,
    MACROS,
    NAME,
    PANTS_TOML,
    PY_CONFIG,
    SPARK_CONFIG,
    SPARK_IMAGES,
    TREES,
    USECASES,
    dag_id,
    json_path,
    nearest,
    path_of,
    repository_of,
)
from maxaitools.conventions.domain import DAG_NAMES, Dag, Domain, Names, imports_in
from maxaitools.conventions.secret_values import find_secrets

# The files of a folder, by its depth in a tree: the required ones, and the optional ones.
# An optional config may also have overlays.
FILES: dict[tuple[str, int], tuple[Names, Names]] = {
    (CONFIGS, 0): ((), ("BUILD",)),
    (CONFIGS, 2): (("BUILD",), tuple(LAUNCHED_FROM.values())),
    (CONFIGS, 3): (("BUILD", PY_CONFIG), (PY_CONFIG,)),
    (DAGS, 0): ((), (".airflowignore", "BUILD")),
    (DAGS, 3): (("BUILD", "dag.py", "dag_test.py"), ()),
    (USECASES, 0): ((), ("BUILD",)),
    (USECASES, 1): (
        ("BUILD", "Dockerfile", "README.md", "image_test.py")
        + ("requirements.lock", "requirements.txt", "setup.py"),
        ("sample_data.py", "sample_data_test.py"),
    ),
}
# The folders that may hold any file: the modules, data files and subpackages of handlers and DAGs.
_OPEN = re.compile(
    rf"{USECASES}/[^/]+/([^/]+/(handlers|notebooks)|{COMMON})/.+"
    rf"|{DAGS}/[^/]+/([^/]+/(?!dag\.py$)[^/]+|[^/]+/[^/]+/.+)"
)
# The largest file, in bytes.
LARGEST = 5 * 1000**2


class Finding(NamedTuple):
    """A broken rule: the file, the problem with its place in the file, and the fix."""

    file: str
    problem: str
    fix: str


def name(domain: Domain) -> Iterator[Finding]:
    """Domains, usecases, objectives and handlers have names like credit_risk or churn2.
    The name becomes part of Python modules, image names and DAG ids, which allow little else.
    Rename it in each tree: lowercase letters and digits, words joined by single underscores.
    """
    folders = {
        path_of(tree, names)
        for tree in TREES
        for depth in (1, 2, 3)
        for names in domain.folders(tree, depth)
    }
    modules = domain.handlers | {
        str(parent)
        for path in domain.handlers
        for parent in PurePosixPath(path).parents
        if "handlers" in parent.parts[3:-1]
    }
    for names in domain.folders(CONFIGS, 2) | domain.folders(DAGS, 2):
        if names[1] == COMMON:
            problem = f"{COMMON!r} is the folder of the code that usecases share"
            yield Finding(path_of(DAGS, names), problem, "rename the usecase")
    for path in folders | modules:
        stem = path.rpartition("/")[2].removesuffix(".py")
        if path in domain.handlers and re.fullmatch("test_.*|tests", stem):
            problem = f"Pants takes {stem!r} for a test and leaves it out of the image"
            yield Finding(path, problem, "rename it; the test of x.py is x_test.py")
        elif keyword.iskeyword(stem):
            yield Finding(path, f"{stem!r} is a Python keyword", "rename it")
        elif not NAME.fullmatch(stem.lstrip("_") if path in modules else stem):
            words = re.sub("(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", stem).lower()
            better = re.sub("^[^a-z]+|_+$", "", re.sub("__+", "_", words))
            fix = f"rename it to {better}" if NAME.fullmatch(better) else "rename it"
            problem = (
                f"{stem!r} is not a valid name: use lowercase letters, digits and "
                "single underscores between them, and begin with a letter"
            )
            yield Finding(path, problem, fix)


def unexpected_file(domain: Domain) -> Iterator[Finding]:
    """Each folder holds only the files that the layout defines; handlers/ and DAGs, any.
    Nothing reads any other file: it is a misspelt name, or it has no effect.
    Rename it, or move it to the folder where it belongs.
    """
    for path in domain.files:
        tree, *folders, file = path.split("/")
        if _OPEN.fullmatch(path):
            if file.endswith(".ipynb") and "notebooks" not in folders:
                problem = "a notebook is not part of an image or a release"
                yield Finding(
                    path, problem, "move it to the usecase's folder notebooks/"
                )
            continue
        required, optional = FILES.get((tree, len(folders)), ((), ()))
        expected = [each for each in (*required, *optional) if "/" not in each]
        if tree == CONFIGS:
            configs = [each for each in optional if each.endswith(".json")]
            expected += domain.with_overlays(*configs)
        if tree in TREES and not any(fnmatch.fnmatchcase(file, e) for e in expected):
            problem = "the layout has no file here"
            if expected:
                problem = f"the folder may contain only {', '.join(sorted(expected))}"
            fix = nearest(file, expected, "move it, or delete it")
            yield Finding(path, problem, fix)


def missing_file(domain: Domain) -> Iterator[Finding]:
    """Each domain, usecase and objective has all of its required files.
    Without one of them, something is silently not built or not tested.
    Add the file; `pants tailor ::` writes the BUILD files.
    """
    for (tree, depth), (required, _) in FILES.items():
        for names in domain.folders(tree, depth):
            for path in (path_of(tree, names, file) for file in required):
                is_config = path.endswith(f"/{PY_CONFIG}")
                if is_config and not domain.may_launch(names):
                    continue
                if path not in domain.files:
                    is_build = path.endswith("/BUILD")
                    fix = "run `pants tailor ::`" if is_build else "add it"
                    yield Finding(path, "missing", fix)
    for names in domain.folders(USECASES, 3):
        path = path_of(USECASES, names, "BUILD")
        if names[2] == "handlers" and path not in domain.files:
            yield Finding(path, "missing", "run `pants tailor ::`")
    for names in domain.folders(DAGS, 3):
        path = path_of(DAGS, names, "run_test.py")
        # Without an image, there is nothing that a laptop could run.
        if path not in domain.files and domain.may_launch(names):
            yield Finding(path, "missing", "add it")
    for names in filter(domain.may_launch, domain.folders(CONFIGS, 2)):
        first, second = (path_of(CONFIGS, names, f) for f in LAUNCHED_FROM.values())
        if not {first, second} & domain.files.keys():
            yield Finding(first, f"missing, and so is {second}", "add one of them")


def domain_not_registered(domain: Domain) -> Iterator[Finding]:
    """Each domain is listed in [python.resolves] of pants.toml and in DOMAINS of the macros.
    Without the entries, it has neither third-party packages nor the shared modules.
    Add the entry, or remove the entry of a domain that has no folder.
    """
    folder = path_of(USECASES, [domain.name])
    lock = f"{folder}/requirements.lock"
    exists = (domain.name,) in domain.folders(USECASES, 1)
    for file, place, entry, is_listed in (
        (
            PANTS_TOML,
            "[python.resolves]",
            f'{domain.name} = "{lock}"',
            domain.resolves.get(domain.name) == lock,
        ),
        (MACROS, "DOMAINS", f'"{domain.name}"', domain.name in domain.registered),
    ):
        if exists and not is_listed:
            yield Finding(file, f"{place} lacks {domain.name}", f"add {entry}")
        if is_listed and not exists:
            problem = f"{place} lists {domain.name}, but {folder} does not exist"
            yield Finding(file, problem, "remove the entry, or add the folder")


def orphan(domain: Domain) -> Iterator[Finding]:
    """The trees have the same domains, usecases and objectives, where a DAG launches handlers.
    A folder that exists in one tree alone never runs, or fails when it runs.
    Add the missing folder, rename a misspelt one, or delete the rest.
    """
    if not any(domain.folders(tree, 2) for tree in TREES):
        # A new domain has no usecase yet, and so no configs and DAGs.
        return
    for depth, kind in ((1, "domain"), (2, "usecase"), (3, "objective")):
        trees = TREES if depth < 3 else (CONFIGS, DAGS)
        folders = {tree: domain.folders(tree, depth) for tree in trees}
        folders = {
            tree: {names for names in found if names[1:] != (COMMON,)}
            for tree, found in folders.items()
        }
        mirrored = set.intersection(*folders.values())
        for names in set.union(*folders.values()) - mirrored:
            first = next(tree for tree in trees if names in folders[tree])
            for tree in trees:
                if names in folders[DAGS] and not domain.may_launch(names):
                    # Only its image is needed, for the domain's next usecase.
                    if tree != USECASES or depth > 1:
                        continue
                # If the parent folder is missing too, only that is reported.
                parents = domain.folders(tree, depth - 1) | {()}
                if names not in folders[tree] and names[:-1] in parents:
                    path = path_of(tree, names)
                    strays = [path_of(tree, each) for each in folders[tree] - mirrored]
                    fix = nearest(path, strays) if strays else "add it, or delete this"
                    problem = f"the {kind} has no {path}"
                    yield Finding(path_of(first, names), problem, fix)


def dag(domain: Domain) -> Iterator[Finding]:
    """Each dag.py is valid Python, and its DAG has the names of its own folders.
    DAGFactory finds the configs by these names, and people find the dag.py by the id of its DAG.
    Use the names that the message gives.
    """
    for names in domain.folders(DAGS, 3):
        path = path_of(DAGS, names, "dag.py")
        found = domain.dags.get(names, Dag([], {}, False))
        if path in domain.files and names not in domain.dags:
            fix = f"run `python -m py_compile {path}`, which shows the line"
            yield Finding(path, "is not valid Python", fix)
        for value in () if found.names else found.ids:
            if value not in (dag_id(*names), None):
                problem = f"the id of its DAG is {value!r}"
                yield Finding(path, problem, f"use {dag_id(*names)!r} as dag_id")
        given = [each for values in found.names for each in zip(DAG_NAMES, values)]
        expected = [dag_id(*names), *names] * len(found.names)
        for (parameter, value), right in zip(given, expected):
            if value not in (right, None):
                yield Finding(path, f"{parameter} is {value!r}", f"use {right!r}")


def task_name(domain: Domain) -> Iterator[Finding]:
    """A task has the same name in the DAG, the launch config and the py_config.
    The name joins the three; a task that one of them lacks cannot run.
    Use the same name, or remove what no DAG has.
    """
    for names, dag in domain.dags.items():
        path = path_of(DAGS, names, "dag.py")
        py_config = path_of(CONFIGS, names, PY_CONFIG)
        for task, operator in dag.operators.items():
            if operator not in LAUNCHED_FROM:
                continue
            base = path_of(CONFIGS, names[:2], LAUNCHED_FROM[operator])
            if base not in domain.files:
                problem = f"task {task!r} is a {operator}, but {base} does not exist"
                yield Finding(path, problem, "add the file, with the task")
            for config in (*domain.with_overlays(base), py_config):
                tasks = domain.tasks_in(config)
                if tasks is not None and task not in tasks:
                    problem = f"task {task!r} is not in {config}"
                    yield Finding(path, problem, nearest(task, tasks))
        for task in (domain.tasks_in(py_config) or ()) if dag.complete else ():
            if task not in dag.operators:
                problem = f"{json_path([task])}: {path} has no task {task!r}"
                yield Finding(py_config, problem, nearest(task, dag.operators))
    for file, launches in domain.launches.items():
        known = domain.known_tasks.get(tuple(file.split("/")[1:3]))
        for launch in launches:
            if launch.handler and known is not None and launch.task not in known:
                place = json_path([*launch.path, "name"])
                problem = f"{place}: no objective has a task {launch.task!r}"
                yield Finding(file, problem, nearest(launch.task, known))


def unknown_handler(domain: Domain) -> Iterator[Finding]:
    """A launch config runs handlers of its own usecase only.
    A handler that the domain's image lacks fails when the task starts.
    Use the handler that the message names.
    """
    for file, launches in domain.launches.items():
        usecase = file.split("/")[1:3]
        folder = path_of(USECASES, usecase, "handlers")
        is_spark = file.rpartition("/")[2].startswith("spark_config.")
        known = {
            path.rpartition("/")[2][:-3]: handler_name(path, is_spark)
            for path in sorted(domain.handlers)
            if path.startswith(f"{folder}/")
        }
        for launch in launches:
            handler = launch.handler
            if handler and handler not in known.values():
                own = handler_name(f"{folder}.py", is_spark).removesuffix(".py")
                wrong = "is not a handler of " + "/".join(usecase)
                if own in handler:
                    wrong = "does not exist"
                stem = re.split("[./]", handler.removesuffix(".py"))[-1]
                close = difflib.get_close_matches(stem, known, 1) or sorted(known)
                fix = nearest(handler, [known[each] for each in close])
                problem = f"{json_path(launch.path)} runs {handler}, which {wrong}"
                yield Finding(file, problem, fix)


def unused_handler(domain: Domain) -> Iterator[Finding]:
    """Each handler is run by a task, or imported by a handler that is.
    The image carries an unused handler, and people test and maintain it, for nothing.
    Launch it from a task, or delete it.
    """
    launched = {each.file for found in domain.launches.values() for each in found}
    # Importing anything from a package runs its __init__.py.
    new = {path for path in domain.modules if path.endswith("/__init__.py")}
    new |= domain.handlers & launched
    used: set[str] = set()
    while new:
        used |= new
        if any(path not in domain.modules for path in new) or any(
            find_dynamic_import(domain.files[path]) for path in new
        ):
            # A file that cannot be parsed, or that imports dynamically, may import any.
            return
        imported = {
            each.file
            for path in new
            for each in imports_in(path, domain.modules[path], domain.files)
        }
        new = {
            path
            for path in domain.handlers - used
            # `import *` imports every module of the folder.
            if {path, f"{path.rpartition('/')[0]}/*.py"} & imported
        }
    for path in domain.handlers - used:
        fix = "launch it from a task, import it in one that is launched, or delete it"
        yield Finding(path, "no task runs this handler", fix)


def foreign_image(domain: Domain) -> Iterator[Finding]:
    """A launch config names the image of its own domain, without a tag.
    Only that image has the usecase's handlers; a release adds the tag.
    Use maxai/<domain>.
    """
    own = repository_of(domain.name)
    for file, launches in domain.launches.items():
        found = [each for launch in launches for each in launch.images.items()]
        for path, image in found:
            if image != own:
                problem = f"{json_path(path)} is the image {image}"
                yield Finding(file, problem, f"use {own}")
        whole, *tasks = ({path[-1] for path in launch.images} for launch in launches)
        if file.endswith(f"/{SPARK_CONFIG}") and any(
            lacks_spark_image(whole | keys) for keys in tasks or [set()]
        ):
            yield Finding(file, f"$.conf lacks {SPARK_IMAGES[0]}", f"add it: {own}")


def foreign_import(domain: Domain) -> Iterator[Finding]:
    """No domain imports the code of another.
    Each has its own packages, image and owners; a change of one must not break another.
    Move shared code into maxairesources.
    """
    for path, module in domain.modules.items():
        for found in dict.fromkeys(imports_in(path, module, domain.files)):
            if domain.name not in ("", found.file.split("/")[1]):
                problem = f"line {found.line} imports {found.file}, of another domain"
                yield Finding(path, problem, "move shared code into maxairesources")


def nested_requirements(domain: Domain) -> Iterator[Finding]:
    """A requirements file does not include another one with -r or -c.
    Pants silently ignores such a line, so its packages would be missing.
    List the requirements themselves.
    """
    nested = re.compile(r"\s*(-[rc]|--requirement|--constraint)")
    for path, text in domain.files.items():
        for number, line in enumerate(text.splitlines(), 1):
            if path.endswith(".txt") and nested.match(line):
                problem = f"line {number}: Pants ignores {line.strip()!r}"
                yield Finding(path, problem, "list the requirements themselves")


def config(domain: Domain) -> Iterator[Finding]:
    """DAGs and handlers can read the configs, alone and with the overlays of each deployment.
    Otherwise a mistake appears only when a task fails.
    Follow the message.
    """
    for error in domain.config_errors:
        yield Finding(str(error.subject), error.problem, error.remedy)


def large_file(domain: Domain) -> Iterator[Finding]:
    """A file is at most 5 MB.
    Everybody who clones the repository downloads its history, and images carry the file.
    Keep it below the data root, and read it through a port.
    """
    for path, size in domain.large.items():
        problem = f"has {size / 1e6:.1f} MB, more than {LARGEST / 1e6:.0f}"
        yield Finding(path, problem, "move it below the data root, and read it there")


def secret(domain: Domain) -> Iterator[Finding]:
    """A config holds no password, key or token.
    Everybody who can read the repository or an image of it could use the secret.
    Remove it, revoke it, and pass it in the environment; or list its path in $allow_secret.
    """
    for path, config in domain.configs.items():
        given = config.get("$allow_secret")
        allowed = {*map(str, given)} if isinstance(given, list) else set()
        values = {key: config[key] for key in config if not key.startswith("$")}
        found = {json_path(place) for place in find_secrets(values)}
        for place in sorted(found - allowed):
            fix = "remove it, revoke it, and pass it in the environment; or, if it is "
            fix += f'not a secret, add "$allow_secret": ["{place}"]'
            yield Finding(path, f"{place} looks like a secret", fix)
        for place in sorted(allowed - found):
            problem = f"$allow_secret names {place}, which does not look like a secret"
            yield Finding(path, problem, nearest(place, found, "remove it"))


def overlay(domain: Domain) -> Iterator[Finding]:
    """An overlay changes only keys that its base has; null removes a key.
    A misspelt key would add a value that nothing reads, and change nothing.
    Use the key of the base, or add it to the base.
    """
    for path, patch in domain.configs.items():
        base = domain.base_of(path)
        if base not in domain.files:
            yield Finding(
                path, f"its base {base} does not exist", "add it, or delete this"
            )
        # Not recursive: JSON may be nested as deeply as Python's stack.
        places: list[Any] = [((), domain.configs.get(base, {}), patch)]
        for keys, old, new in places if base != path and base in domain.configs else ():
            # DAGFactory checks the keys of a launch config. A key that only one deployment
            # needs, such as a Secret's, is in no base.
            is_conf = keys == ("conf",) and path.count("/") == 3
            for key, value in () if is_conf else new.items():
                if key.startswith("$"):
                    continue
                if not isinstance(old, dict) or key not in old:
                    problem = f"{json_path([*keys, key])} is not in the base"
                    fix = nearest(key, old if isinstance(old, dict) else ())
                    yield Finding(path, problem, fix)
                elif isinstance(value, dict):
                    places.append(((*keys, key), old[key], value))


RULES: tuple[Callable[[Domain], Iterator[Finding]], ...] = (
    *(name, unexpected_file, missing_file, domain_not_registered, orphan, dag),
    *(task_name, unknown_handler, unused_handler, foreign_image, foreign_import),
    *(nested_requirements, config, large_file, secret, overlay),
)


def rule_id(rule: Callable[[Domain], Iterator[Finding]]) -> str:
    """Return the id of a rule, such as unused-handler."""
    return rule.__name__.replace("_", "-")


def check(domain: Domain) -> list[str]:
    """Return the findings of all rules, one line each."""
    return sorted(
        f"{finding.file}: {rule_id(rule)}: {finding.problem}; {finding.fix}"
        for rule in RULES
        for finding in rule(domain)
    )
