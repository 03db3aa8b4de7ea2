"""Creates the folders in which Pants keeps mypy's cache between runs.

Pants 2.17 copies the cache there after each run, but does not create the folders, so each run
would check all imported packages again. That is still so if `named_caches_dir` is another
folder than Pants' default.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from pants.base.build_environment import get_buildroot, get_pants_cachedir


def install() -> None:
    """Create the folder of each version of CPython."""
    clone = sha256(get_buildroot().encode()).hexdigest()
    for minor in range(9, 15):
        folder = Path(get_pants_cachedir(), "named_caches/mypy_cache", clone)
        (folder / f"3.{minor}").mkdir(parents=True, exist_ok=True)
