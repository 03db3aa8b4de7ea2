"""Tests that the locks in the folder LOCKS_IN match the requirements beside them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from maxaitools.lock import Resolve, read_resolves

RESOLVES = [
    resolve
    for resolve in read_resolves(Path()).values()
    if resolve.lock.parent == Path(os.environ["LOCKS_IN"])
]


# The names, versions and hashes of packages, and in comments the packages that need them.
ENTRY = re.compile(
    r"#.*|    --hash=sha256:.*|[a-z0-9.-]+==[^ ]+( ;.*)? \\|    #( +via)?( +(-r )?[\w.-]+)?"
)


def test_the_folder_has_a_lock() -> None:
    assert RESOLVES


@pytest.mark.parametrize("resolve", RESOLVES, ids=lambda resolve: resolve.name)
def test_a_lock_matches_its_requirements_and_has_no_address(resolve: Resolve) -> None:
    text = resolve.lock.read_text()
    assert text.startswith(resolve.header()), (
        f"{resolve.lock} was not compiled from {resolve.requirements} as it is now: "
        f"./pants lock {resolve.name}"
    )
    assert [line for line in text.splitlines() if not ENTRY.fullmatch(line)] == []
