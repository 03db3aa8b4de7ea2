"""The addresses of the files of the three trees, which follow from their paths.

The macros and the BUILD files of the trees define these targets. Looking an address up in the graph
would take longer, and Pants forbids it while it generates targets.
"""

from __future__ import annotations

import glob

from pants.engine.addresses import Address

from maxairesources.tree import CONFIGS, DAGS, USECASES

PYTHON = (".py", ".pyi")


def source_address(path: str) -> Address:
    """Return the address of a config, a Python file of a DAG, a handler or a data file."""
    tree, domain, below = path.split("/", 2)
    # Pants escapes the names of generated targets like globs.
    below = glob.escape(below)
    if tree == CONFIGS:
        return Address(
            CONFIGS, target_name=domain, relative_file_path=f"{domain}/{below}"
        )
    is_python = path.endswith(PYTHON)
    if tree == DAGS:
        name = "dags" if is_python else "data"
        return Address(DAGS, target_name=name, relative_file_path=f"{domain}/{below}")
    name = "handlers" if is_python else "data"
    return Address(f"{USECASES}/{domain}", target_name=name, relative_file_path=below)


def image_address(domain: str) -> Address:
    """Return the address of a domain's image."""
    return Address(f"{USECASES}/{domain}", target_name="image")


def sample_data_address(domain: str) -> Address:
    """Return the address of the output of a domain's sample_data.py."""
    return Address(f"{USECASES}/{domain}", target_name="sample_data")
