"""The conventions of the three trees: one function for each rule, which checks one domain.

Without an argument, the command prints the docstrings of the rules. `./pants lint` runs it for each
domain that a change touches, with the files of that domain in a sandbox. The tests of the DAGs
read the configs; the rules skip a config that is not valid.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import inspect
import itertools
import json
import keyword
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from maxairesources.errors import InputError
from maxairesources.launches import handler_name, read_launches
from maxairesources.lineage import read_uses
from maxairesources.settings import read_settings
from maxairesources.tree import COMMON, CONFIGS, DAGS, LAUNCHED_FROM, NAME, PY_CONFIG
from maxairesources.tree import TREES, USECASES, json_path, nearest, path_of
from maxairesources.tree import DOMAIN_CONFIG, LFS_POINTER, PROBLEMS, SPARK_CONFIG
from maxairesources.tree import domain_of, walk
from maxaitools.conventions.data_rules import find_wrong_tables
from maxaitools.conventions.deprecated import find_ends
from maxaitools.conventions.secret_values import find_secrets

Names = tuple[str, ...]

# The largest file, in bytes.
LARGEST = 5 * 1000**2
# Spark runs a handler as a script. Python then looks for each module in the handler's folder
# first, so a handler with such a name would hide the module.
SHADOWED = sys.stdlib_module_names | {
    *("fsspec", "numpy", "pandas", "py4j", "pyarrow", "pydantic", "pyspark"),
    *("maxairesources", "maxaiusecases"),
}
_HANDLER = re.compile(
    rf"{USECASES}/[^/]+/[^/]+/handlers/"
    r"(?!(.*/)?(\w+_(test|helper)|conftest|__init__)\.py$)(?!(.*/)?fixtures/).+\.py"
)


def _read_settings() -> dict[str, Any]:
    try:
        return read_settings()
    except InputError as error:
        sys.exit(str(error))


@dataclass(frozen=True)
class Domain:
    """The files of a domain, in the current folder; exit if marketplace.toml is not valid.

    Attributes:
        name: the name of the domain; empty for the files that belong to no domain.
        settings: what marketplace.toml decides.
    """

    name: str
    settings: dict[str, Any] = field(default_factory=_read_settings)

    @cached_property
    def files(self) -> dict[str, int]:
        """The sizes of the files, by path."""
        found = (path for tree in TREES for path in Path(tree).rglob("*"))
        own = (path for path in found if (domain_of(str(path)) or "") == self.name)
        return {str(path): path.stat().st_size for path in own if path.is_file()}

    def folders(self, tree: str, depth: int) -> set[Names]:
        """Return the names of the folders at one depth of a tree that hold any file."""
        paths = (path.split("/") for path in self.files)
        return {
            tuple(names[1 : depth + 1])
            for names in paths
            if names[0] == tree and len(names) > depth + 1
        }

    @cached_property
    def handlers(self) -> set[str]:
        """The paths of the handlers, and of the modules beside them."""
        return {path for path in self.files if _HANDLER.fullmatch(path)}

    @cached_property
    def configs(self) -> dict[str, dict[str, Any]]:
        """The JSON objects in the trees, by path, without files that are not valid."""
        found = {}
        for path, size in self.files.items():
            if path.endswith(".json") and size <= LARGEST:
                with contextlib.suppress(ValueError, RecursionError):
                    found[path] = json.loads(Path(path).read_bytes())
        return {p: config for p, config in found.items() if isinstance(config, dict)}


# The problem's file, the problem with its place in the file, and the fix.
Finding = tuple[str, str, str]
Rule = Callable[[Domain], Iterator[Finding]]

# The files of a folder, by its depth in a tree: the required and the optional ones. Any folder may
# have a BUILD file, and configs overlays.
LAYOUT: dict[tuple[str, int], tuple[Names, Names]] = {
    (CONFIGS, 1): ((), (DOMAIN_CONFIG,)),
    (CONFIGS, 2): ((), tuple(LAUNCHED_FROM.values())),
    (CONFIGS, 3): ((PY_CONFIG,), ()),
    (DAGS, 0): ((), (".airflowignore",)),
    (DAGS, 3): (("dag.py", "dag_test.py"), ("run_test.py",)),
    (USECASES, 1): (
        ("BUILD", "Dockerfile", "README.md", "image_test.py")
        + ("requirements.lock", "requirements.txt", "setup.py"),
        (".python-version", "sample_data.py", "sample_data_test.py"),
    ),
}
# Where any file may be: notebooks, helpers of tests, what images and releases have of code.
_OPEN = re.compile(
    rf"{USECASES}/[^/]+/[^/]+/(notebooks/.+|fixtures/.+|\w+_helper\.py)"
    rf"|({USECASES}|{DAGS})/[^/]+/([^/]+/)?conftest\.py"
    rf"|(?!.*\.ipynb$)({USECASES}/[^/]+/([^/]+/handlers|{COMMON})/.+"
    rf"|{DAGS}/[^/]+/([^/]+/(?!dag\.py$)[^/]+|[^/]+/[^/]+/.+))"
)
# Where an unexpected file belongs.
_PLACES = {
    r".*\.ipynb": " to the notebooks/ of a usecase",
    r".*/(test_[^/]*|[^/]*_test)\.py": " beside the module that it tests, as x_test.py",
    rf"{USECASES}/.*(?<!/__init__)\.py": " to common/, or to the handlers/ of a usecase",
}


def read(path: str | Path) -> str:
    """Return the text of a file, or an empty string if it is missing."""
    # Editors on Windows may put a byte-order mark first.
    return Path(path).read_text("utf-8-sig", "replace") if Path(path).exists() else ""


def requires(domain: str, package: str) -> bool:
    """Return if the requirements.txt of a domain names a package."""
    text = read(path_of(USECASES, (domain, "requirements.txt")))
    return bool(re.search(rf"(?im)^{package}(?![\w.-])", text))


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
        elif (
            stem in SHADOWED
            and path in domain.handlers
            and path_of(CONFIGS, path.split("/")[1:3], SPARK_CONFIG) in domain.files
        ):
            problem = f"Spark would import it as the module {stem!r}"
            yield path, problem, f"rename it, such as to {stem}_table.py"
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
            deployments = domain.settings["deployments"]
            ends = (".json", *(f".{each}.json" for each in deployments))
            bases = {each[:-5] for each in expected - {"BUILD", DOMAIN_CONFIG}}
            expected |= {base + end for base in bases for end in ends}
        if file not in expected and not _OPEN.fullmatch(path):
            problem = "the layout has no file here"
            if layout:
                problem = f"the folder may contain only {', '.join(sorted(expected))}"
            fits = (to for kind, to in _PLACES.items() if re.fullmatch(kind, path))
            fix = f"move it{next(fits, '')}, or delete it"
            yield path, problem, nearest(file, expected, fix)


def missing_file(domain: Domain) -> Iterator[Finding]:
    """Each domain, usecase and objective has all of its required files.
    Why: without one of them, something is silently not built or not tested.
    Fix: add the file.
    """
    wanted = {
        path_of(tree, names, file)
        for (tree, depth), (required, _) in LAYOUT.items()
        for names in domain.folders(tree, depth)
        for file in required
    }
    for names in domain.folders(CONFIGS, 3) & domain.folders(DAGS, 3):
        # Where a py_config has a task, the DAG runs a handler.
        tasks = domain.configs.get(path_of(CONFIGS, names, PY_CONFIG), {})
        if any(not task.startswith("$") for task in tasks):
            wanted.add(path_of(DAGS, names, "run_test.py"))
    for path in wanted - domain.files.keys():
        yield path, "missing", f"add it, or run ./pants new adopt {domain.name}"


def not_built(domain: Domain) -> Iterator[Finding]:
    """A domain has a valid name, requirements.txt and .python-version, and what handlers need.
    Why: Pants would stop in each command of all domains; so this one has no targets.
    Fix: correct the line that the message names.
    """
    for problem in os.environ.get(PROBLEMS, "").splitlines():
        file, what, fix = re.split("[:;] ", problem, maxsplit=2)
        # Other rules report a missing file and a name.
        is_reported = what == "missing" or "valid name" in what
        if domain_of(f"{file}/") == domain.name and not is_reported:
            yield file, what, fix


def outside_pants(domain: Domain) -> Iterator[Finding]:
    """The Dockerfile and the setup.py of a domain use what Pants puts beside them.
    Why: Pants locks the packages and finds the sources, and an image may have no others.
    Fix: delete the file, run `./pants new adopt <domain>`, and add what is special to it.
    """
    packages, sources = f"{USECASES}.{domain.name}/deps.pex", f"sources/{USECASES}"
    for name, *used in ("Dockerfile", packages, sources), ("setup.py", USECASES):
        path = path_of(USECASES, (domain.name, name))
        lacking = [each for each in used if each not in read(path)]
        if lacking and path in domain.files:
            fix = f"delete it, run ./pants new adopt {domain.name}, and add your own lines"
            yield path, f"it does not use {' and '.join(lacking)}", fix


def spark_port(domain: Domain) -> Iterator[Finding]:
    """A domain whose tasks have ports of the type spark requires pyspark.
    Why: the image has no other packages than those of requirements.txt, and those they need.
    Fix: add pyspark to requirements.txt and run ./pants lock, or change the type to pandas.
    """
    configs = {} if requires(domain.name, "pyspark") else domain.configs
    for path, config in configs.items():
        for place, value in walk(config) if path.startswith(CONFIGS) else ():
            # Such as $.score.input[0].type.
            if value == "spark" and re.search(r"put\[\d+\]\.type$", json_path(place)):
                problem = f"{json_path(place)} is spark, and the domain lacks pyspark"
                fix = "add it to requirements.txt and run ./pants lock, or use pandas"
                yield path, problem, fix


def orphan(domain: Domain) -> Iterator[Finding]:
    """The trees have the same usecases and objectives, but a DAG without handlers may be alone.
    Why: a folder that exists in one tree alone never runs, or fails when it runs.
    Fix: add the missing folder, rename a misspelt one, or delete the rest.
    """
    for kind, depth, trees in ("usecase", 2, TREES), ("objective", 3, (CONFIGS, DAGS)):
        folders = {
            tree: {each for each in domain.folders(tree, depth) if each[1] != COMMON}
            for tree in trees
        }
        if USECASES in trees:
            # Another rule reports a folder without any file of a usecase.
            fitting = filter(_OPEN.fullmatch, domain.files)
            folders[USECASES] &= {tuple(path.split("/")[1:3]) for path in fitting}
        mirrored = set.intersection(*folders.values())
        alone = set.union(*(folders[tree] for tree in trees if tree != DAGS)) - mirrored
        for names in alone:
            present = [tree for tree in trees if names in folders[tree]]
            for tree in trees:
                # A usecase without this tree is reported once, not for each objective.
                is_first = depth == 2 or names[:2] in domain.folders(tree, 2)
                if tree not in present and is_first:
                    path = path_of(tree, names)
                    strays = [path_of(tree, each) for each in folders[tree] - mirrored]
                    rest = " and ".join(path_of(each, names) for each in present)
                    fix = nearest(path, strays, f"add it, or delete {rest}")
                    yield path_of(present[0], names), f"the {kind} has no {path}", fix
    file = path_of(CONFIGS, (domain.name,), DOMAIN_CONFIG)
    known = [usecase for _, usecase in domain.folders(CONFIGS, 2)]
    deprecated = domain.configs.get(file, {}).get("deprecated")
    for usecase in deprecated if isinstance(deprecated, dict) else ():
        if usecase not in known:
            problem = f"$.deprecated has an unknown usecase {usecase!r}"
            yield file, problem, nearest(usecase, known)


def launch(domain: Domain) -> Iterator[Finding]:
    """A launch config runs handlers of its own usecase.
    Why: the image may lack any other module, and then the task cannot start.
    Fix: use the handler that the message names.
    """
    for file, config in domain.configs.items():
        tree, *usecase, name = file.split("/")
        if tree != CONFIGS or len(usecase) != 2:
            continue
        known = {
            PurePosixPath(path).stem: handler_name(path, name.startswith("spark"))
            for path in sorted(domain.handlers)
            if path.startswith(path_of(USECASES, usecase, "handlers/"))
        }
        for each in read_launches(config):
            if each.handler and each.handler not in known.values():
                # Most of a full name is the same for all handlers.
                stem = re.split("[./]", each.handler.removesuffix(".py"))[-1]
                fix = "add it, or remove the task"
                if close := difflib.get_close_matches(stem, known, 1):
                    fix = f"did you mean {known[close[0]]}?"
                elif known:
                    fix += f", or use one of: {', '.join(known.values())}"
                problem = f"{json_path(each.path)} runs {each.handler}, which is not a "
                problem += f"handler of {'/'.join(usecase)}"
                yield file, problem, fix


def large_file(domain: Domain) -> Iterator[Finding]:
    """A file is at most 5 MB.
    Why: everybody who clones the repository downloads its history, and images carry the file.
    Fix: keep it below the data root, and read it through a port.
    """
    for path, size in domain.files.items():
        if size > LARGEST:
            problem = f"has {size / 1e6:.1f} MB, more than {LARGEST / 1e6:.0f}"
            yield path, problem, "move it below the data root, and read it there"


def lfs(domain: Domain) -> Iterator[Finding]:
    """A file that Git LFS keeps is checked out.
    Why: images and releases would contain its pointer, a text of three lines.
    Fix: run `git lfs pull`; in CI, set `lfs: true` at actions/checkout.
    """
    for path, size in domain.files.items():
        if size < 1024 and Path(path).read_bytes().startswith(LFS_POINTER):
            yield path, "this is a pointer of Git LFS", "run `git lfs pull`"


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


def table(_: Domain) -> Iterator[Finding]:
    """A table has one writer, and a task reads what another one writes or a source.
    Why: of two writers, the last one wins; and nothing makes a table that nobody writes.
    Fix: correct the path. A source is outside of the folders of usecases (<domain>/<usecase>/),
    in sources/ there, or the table `input` there. Two objectives do not read each other's tables.
    """
    yield from find_wrong_tables(read_uses(Path()))


_OF_FILES = (name, unexpected_file, missing_file, not_built, outside_pants, orphan)
_OF_CONTENT = (large_file, lfs, launch, spark_port, secret, table)
# By their ids, such as missing-file.
RULES: dict[str, Rule] = {
    rule.__name__.replace("_", "-"): rule for rule in (*_OF_FILES, *_OF_CONTENT)
}


def check(domain: Domain) -> list[str]:
    """Return the findings of the rules, one line each.

    For the domain `*`, there are only the py_configs of all domains, for the rule `table`.
    """
    is_for_all = domain.name == "*"
    rules = {k: each for k, each in RULES.items() if (each is table) == is_for_all}
    found = {(each, key) for key, rule in rules.items() for each in rule(domain)}
    return sorted(f"{file}: {rule}: {what}; {fix}" for (file, what, fix), rule in found)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 1 if there are findings."""
    parser = argparse.ArgumentParser(
        prog="./pants list-conventions", description=__doc__
    )
    # `lint` gives this. An empty name stands for the files that belong to no domain.
    parser.add_argument("--domain", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.domain is None:
        for key, rule in RULES.items():
            print(key, textwrap.indent(inspect.getdoc(rule) or "", "    "), sep="\n")
        return 0
    findings = check(Domain(options.domain))
    code = 1 if findings else 0
    # These are warnings: no build fails because of a date.
    for _, readers in find_ends() if options.domain == "*" else ():
        findings += readers
    print("".join(f"{line}\n" for line in findings), end="")
    return code


if __name__ == "__main__":
    sys.exit(main())
