"""Runs on one domain's Dockerfile, so that a change of that selects no other domain."""

from __future__ import annotations

import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

BASE_IMAGE = Path(__file__).resolve().parent / "base-image"


def test_the_dockerfile_starts_from_the_current_base(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = SourceFileLoader("base_image", str(BASE_IMAGE))
    spec = spec_from_loader("base_image", loader)
    assert spec
    base_image = module_from_spec(spec)
    loader.exec_module(base_image)
    monkeypatch.setattr(base_image, "ROOT", Path.cwd())
    assert base_image.dockerfiles(), "there is no Dockerfile in maxaiusecases/*/"
    if stale := list(base_image.stale_dockerfiles()):
        pytest.fail("\n".join(stale), pytrace=False)
