"""The conventions of the three trees: one function for each rule, which checks one domain.

The rule `config` reports a config that cannot be read; the others skip it. `./pants
list-conventions` prints the docstrings of the rules.
"""

from __future__ import annotations

import difflib
import itertools
import keyword
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from maxairesources.configs.objective import find_deployments, read_objective
from maxairesources.deployed import Deployed
from maxairesources.errors import InputError
from maxairesources.launches import handler_name, lacks_spark_image
from maxairesources.tree import COMMON, CONFIGS, DAGS, LAUNCHED_FROM, NAME, PY_CONFIG
from maxairesources.tree import SPARK_CONFIG, SPARK_IMAGES, TREES, USECASES
from maxairesources.tree import json_path, nearest, path_of, repository_of
from maxaitools.conventions.domain import LARGEST, TESTS, Domain, Names
from maxaitools.conventions.secret_values import find_secrets

# The problem's file, the problem with its place in the file, and the fix.
Finding = tuple[str, str, str]
Rule = Callable[[Domain], Iterator[Finding]]

# The files of a folder, by its depth in a tree: the required ones, those that are required where a
# DAG runs handlers, and the optional ones. Any folder may have a BUILD file, and configs overlays.
LAYOUT: dict[tuple[str, int], tuple[Names, Names, Names]] = {
    (CONFIGS, 2): ((), (), tuple(LAUNCHED_FROM.values())),
    (CONFIGS, 3): ((), (PY_CONFIG,), ()),
    (DAGS, 0): ((), (), (".airflowignore",)),
    (DAGS, 3): (("dag.py", "dag_test.py"), ("run_test.py",), ()),
    (USECASES, 1): (
        ("BUILD", "Dockerfile", "README.md", "image_test.py")
        + ("requirements.lock", "requirements.txt", "setup.py"),
        (),
        (".python-version", "sample_data.py", "sample_data_test.py"),
    ),
}
# Where any file may be: notebooks; what an image has of handlers, and a release of DAGs.
_OPEN = re.compile(
    rf"{USECASES}/[^/]+/[^/]+/notebooks/.+"
    rf"|(?!.*\.ipynb$)({USECASES}/[^/]+/([^/]+/handlers|{COMMON})/.+"
    rf"|{DAGS}/[^/]+/([^/]+/(?!dag\.py$)[^/]+|[^/]+/[^/]+/.+))"
)


def name(domain: Domain) -> Iterator[Finding]:
    """Domains, usecases, objectives and handlers have names like credit_risk or churn2.
    Why: it becomes part of Python modules, images and DAG ids, which allow little else.
    Fix: rename it in each tree: lowercase letters and digits, words joined by underscores.
    """
    places = [(tree, depth) for tree in TREES for depth in (1, 2, 3)]
    folders = {path_of(t, names) for t, n in places for names in domain.folders(t, n)}
    parents = {str(p) for path in domain.handlers for p in PurePosixPath(path).parents}
    modules = domain.handlers | {path for path in parents if path.count("/") > 3}
    for path in folders | modules:
        stem = PurePosixPath(path).name.removesuffix(".py")
        public = stem.lstrip("_") if path in modules else stem
        if path in domain.handlers and re.fullmatch("test_.*|tests", stem):
            problem = f"Pants takes {stem!r} for a test and leaves it out of the image"
            yield path, problem, "rename it; the test of x.py is x_test.py"
        elif keyword.iskeyword(stem):
            yield path, f"{stem!r} is a Python keyword", "rename it"
        elif not NAME.fullmatch(public):
            words = re.findall("[A-Z]?[a-z0-9]+|[A-Z]+", stem)
            better = "_".join(words).lower().lstrip("0123456789_") or "one like churn2"
            problem = f"{stem!r} is not a valid name: use lowercase letters, digits "
            problem += "and single underscores between them, and begin with a letter"
            yield path, problem, f"rename it to {better}"


def unexpected_file(domain: Domain) -> Iterator[Finding]:
    """Each folder holds only the files that the layout defines; handlers/ and DAGs, any.
    Why: nothing reads any other file: it is a misspelt name, or it has no effect.
    Fix: rename it, or move it to the folder where it belongs.
    """
    for path in domain.files:
        tree, *folders, file = path.split("/")
        layout = LAYOUT.get((tree, len(folders)), ())
        expected = {"BUILD", *itertools.chain(*layout)}
        if tree == CONFIGS:
            ends = (".json", *(f".{each}.json" for each in domain.deployments))
            bases = {each[:-5] for each in expected - {"BUILD"}}
            expected |= {base + end for base in bases for end in ends}
        if file not in expected and not _OPEN.fullmatch(path):
            problem = "the layout has no file here"
            if layout:
                problem = f"the folder may contain only {', '.join(sorted(expected))}"
            to = " to notebooks/" if file.endswith(".ipynb") else ""
            yield path, problem, nearest(file, expected, f"move it{to}, or delete it")


def missing_file(domain: Domain) -> Iterator[Finding]:
    """Each domain, usecase and objective has all of its required files.
    Why: without one of them, something is silently not built or not tested.
    Fix: add the file.
    """
    for (tree, depth), (required, to_run, _) in LAYOUT.items():
        for names in domain.folders(tree, depth):
            wanted = required + (to_run if names in domain.launching else ())
            for path in (path_of(tree, names, file) for file in wanted):
                if path not in domain.files:
                    yield path, "missing", "add it"


def orphan(domain: Domain) -> Iterator[Finding]:
    """The trees have the same usecases and objectives, where a DAG runs handlers.
    Why: a folder that exists in one tree alone never runs, or fails when it runs.
    Fix: add the missing folder, rename a misspelt one, or delete the rest.
    """
    for kind, depth, trees in ("usecase", 2, TREES), ("objective", 3, (CONFIGS, DAGS)):
        folders = {
            tree: {each for each in domain.folders(tree, depth) if each[1] != COMMON}
            for tree in trees
        }
        mirrored = set.intersection(*folders.values())
        for names in set.union(*folders.values()) - mirrored:
            present = [tree for tree in trees if names in folders[tree]]
            is_plain = DAGS in present and names not in domain.launching
            for tree in () if is_plain else trees:
                # A usecase without this tree is reported once, not for each objective.
                is_first = depth == 2 or names[:2] in domain.folders(tree, 2)
                if tree not in present and is_first:
                    path = path_of(tree, names)
                    strays = [path_of(tree, each) for each in folders[tree] - mirrored]
                    fix = nearest(path, strays, "add it, or delete this")
                    yield path_of(present[0], names), f"the {kind} has no {path}", fix


def launch(domain: Domain) -> Iterator[Finding]:
    """A launch config runs handlers of its own usecase, in the image of its own domain.
    Why: only that image has the usecase's handlers, without them a task cannot start.
    Fix: use the handler that the message names, or the image maxai/<domain> without a tag.
    """
    own = repository_of(domain.name)
    for file, launches in domain.launches.items():
        _, *usecase, config = file.split("/")
        known = {
            PurePosixPath(path).stem: handler_name(path, config.startswith("spark"))
            for path in sorted(domain.handlers)
            if path.startswith(path_of(USECASES, usecase, "handlers/"))
        }
        for each in launches:
            if each.handler and each.handler not in known.values():
                # Most of a full name is the same for all handlers.
                stem = re.split("[./]", each.handler.removesuffix(".py"))[-1]
                close = difflib.get_close_matches(stem, known, 1) or known
                problem = f"{json_path(each.path)} runs {each.handler}, which is not a "
                problem += f"handler of {'/'.join(usecase)}"
                yield file, problem, nearest(each.handler, [known[k] for k in close])
            for path, image in each.images.items():
                if image != own:
                    yield file, f"{json_path(path)} is the image {image}", f"use {own}"
        common, *tasks = ({path[-1] for path in each.images} for each in launches)
        lacks = any(lacks_spark_image(common | keys) for keys in tasks)
        if lacks and config == SPARK_CONFIG:
            yield file, f"$.conf lacks {SPARK_IMAGES[0]}", f"add it: {own}"


def unused_handler(domain: Domain) -> Iterator[Finding]:
    """Each handler is run by a task, or imported by another module of the domain.
    Why: the image carries an unused handler, and people maintain it, for nothing.
    Fix: launch it from a task, import it in one that is launched, or delete it.
    """
    imports = {p: text for p, text in domain.imports.items() if not p.endswith(TESTS)}
    if re.search(r"\*|import_module|runpy|import importlib\b(?!\.)", str(imports)):
        # Only running such code shows which modules it imports.
        return
    launched = {each.file for found in domain.launches.values() for each in found}
    for path in domain.handlers - launched:
        usecase = path.split("/")[2]
        texts = (
            text
            for other, text in imports.items()
            if other != path and (other.split("/")[2] == usecase or usecase in text)
        )
        if not any(map(re.compile(rf"\b{PurePosixPath(path).stem}\b").search, texts)):
            yield path, "no task runs this handler", "launch it, import it, or delete it"


def foreign_import(domain: Domain) -> Iterator[Finding]:
    """No domain imports the code of another.
    Why: each has its own packages and owners; a change of one must not break another.
    Fix: move shared code into maxairesources.
    """
    # Pants refuses it only for handlers, which have a resolve for each domain.
    foreign = re.compile(rf"\b(?:{DAGS}|{USECASES})\.(?!{domain.name}\b)\w+")
    for path, imports in domain.imports.items() if domain.name else ():
        for found in foreign.findall(imports):
            yield path, f"imports {found}", "move shared code into maxairesources"


def config(domain: Domain) -> Iterator[Finding]:
    """DAGs and handlers can read the configs, alone and with each deployment's overlays.
    Why: otherwise a mistake appears only when a task fails.
    Fix: follow the message.
    """
    for domain_name, usecase, objective in domain.folders(CONFIGS, 3):
        folder = domain.root / path_of(CONFIGS, (domain_name, usecase))
        for deployment in (None, *sorted({*find_deployments(folder)})):
            try:
                read_objective(
                    domain.root, domain_name, usecase, objective, Deployed(deployment)
                )
            except InputError as error:
                yield str(error.subject), error.problem, error.remedy
                if deployment is None:
                    # Each overlay would only repeat it.
                    break


def large_file(domain: Domain) -> Iterator[Finding]:
    """A file is at most 5 MB.
    Why: everybody who clones the repository downloads its history, and images carry the file.
    Fix: keep it below the data root, and read it through a port.
    """
    for path, size in domain.files.items():
        if size > LARGEST:
            problem = f"has {size / 1e6:.1f} MB, more than {LARGEST / 1e6:.0f}"
            yield path, problem, "move it below the data root, and read it there"


def secret(domain: Domain) -> Iterator[Finding]:
    """A config holds no password, key or token.
    Why: everybody who can read the repository or an image of it could use the secret.
    Fix: remove it, revoke it, and pass it in the environment; or list it in $allow_secret.
    """
    for path, config in domain.configs.items():
        given = config.get("$allow_secret")
        allowed = {*map(str, given)} if isinstance(given, list) else set()
        values = {key: config[key] for key in config if not key.startswith("$")}
        found = {json_path(place) for place in find_secrets(values)}
        for place in found - allowed:
            fix = "remove it, revoke it, and pass it in the environment; or, if it is "
            fix += f'not a secret, add "$allow_secret": ["{place}"]'
            yield path, f"{place} looks like a secret", fix


RULES: tuple[Rule, ...] = (
    *(name, unexpected_file, missing_file, orphan, launch, unused_handler),
    *(foreign_import, config, large_file, secret),
)


def rule_id(rule: Rule) -> str:
    """Return the id of a rule, such as unused-handler."""
    return rule.__name__.replace("_", "-")


def check(domain: Domain) -> list[str]:
    """Return the findings of all rules, one line each."""
    found = {(each, rule_id(rule)) for rule in RULES for each in rule(domain)}
    return sorted(f"{file}: {rule}: {what}; {fix}" for (file, what, fix), rule in found)
