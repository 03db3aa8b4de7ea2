from __future__ import annotations

import pytest
from pants.testutil.option_util import create_subsystem
from pants.testutil.rule_runner import run_rule_with_mocks

from marketplace.lint.conventions import Conventions, ConventionsRequest, partition


@pytest.mark.parametrize(
    ("files", "domains"),
    [
        (["README.md", "maxairesources/dagfactory.py", "3rdparty/python/a.lock"], []),
        (["maxaidags/shop/churn/monthly/dag.py", "maxaiusecases/shop/x.py"], ["shop"]),
        (["maxaiconfigs/a/x.json", "maxaiusecases/b/x.py"], ["a", "b"]),
        (["maxaidags/BUILD", "maxaidags/shop/x.py"], ["", "shop"]),
    ],
)
def test_each_domain_of_the_files_is_a_partition(
    files: list[str], domains: list[str]
) -> None:
    request = ConventionsRequest.PartitionRequest(tuple(files))
    subsystem = create_subsystem(Conventions, skip=False)
    partitions = run_rule_with_mocks(partition, rule_args=[request, subsystem])
    assert [each.elements for each in partitions] == [(name,) for name in domains]
