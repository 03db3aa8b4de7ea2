from __future__ import annotations

import pytest
from marketplace.wheel_linters import LINTERS


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".github/workflows/main.yml", {"check-jsonschema", "zizmor"}),
        (".github/actions/pants/action.yml", {"zizmor"}),
        ("maxaiusecases/retail/Dockerfile", {"hadolint"}),
        ("pants", {"shellcheck"}),
        (".ci/run", {"shellcheck"}),
        ("build-support/setup", {"shellcheck"}),
        ("build-support/docker/recipe.sh", {"shellcheck"}),
        ("build-support/macros.py", {"ruff"}),
        ("build-support/docker/base-image", {"ruff"}),
        ("maxaiusecases/retail/README.md", set()),
        ("maxaiusecases/retail/BUILD", set()),
        ("docs/workflows/main.yml", set()),
    ],
)
def test_each_file_has_its_linters(path: str, expected: set[str]) -> None:
    assert {linter.command for linter in LINTERS if linter.checks(path)} == expected
