from __future__ import annotations

from pants.testutil.rule_runner import QueryRule, RuleRunner

from marketplace.graph import deployments
from marketplace.graph.deployments import Deployments


def test_deployments_are_the_targets_of_the_root() -> None:
    rule_runner = RuleRunner(
        rules=[*deployments.rules(), QueryRule(Deployments, [])],
        target_types=[deployments.MarketplaceDeployment],
    )
    rule_runner.write_files({"BUILD": ""})
    assert rule_runner.request(Deployments, []) == Deployments()
    target = "marketplace_deployment(name='{}')\n"
    root = target.format("prod") + target.format("dev")
    rule_runner.write_files({"BUILD": root, "a/BUILD": target.format("other")})
    assert rule_runner.request(Deployments, []).names == ("dev", "prod")
