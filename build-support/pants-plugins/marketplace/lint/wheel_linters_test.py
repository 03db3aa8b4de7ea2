from __future__ import annotations

import pytest
from pants.engine.fs import DigestContents, FileContent, PathGlobs
from pants.testutil.option_util import create_subsystem
from pants.testutil.rule_runner import MockGet, run_rule_with_mocks

from marketplace.lint.wheel_linters import (
    WheelLinters,
    WheelLintersRequest,
    partition,
)


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        (".github/workflows/main.yml", "", "check-jsonschema zizmor"),
        (".github/actions/pants/action.yml", "", "zizmor"),
        (".github/dependabot.yml", "", "check-jsonschema"),
        ("build-support/docs/gitlab-ci.yml", "", "check-jsonschema"),
        ("docs/workflows/main.yml", "", ""),
        ("maxaiusecases/shop/Dockerfile", "FROM x", "hadolint"),
        ("pants", "#!/usr/bin/env bash", "shellcheck"),
        ("build-support/checks/run", "#!/bin/sh", "shellcheck"),
        ("build-support/images/recipe.sh", "", "shellcheck"),
        ("build-support/macros.py", "", "ruff"),
        ("build-support/images/base-image", "#!/usr/bin/env python3", "ruff"),
        ("maxaiusecases/shop/README.md", "", ""),
        ("maxaiusecases/shop/churn/handlers/fit.py", "", "ruff"),
        ("maxaiusecases/shop/requirements.lock", "", ""),
    ],
)
def test_each_file_has_its_linters(path: str, text: str, expected: str) -> None:
    content = DigestContents([FileContent(path, text.encode())])
    request = WheelLintersRequest.PartitionRequest((path,))
    partitions = run_rule_with_mocks(
        partition,
        rule_args=[request, create_subsystem(WheelLinters, skip=False)],
        mock_gets=[MockGet(DigestContents, (PathGlobs,), lambda _: content)],
    )
    assert " ".join(each.metadata.command for each in partitions) == expected
