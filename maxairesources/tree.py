"""The names and paths of the three trees, and how errors write names and places.

The plugin, the library and the tools import this module. It imports only the standard
library, and runs on CPython 3.9, which Pants needs, and on 3.11.
"""

from __future__ import annotations

import difflib
import json
import re
from typing import Any, Iterable, Iterator

CONFIGS, DAGS, USECASES = TREES = ("maxaiconfigs", "maxaidags", "maxaiusecases")
LIBRARY = "maxairesources"
PANTS_TOML = "pants.toml"
# The file of what a company decides; `settings` reads it.
SETTINGS = "marketplace.toml"

# The variable in which the launcher lists the domains that cannot be built, each in a line with the
# file, the problem and the fix.
PROBLEMS = "MAXAI_PROBLEMS"

# Domains, usecases, objectives and handlers have such names: they become part of modules,
# images and ids.
NAME = re.compile("[a-z][a-z0-9]*(_[a-z0-9]+)*")

PY_CONFIG = "py_config.json"
SPARK_CONFIG = "spark_config.json"
KUBEPOD_CONFIG = "kubepod_config.json"
# The owners and the deprecated usecases of a domain.
DOMAIN_CONFIG = "domain.json"
# A launch config or an overlay of one, such as spark_config.prod.json.
LAUNCH_CONFIG = re.compile(
    rf"{CONFIGS}/[^/]+/[^/]+/(spark|kubepod)_config(\.[^/]+)?\.json"
)
# The launch config that holds the arguments of an operator.
LAUNCHED_FROM = {
    "KubernetesPodOperator": KUBEPOD_CONFIG,
    "SparkSubmitOperator": SPARK_CONFIG,
}

# The groups are the domain, the usecase and the objective.
DAG_FILE = re.compile(f"{DAGS}/([^/]+)/([^/]+)/([^/]+)/dag[.]py")
HANDLER_FILE = re.compile(rf"{USECASES}/\w+/\w+/handlers/(\w+/)*\w+[.]py")
# The folder of the code that the usecases of a domain share.
COMMON = "common"

# The folders that Pants reads, and the arguments of Git that list the files in them which no commit
# has. Pants ignores hidden folders and bytecode, but no file that a .gitignore names.
SOURCES = ("3rdparty", "build-support", "maxai*")
UNTRACKED = (
    *("ls-files", "-z", "--others", "--exclude=.*/", "--exclude=__pycache__/", "--"),
    *SOURCES,
)

# A file of Git LFS begins with this if only its pointer is checked out.
LFS_POINTER = b"version https://git-lfs.github.com/spec/"

# An image keeps the sources in this folder; `application` in a spark_config names it so.
IN_IMAGE = "local:///opt/maxai/"
SPARK_IMAGES = tuple(
    f"spark.kubernetes.{part}container.image" for part in ("", "driver.", "executor.")
)


def path_of(tree: str, names: Iterable[str], *file: str) -> str:
    """Return the path of a folder or file, such as maxaidags/bank/credit_risk/dag.py."""
    return "/".join((tree, *names, *file))


def domain_of(path: str) -> str | None:
    """Return the domain of a path in one of the three trees; None for any other path."""
    tree, *below = path.split("/")
    return below[0] if len(below) > 1 and tree in TREES else None


def dag_id(domain: str, usecase: str, objective: str) -> str:
    """Return the id of an objective's DAG."""
    return f"{domain}.{usecase}.{objective}"


def nearest(name: str, valid: Iterable[str], otherwise: str | None = None) -> str:
    """Return advice that names the valid names nearest to `name`.

    The style of a name, such as camelCase or kebab-case, does not matter. If none is near, the
    advice is `otherwise`; by default, a list of the valid names.
    """

    def plain(text: str) -> str:
        return re.sub("[-_]", "", text).lower()

    names = {plain(each): each for each in sorted(valid)}
    close = difflib.get_close_matches(plain(name), names)
    if plain(name) in names:
        close = [plain(name)]
    if close:
        return f"did you mean {' or '.join(names[each] for each in close)}?"
    if otherwise is not None:
        return otherwise
    return f"use one of: {', '.join(names.values())}" if names else "remove it"


def walk(
    value: Any, path: tuple[Any, ...] = ()
) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield each value that is not an object or a list with its place, and each key.

    The place of a key is the object that has it.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            yield path, key
            yield from walk(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from walk(item, (*path, index))
    else:
        yield path, value


def json_path(path: Iterable[Any]) -> str:
    """Return a path of keys and indexes as RFC 9535 writes it, such as $.tasks[0].id."""
    parts = ["$"]
    for key in path:
        if isinstance(key, int):
            parts.append(f"[{key}]")
        elif re.fullmatch(r"[A-Za-z_]\w*", key):
            parts.append(f".{key}")
        else:
            parts.append(f"[{key!r}]")
    return "".join(parts)


def flatten(value: Any, *path: str) -> Iterator[tuple[str, str]]:
    """Yield the JSON path and the JSON of each value in objects; a list is one value."""
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from flatten(below, *path, key)
    else:
        yield json_path(path), json.dumps(value, ensure_ascii=False)
