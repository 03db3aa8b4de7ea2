from __future__ import annotations

import pytest
from pants.engine.fs import DigestContents, FileContent, PathGlobs
from pants.testutil.rule_runner import MockGet, run_rule_with_mocks

from marketplace.lint import (
    ConventionsRequest,
    WheelLintersRequest,
    partition_by_domain,
    partition_by_linter,
)


@pytest.mark.parametrize(
    ("files", "domains"),
    [
        ("README.md maxairesources/dagfactory.py 3rdparty/python/a.lock", ["*"]),
        ("maxaidags/shop/churn/monthly/dag.py maxaiusecases/shop/x.py", ["*", "shop"]),
        ("maxaiconfigs/a/x.json maxaiusecases/b/x.py", ["*", "a", "b"]),
        ("maxaidags/BUILD maxaidags/shop/x.py", ["", "*", "shop"]),
    ],
)
def test_each_domain_of_the_files_is_a_partition(
    files: str, domains: list[str]
) -> None:
    request = ConventionsRequest.PartitionRequest(tuple(files.split()))
    partitions = run_rule_with_mocks(partition_by_domain, rule_args=[request])
    assert [each.elements for each in partitions] == [(name,) for name in domains]


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        (".github/workflows/main.yml", "", "check-jsonschema zizmor"),
        (".github/actions/pants/action.yml", "", "zizmor"),
        (".github/dependabot.yml", "", "check-jsonschema"),
        ("build-support/docs/gitlab-ci.yml", "", "check-jsonschema"),
        ("maxaiusecases/shop/Dockerfile", "FROM x", "hadolint"),
        ("pants", "#!/usr/bin/env bash", "shellcheck"),
        ("build-support/images/recipe.sh", "", "shellcheck"),
        ("maxaiusecases/shop/README.md", "", ""),
        ("maxaiusecases/shop/churn/handlers/fit.py", "", "ruff"),
    ],
)
def test_each_file_has_its_linters(path: str, text: str, expected: str) -> None:
    content = DigestContents([FileContent(path, text.encode())])
    request = WheelLintersRequest.PartitionRequest((path,))
    partitions = run_rule_with_mocks(
        partition_by_linter,
        rule_args=[request],
        mock_gets=[MockGet(DigestContents, (PathGlobs,), lambda _: content)],
    )
    assert " ".join(each.metadata.description for each in partitions) == expected
