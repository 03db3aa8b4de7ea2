"""Runs on one domain's Dockerfile, so that a change of that selects no other domain."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


def test_the_dockerfile_starts_from_the_current_base() -> None:
    command = [str(Path(__file__).resolve().parent / "base-image"), "stale"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(done.stdout + done.stderr, pytrace=False)
