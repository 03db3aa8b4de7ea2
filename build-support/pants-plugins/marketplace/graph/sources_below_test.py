from __future__ import annotations

import pytest
from pants.backend.python.target_types import (
    PythonSourcesGeneratorTarget,
    PythonTestsGeneratorTarget,
)
from pants.backend.python.target_types_rules import rules as python_target_rules
from pants.core.target_types import FilesGeneratorTarget
from pants.core.target_types import rules as core_target_rules
from pants.engine.addresses import Address
from pants.engine.target import InferredDependencies
from pants.testutil.rule_runner import QueryRule, RuleRunner

from marketplace.graph import launch_configs, sources_below


@pytest.fixture
def rule_runner() -> RuleRunner:
    return RuleRunner(
        rules=[
            *sources_below.rules(),
            *python_target_rules(),
            *core_target_rules(),
            *launch_configs.rules(),
            QueryRule(InferredDependencies, [sources_below.InferSourcesBelowRequest]),
        ],
        target_types=[
            sources_below.SourcesBelow,
            FilesGeneratorTarget,
            PythonSourcesGeneratorTarget,
            PythonTestsGeneratorTarget,
        ],
    )


HANDLERS = Address("shop", target_name="handlers")


def infer(rule_runner: RuleRunner, address: Address = HANDLERS) -> set[str]:
    target = rule_runner.get_target(address)
    request = sources_below.InferSourcesBelowRequest(
        sources_below.SourcesBelowFieldSet.create(target)
    )
    return {
        address.spec
        for address in rule_runner.request(InferredDependencies, [request]).include
    }


def test_it_depends_on_the_sources_of_all_usecases_and_on_nothing_else(
    rule_runner: RuleRunner,
) -> None:
    below = "python_sources()\npython_tests(name='tests')"
    rule_runner.write_files(
        {
            "shop/BUILD": "sources_below(name='handlers')\npython_sources(name='setup')",
            "shop/setup.py": "",
            "shop/churn/handlers/BUILD": below,
            "shop/churn/handlers/score.py": "",
            "shop/churn/handlers/score_test.py": "",
            "shop/prices/handlers/BUILD": below,
            "shop/prices/handlers/fit.py": "",
            "shop/prices/handlers/fit_test.py": "",
            "bank/risk/handlers/BUILD": "python_sources()",
            "bank/risk/handlers/rate.py": "",
        }
    )
    assert infer(rule_runner) == {
        "shop/churn/handlers/score.py",
        "shop/prices/handlers/fit.py",
        # The generators own deleted files.
        "shop/churn/handlers:handlers",
        "shop/prices/handlers:handlers",
    }


def test_a_domain_without_usecases_has_no_sources(rule_runner: RuleRunner) -> None:
    rule_runner.write_files({"shop/BUILD": "sources_below(name='handlers')"})
    assert infer(rule_runner) == set()


def test_the_field_folder_narrows_the_sources(rule_runner: RuleRunner) -> None:
    rule_runner.write_files(
        {
            "configs/BUILD": "sources_below(name='shop', folder='shop')",
            "configs/shop/churn/BUILD": "files(sources=['*.json'])",
            "configs/shop/churn/a.json": "{}",
            "configs/bank/risk/BUILD": "files(sources=['*.json'])",
            "configs/bank/risk/b.json": "{}",
        }
    )
    assert infer(rule_runner, Address("configs", target_name="shop")) == {
        "configs/shop/churn:churn",
        "configs/shop/churn/a.json",
    }
