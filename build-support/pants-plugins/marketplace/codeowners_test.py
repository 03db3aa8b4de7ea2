from __future__ import annotations

import pytest
from pants.testutil.rule_runner import run_rule_with_mocks

from marketplace.codeowners import CodeOwnersRequest, add_owners, partition_code_owners


@pytest.mark.parametrize(
    ("path", "is_needed"),
    [
        (".github/CODEOWNERS", True),
        ("maxaiconfigs/shop/domain.json", True),
        ("maxaiconfigs/shop/churn/domain.json", False),
        ("maxaiusecases/shop/README.md", False),
    ],
)
def test_the_files_that_need_code_owners(path: str, is_needed: bool) -> None:
    request = CodeOwnersRequest.PartitionRequest((path,))
    partitions = run_rule_with_mocks(partition_code_owners, rule_args=[request])
    expected = [(".github/CODEOWNERS",)] if is_needed else []
    assert [each.elements for each in partitions] == expected


def test_the_lines_of_the_domains_are_replaced_and_others_kept() -> None:
    own = "# The platform.\n* @acme/platform\n"
    owners = {"shop": ["@acme/shop", "ds@acme.example"], "bank": []}
    text = own + "/maxai*/shop/ @acme/shop ds@acme.example\n"
    assert add_owners(own + "/maxai*/old/ @acme/old\n", owners) == text
    assert add_owners(text, owners) == text
    assert add_owners("", {"bank": []}) == ""
