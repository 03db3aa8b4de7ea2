"""The addresses of the files of the three trees, which follow from their paths.

The macros and the BUILD files of the trees define these targets. Looking an address up in the graph
would take longer, and Pants forbids it while it generates targets.
"""

from __future__ import annotations

import glob
from fnmatch import fnmatchcase

from pants.engine.addresses import Address

from maxairesources.tree import CONFIGS, DAGS, USECASES

PYTHON = (".py", ".pyi")
# The names of files that are not data files; the macro `data_files` reads them, too.
NO_DATA = ("*.py", "*.pyi", "BUILD", "README*", ".*")


class MarketplaceError(Exception):
    """The sources or arguments are wrong; the message gives the reason and a fix."""


def is_data(path: str) -> bool:
    """Return if a file of maxaidags or maxaiusecases is a data file, which modules read."""
    name = path.rpartition("/")[2]
    return not any(fnmatchcase(name, pattern) for pattern in NO_DATA)


def source_address(path: str) -> Address:
    """Return the address of a config, a Python file of a DAG, a handler or a data file.

    For the Dockerfile and the sample_data.py of a domain, it is that of their output.
    """
    tree, domain, below = path.split("/", 2)
    folder = f"{USECASES}/{domain}"
    if path == f"{folder}/Dockerfile":
        return Address(folder, target_name="image")
    if path == f"{folder}/sample_data.py":
        return Address(folder, target_name="sample_data")
    # Pants escapes the names of generated targets like globs.
    below = glob.escape(below)
    kind = "data" if is_data(path) else "handlers" if tree == USECASES else "dags"
    if tree == USECASES:
        return Address(folder, target_name=kind, relative_file_path=below)
    kind = domain if tree == CONFIGS else kind
    return Address(tree, target_name=kind, relative_file_path=f"{domain}/{below}")
