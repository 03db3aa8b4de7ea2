"""Tests that the locks in the folder LOCKS_IN match the requirements beside them."""

import os
import re
from pathlib import Path

import pytest

from maxaitools.lock import Resolve, read_resolves

FOLDER = Path(os.environ["LOCKS_IN"])
RESOLVES = [each for each in read_resolves().values() if each.lock.parent == FOLDER]
# The names, versions and hashes of packages, and in comments the packages that need them.
ENTRY = re.compile(
    r"#.*|    --hash=sha256:.*|[a-z0-9.-]+==[^ ]+( ;.*)? \\|    #( +via)?( +(-r )?[\w.-]+)?"
)
assert RESOLVES


@pytest.mark.parametrize("resolve", RESOLVES, ids=lambda resolve: resolve.name)
def test_a_lock_matches_its_requirements_and_has_no_address(resolve: Resolve) -> None:
    text = resolve.lock.read_text()
    assert text.startswith(resolve.header()), (
        f"{resolve.lock} was not compiled from {resolve.requirements} as it is now: "
        f"./pants lock {resolve.name}"
    )
    assert [line for line in text.splitlines() if not ENTRY.fullmatch(line)] == []


def pins(name: str) -> dict[str, str]:
    """Return the versions that a lock installs on CPython 3.11 and Linux."""
    text = (FOLDER / f"{name}.lock").read_text()
    others = r"< '3\.(10|11)'|== '3\.(9|10)\.\*'|'win32'"
    found = re.findall(r"^(\S+)==(\S+)( ;.*)? \\$", text, re.MULTILINE)
    return {name: v for name, v, marker in found if not re.search(others, marker)}


if FOLDER == Path("3rdparty/python"):
    # In a test, the packages of pytest stand before those of the tested code. The lock of pytest
    # is for two versions of CPython, so it cannot be compiled with Airflow's as a constraint.
    def test_pytest_and_airflow_have_the_same_versions() -> None:
        airflow, pytest = pins("airflow"), pins("pytest")
        both = airflow.keys() & pytest.keys()
        assert {"packaging", "pluggy"} <= both
        assert [name for name in both if airflow[name] != pytest[name]] == []
