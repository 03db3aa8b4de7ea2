from __future__ import annotations

from typing import Any

import pytest
from pants.engine.internals.scheduler import ExecutionError
from pants.testutil.rule_runner import QueryRule, RuleRunner

from marketplace.graph import deployments
from marketplace.graph.deployments import Deployment, Deployments, find_mistakes

DEV = """\
marketplace_deployment(
    name="dev",
    registry=env("A_REGISTRY", "127.0.0.1:5000"),
    paused=True,
)
"""
PROD = """\
marketplace_deployment(
    name="prod",
    registry="registry.example/a",
    signed=True,
    data_root="s3://bucket/data",
    domains=["shop"],
    after="dev",
    branch="main",
)
"""


@pytest.fixture
def rule_runner() -> RuleRunner:
    result = RuleRunner(
        rules=[
            *deployments.rules(),
            QueryRule(Deployments, []),
        ],
        target_types=[deployments.MarketplaceDeployment],
    )
    result.write_files(
        {
            "BUILD": DEV + PROD,
            "maxaiusecases/bank/Dockerfile": "",
            "maxaiusecases/shop/Dockerfile": "",
        }
    )
    return result


def test_deployments_are_the_targets_of_the_root(rule_runner: RuleRunner) -> None:
    rule_runner.write_files({"a/BUILD": DEV.replace("dev", "elsewhere")})
    found = rule_runner.request(Deployments, [])
    assert found.names == ("dev", "prod")
    dev, prod = found
    assert (dev.carries("bank"), prod.carries("bank")) == (True, False)


def test_a_root_build_file_without_targets_defines_no_deployment(
    rule_runner: RuleRunner,
) -> None:
    rule_runner.write_files({"BUILD": ""})
    assert rule_runner.request(Deployments, []) == Deployments()


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        ("Prod", {}, "the name does not match [a-z][a-z0-9_]*; rename it"),
        ("prod-eu", {}, "the name does not match [a-z][a-z0-9_]*; rename it"),
        (
            "prod",
            {"after": "dve"},
            "after='dve' is not a deployment; did you mean dev?",
        ),
        ("prod", {"after": "x"}, "after='x' is not a deployment; use one of: dev"),
        ("prod", {"after": "prod"}, "following `after` leads back to it, so it "),
        (
            "prod",
            {"domains": ("shpo",)},
            "'shpo' is not a domain; did you mean shop?",
        ),
        ("prod", {"domains": ()}, "domains is empty; remove it to carry all domains"),
    ],
)
def test_a_mistake_is_reported_in_one_line_with_the_target(
    name: str, fields: dict[str, Any], expected: str
) -> None:
    given = [Deployment("dev"), Deployment(name, **fields)]
    (line,) = find_mistakes(given, ["bank", "shop"])
    assert line.startswith(f'BUILD: marketplace_deployment(name="{name}"): ')
    assert expected in line and "\n" not in line


def test_a_cycle_of_deployments_is_reported() -> None:
    chain = {"a": "b", "b": "c", "c": "b"}
    given = [Deployment(name, after=after) for name, after in chain.items()]
    lines = [*find_mistakes(given, [])]
    assert ['name="b"' in lines[0], 'name="c"' in lines[1]] == [True, True]
    assert len(lines) == 2


def test_a_mistake_fails_the_rule(rule_runner: RuleRunner) -> None:
    rule_runner.write_files({"BUILD": DEV + PROD.replace("shop", "shpo")})
    with pytest.raises(ExecutionError, match="'shpo' is not a domain; did you mean"):
        rule_runner.request(Deployments, [])
