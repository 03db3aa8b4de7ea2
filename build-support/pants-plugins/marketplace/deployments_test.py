from __future__ import annotations

import json
from typing import Any

import pytest
from marketplace import deployments, deployments_file
from marketplace.deployments import Deployment, Deployments, find_mistakes
from marketplace.deployments_file import MarketplaceDeployments
from pants.core.target_types import ResourceSourceField
from pants.engine.addresses import Address, Addresses
from pants.engine.fs import DigestContents
from pants.engine.internals.scheduler import ExecutionError
from pants.engine.target import (
    Dependencies,
    DependenciesRequest,
    HydratedSources,
    HydrateSourcesRequest,
    SourcesField,
)
from pants.testutil.rule_runner import QueryRule, RuleRunner

DEV = """\
marketplace_deployment(
    name="dev",
    registry=env("A_REGISTRY", "127.0.0.1:5000"),
    destination="deployments/dev",
    paused=True,
)
"""
PROD = """\
marketplace_deployment(
    name="prod",
    registry="registry.example/a",
    destination="s3://bucket/prod",
    data_root="s3://bucket/data",
    domains=["retail"],
    after="dev",
    branch="main",
)
"""
TOOL = "build-support/deployments/deployer"


@pytest.fixture
def rule_runner() -> RuleRunner:
    result = RuleRunner(
        rules=[
            *deployments.rules(),
            *deployments_file.rules(),
            QueryRule(Addresses, [DependenciesRequest]),
            QueryRule(Deployments, []),
            QueryRule(HydratedSources, [HydrateSourcesRequest]),
        ],
        target_types=[deployments.MarketplaceDeployment, MarketplaceDeployments],
    )
    result.write_files(
        {
            "BUILD": DEV + PROD,
            "maxaiusecases/finance/Dockerfile": "",
            "maxaiusecases/retail/Dockerfile": "",
            f"{TOOL}/BUILD": "marketplace_deployments(name='targets')",
        }
    )
    return result


def files(rule_runner: RuleRunner) -> dict[str, Any]:
    """What code is generated to, by path."""
    target = rule_runner.get_target(Address(TOOL, target_name="targets"))
    request = HydrateSourcesRequest(
        target[SourcesField],
        for_sources_types=(ResourceSourceField,),
        enable_codegen=True,
    )
    sources = rule_runner.request(HydratedSources, [request])
    contents = rule_runner.request(DigestContents, [sources.snapshot.digest])
    return {file.path: json.loads(file.content) for file in contents}


def test_deployments_are_the_targets_of_the_root(rule_runner: RuleRunner) -> None:
    rule_runner.write_files({"a/BUILD": DEV.replace("dev", "elsewhere")})
    found = rule_runner.request(Deployments, [])
    assert found.names == ("dev", "prod")
    dev, prod = found
    assert (dev.carries("finance"), prod.carries("finance")) == (True, False)


def test_without_a_build_file_there_is_none(rule_runner: RuleRunner) -> None:
    rule_runner.write_files({"BUILD": ""})
    assert rule_runner.request(Deployments, []) == Deployments()


def test_a_new_target_is_all_that_a_deployment_takes(rule_runner: RuleRunner) -> None:
    staging = DEV.replace("dev", "staging_2")
    rule_runner.write_files({"BUILD": DEV + PROD + staging})
    (found,) = files(rule_runner).values()
    assert [*found] == ["dev", "prod", "staging_2"]
    target = rule_runner.get_target(Address(TOOL, target_name="targets"))
    request = DependenciesRequest(target[Dependencies])
    addresses = {each.spec for each in rule_runner.request(Addresses, [request])}
    assert addresses == {"//:dev", "//:prod", "//:staging_2"}


def test_the_file_has_all_fields(rule_runner: RuleRunner) -> None:
    assert files(rule_runner) == {
        f"{TOOL}/deployments.json": {
            "dev": {
                "after": None,
                "branch": None,
                "data_root": None,
                "destination": "deployments/dev",
                "domains": None,
                "paused": True,
                "registry": "127.0.0.1:5000",
            },
            "prod": {
                "after": "dev",
                "branch": "main",
                "data_root": "s3://bucket/data",
                "destination": "s3://bucket/prod",
                "domains": ["retail"],
                "paused": False,
                "registry": "registry.example/a",
            },
        }
    }


def test_a_variable_that_is_set_to_nothing_is_told_where_it_matters(
    rule_runner: RuleRunner,
) -> None:
    rule_runner.set_options([], env={"A_REGISTRY": "elsewhere:5000"})
    (found,) = files(rule_runner).values()
    assert found["dev"]["registry"] == "elsewhere:5000"
    rule_runner.set_options([], env={"A_REGISTRY": ""})
    assert rule_runner.request(Deployments, []).names == ("dev", "prod")
    with pytest.raises(ExecutionError) as error:
        files(rule_runner)
    assert (
        'BUILD: marketplace_deployment(name="dev"): registry is empty; give one, or unset'
        in str(error.value)
    )


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        ("Prod", {}, "the name does not match [a-z][a-z0-9_]*; rename it"),
        ("prod-eu", {}, "the name does not match [a-z][a-z0-9_]*; rename it"),
        ("prod", {"after": "dve"}, "after='dve' is no deployment; did you mean dev?"),
        ("prod", {"after": "x"}, "after='x' is no deployment; use one of: dev"),
        ("prod", {"after": "prod"}, "it comes after itself, so that it takes no "),
        ("prod", {"domains": ("retial",)}, "no domain 'retial'; did you mean retail?"),
        ("prod", {"destination": "d"}, "dev has the same destination; give each its"),
        ("prod", {"domains": ()}, "domains is empty; drop it to carry all domains"),
    ],
)
def test_a_mistake_is_told_in_a_line_with_the_target(
    name: str, fields: dict[str, Any], expected: str
) -> None:
    told = {"destination": "p", **fields}
    given = [Deployment("dev", "r", "d"), Deployment(name, "r", **told)]
    (line,) = find_mistakes(given, ["finance", "retail"])
    assert line.startswith(f'BUILD: marketplace_deployment(name="{name}"): ')
    assert expected in line and "\n" not in line


def test_deployments_that_wait_for_each_other_are_told() -> None:
    chain = {"a": "b", "b": "c", "c": "b"}
    given = [Deployment(name, "r", name, after=after) for name, after in chain.items()]
    lines = [*find_mistakes(given, [])]
    assert ['name="b"' in lines[0], 'name="c"' in lines[1]] == [True, True]
    assert len(lines) == 2


def test_a_mistake_is_an_error(rule_runner: RuleRunner) -> None:
    rule_runner.write_files({"BUILD": DEV + PROD.replace("retail", "retial")})
    with pytest.raises(ExecutionError, match="there is no domain 'retial'; did you"):
        rule_runner.request(Deployments, [])
