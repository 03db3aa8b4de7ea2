from __future__ import annotations

import pytest
from pants.backend.python.util_rules import pex, pex_from_targets
from pants.core.util_rules.partitions import Partitions
from pants.engine.environment import EnvironmentName
from pants.testutil.rule_runner import QueryRule, RuleRunner

from marketplace.graph import deployments
from marketplace.lint import conventions
from marketplace.lint.conventions import ConventionsRequest


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
    rule_runner = RuleRunner(
        rules=[
            *conventions.rules(),
            *deployments.rules(),
            *pex.rules(),
            *pex_from_targets.rules(),
            QueryRule(
                Partitions, [ConventionsRequest.PartitionRequest, EnvironmentName]
            ),
        ],
        target_types=[deployments.MarketplaceDeployment],
    )
    request = ConventionsRequest.PartitionRequest(tuple(files))
    partitions = rule_runner.request(Partitions, [request])
    assert [each.elements for each in partitions] == [(name,) for name in domains]
