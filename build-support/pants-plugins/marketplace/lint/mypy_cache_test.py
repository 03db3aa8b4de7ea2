from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from pants.backend.python.typecheck.mypy import rules
from pants.base.build_root import BuildRoot

from marketplace.lint import mypy_cache


def test_folders_have_the_names_that_pants_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = inspect.getsource(rules)
    assert "{named_cache_dir}/{sha256(build_root.path.encode()).hexdigest()}" in source
    assert 'NAMED_CACHE_DIR="{mypy_cache_dir}/{py_version}"' in source
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with BuildRoot().temporary("/clone"):
        mypy_cache.install()
    folders = {path.name for path in tmp_path.glob("pants/named_caches/mypy_cache/*/*")}
    assert {"3.9", "3.11"} <= folders
