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


def test_the_folder_has_a_lock() -> None:
    assert RESOLVES


@pytest.mark.parametrize("resolve", RESOLVES, ids=lambda resolve: resolve.name)
def test_lock_matches_its_requirements(resolve: Resolve) -> None:
    assert resolve.lock.read_text().startswith(resolve.header()), (
        f"{resolve.lock} was not compiled from {resolve.requirements} as it is now: "
        f"./pants lock {resolve.name}"
    )


@pytest.mark.parametrize("resolve", RESOLVES, ids=lambda resolve: resolve.name)
def test_lock_holds_only_names_versions_and_hashes(resolve: Resolve) -> None:
    lines = resolve.lock.read_text().splitlines()
    entries = [
        line for line in lines if not line.startswith(("#", "    --hash=sha256:"))
    ]
    assert entries
    for entry in entries:
        package, needed_by = (
            r"[a-z0-9.-]+==[^ ]+( ;.*)? \\",
            r"    #( +via)?( +(-r )?[\w.-]+)?",
        )
        assert re.fullmatch(f"{package}|{needed_by}", entry), entry
