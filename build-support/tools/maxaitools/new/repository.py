"""The repository that `./pants new` writes to: its checks, and its edited files."""

from __future__ import annotations

import ast
import keyword
import os
import re
import subprocess
import sys
from pathlib import Path

import black

from maxairesources.tree import (
    COMMON,
    LAUNCHED_FROM,
    MACROS,
    NAME,
    PANTS_TOML,
    TREES,
    USECASES,
    nearest,
    path_of,
    read_macros,
    repository_of,
)
from maxaitools import lock

ME = "./pants new"

# The operators, by the names that the command line gives them: kubepod and spark.
OPERATORS = {
    config.removesuffix("_config.json"): operator
    for operator, config in LAUNCHED_FROM.items()
}

# The folder for new files, until they are complete. It is in the root, so that the files
# can be renamed to their places. Pants ignores names that begin with a dot.
STAGE = ".new-"

# Pants would treat a handler with such a name as a test.
_TEST = re.compile(r"test_.*|.*_test|tests|conftest")
# Spark runs a handler as a script. Python then looks for each module in the handler's
# folder first, so a handler with such a name would hide the module.
_SHADOWED = sys.stdlib_module_names | {
    *("fsspec", "numpy", "pandas", "py4j", "pyarrow", "pydantic", "pyspark"),
    *("maxairesources", "maxaiusecases"),
}


class Refused(Exception):
    """A request that cannot be carried out; the message has one or two lines."""


def check_name(kind: str, name: str) -> None:
    """Check a new name.

    Args:
        kind: domain, usecase, objective or handler.
        name: the name.

    Raises:
        Refused: the name is not valid.
    """
    if not NAME.fullmatch(name) or keyword.iskeyword(name) or len(name) > 40:
        raise Refused(
            f"{name!r} is not a valid {kind} name: use lowercase letters, digits and "
            "single underscores, start with a letter, use at most 40 characters, and "
            "avoid Python keywords"
        )
    if kind == "usecase" and name == COMMON:
        raise Refused(
            f"usecase {name!r}: the folder {name} holds what usecases share; rename it"
        )
    if kind == "handler" and _TEST.fullmatch(name):
        raise Refused(f"handler {name!r}: Pants treats {name}.py as a test; rename it")
    if kind == "handler" and name in _SHADOWED:
        raise Refused(f"handler {name!r}: it would hide the module {name}; rename it")


class Repository:
    """The repository and its domains.

    Attributes:
        root: the root folder.
        pants_toml: the content of pants.toml.
        macros: the content of build-support/macros.py.
        resolves: the resolves, by name.
        domains: the names of all domains.
        spark_domains: the names of the domains whose images have Spark.

    Raises:
        Refused: the folder is not the root of a repository, another run of this command
            is active or was killed, or the macros cannot be read.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        for path in root.glob(f"{STAGE}*"):
            raise Refused(
                f"{path.name}: another run is active or was killed; if it was killed, "
                "move the .old files in this folder back, then delete the folder and "
                "the new files that `git status` shows"
            )
        try:
            self.pants_toml = (root / PANTS_TOML).read_text()
            self.macros = (root / MACROS).read_text()
        except FileNotFoundError as error:
            raise Refused(
                f"{error.filename}: not found; run this in the root of the repository"
            ) from None
        self.resolves = lock.read_resolves(root / PANTS_TOML)
        try:
            lists = read_macros(self.macros)[1]
            self.domains = lists["DOMAINS"]
            self.spark_domains = lists["SPARK_DOMAINS"]
        except KeyError as name:
            raise Refused(f"{MACROS}: {name} is missing; add it") from None
        except (SyntaxError, ValueError) as error:
            raise Refused(f"{MACROS}: cannot be read: {error}") from None

    def check_unchanged(self) -> None:
        """Raise Refused if a file that a new domain edits has changed since it was read."""
        for path, content in ((PANTS_TOML, self.pants_toml), (MACROS, self.macros)):
            if (self.root / path).read_text() != content:
                raise Refused(f"{path}: changed while this command ran; run it again")

    def check_free(self, *names: str) -> None:
        """Raise Refused if one of the trees has a folder with these names."""
        for tree in TREES:
            path = path_of(tree, names)
            # A dangling symbolic link takes the name, too.
            if os.path.lexists(self.root / path):
                raise Refused(f"{path}: already exists; use another name or delete it")

    def check_new_domain(self, domain: str) -> None:
        """Raise Refused if the name of a new domain is in use."""
        self.check_free(domain)
        if domain in self.domains | self.spark_domains:
            raise Refused(f"{MACROS}: {domain!r} is already listed; remove it there")
        if domain in self.resolves:
            raise Refused(
                f"{PANTS_TOML}: [python.resolves] already has {domain!r}; use another "
                "name or remove it there"
            )
        if (self.root / f"build-support/images/{domain}.json").exists():
            image = repository_of(domain)
            raise Refused(f"{image} is the name of a base image; use another name")

    def check_domain(self, domain: str, operator: str) -> None:
        """Raise Refused unless a domain is complete and has the operator."""
        folder = path_of(USECASES, [domain])
        if domain not in self.domains:
            if (self.root / folder).exists():
                raise Refused(
                    f"{MACROS}: DOMAINS does not list {domain!r}, but {folder} exists; "
                    f"add {domain!r} or delete the folder"
                )
            create = f"create it with `{ME} domain {domain}`"
            hint = nearest(domain, self.domains, create)
            raise Refused(f"domain {domain!r} does not exist; {hint}")
        if not (self.root / folder / "BUILD").exists():
            raise Refused(
                f"{folder}/BUILD: not found, but {MACROS} lists {domain!r}; add the file"
            )
        if domain not in self.resolves:
            raise Refused(
                f"{PANTS_TOML}: [python.resolves] has no {domain!r}; add {domain} = "
                f'"{folder}/requirements.lock"'
            )
        if operator == "spark" and domain not in self.spark_domains:
            raise Refused(
                f"domain {domain!r} has no Spark; use --operator kubepod, or add Spark:\n"
                f"py4j and pyspark in {folder}/requirements.txt, maxai/spark in its "
                f"Dockerfile, SPARK_DOMAINS in {MACROS}, then `./pants lock {domain}`"
            )

    def base_image(self, name: str) -> str:
        """Return the name and the current tag of a base image.

        Args:
            name: python or spark.
        """
        command = ["build-support/images/base-image", "tag", name]
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True)
        if done.returncode:
            raise Refused(done.stderr.strip())
        return done.stdout.strip()


def add_to_macros(macros: str, name: str, domain: str) -> str:
    """Add a domain to a list in the macros.

    Args:
        macros: the content of build-support/macros.py.
        name: the name of the list: DOMAINS or SPARK_DOMAINS.
        domain: the name of the domain.

    Returns:
        The new content, with a sorted list.
    """
    (old,) = (
        str(ast.get_source_segment(macros, node))
        for node in ast.parse(macros).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    )
    if "#" in old:
        raise Refused(
            f"{MACROS}: the edit would lose the comment inside {name}; move the comment "
            f"above {name}"
        )
    domains = read_macros(macros)[1][name] | {domain}
    new = black.format_str(f"{name} = {tuple(sorted(domains))}", mode=black.Mode())
    return f"\n{macros}".replace(f"\n{old}", f"\n{new.rstrip()}", 1)[1:]


def add_to_pants_toml(pants_toml: str, domain: str) -> str:
    """Add the resolve of a domain to pants.toml.

    Args:
        pants_toml: the content of pants.toml.
        domain: the name of the domain.

    Returns:
        The new content, in which the resolves of the domains are sorted.
    """
    line = '{0} = "maxaiusecases/{0}/requirements.lock"\n'.format
    lines = pants_toml.splitlines(keepends=True)
    places = [i for i, old in enumerate(lines) if old == line(old.split(" ")[0])]
    before = [i for i in places if lines[i] < line(domain)]
    if before:
        place = before[-1] + 1
    elif places:
        place = places[0]
    else:
        header = "[python.resolves]\n"
        if header not in lines:
            raise Refused(
                f"{PANTS_TOML}: the line [python.resolves] is missing; add it"
            )
        # No domain exists yet. The comment at the top of the table is about domains.
        place = lines.index(header) + 1
        place += "".join(lines[place:]).startswith("#")
    lines.insert(place, line(domain))
    return "".join(lines)
