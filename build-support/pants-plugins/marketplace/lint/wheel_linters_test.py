from __future__ import annotations

import pytest
from pants.core.util_rules.partitions import Partitions
from pants.engine.environment import EnvironmentName
from pants.testutil.rule_runner import QueryRule, RuleRunner

from marketplace.lint import wheel_linters
from marketplace.lint.wheel_linters import WheelLintersRequest


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
    rule_runner = RuleRunner(
        rules=[
            *wheel_linters.rules(),
            QueryRule(
                Partitions, [WheelLintersRequest.PartitionRequest, EnvironmentName]
            ),
        ]
    )
    rule_runner.write_files({path: text})
    request = WheelLintersRequest.PartitionRequest((path,))
    partitions = rule_runner.request(Partitions, [request])
    assert " ".join(each.metadata.command for each in partitions) == expected
