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


HANDLERS = Address("retail", target_name="handlers")


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
            "retail/BUILD": "sources_below(name='handlers')\npython_sources(name='setup')",
            "retail/setup.py": "",
            "retail/churn/handlers/BUILD": below,
            "retail/churn/handlers/score.py": "",
            "retail/churn/handlers/score_test.py": "",
            "retail/prices/handlers/BUILD": below,
            "retail/prices/handlers/fit.py": "",
            "retail/prices/handlers/fit_test.py": "",
            "finance/risk/handlers/BUILD": "python_sources()",
            "finance/risk/handlers/rate.py": "",
        }
    )
    assert infer(rule_runner) == {
        "retail/churn/handlers/score.py",
        "retail/prices/handlers/fit.py",
        # The generators own deleted files.
        "retail/churn/handlers:handlers",
        "retail/prices/handlers:handlers",
    }


def test_a_domain_without_usecases_has_no_sources(rule_runner: RuleRunner) -> None:
    rule_runner.write_files({"retail/BUILD": "sources_below(name='handlers')"})
    assert infer(rule_runner) == set()


def test_the_field_folder_narrows_the_sources(rule_runner: RuleRunner) -> None:
    rule_runner.write_files(
        {
            "configs/BUILD": "sources_below(name='retail', folder='retail')",
            "configs/retail/churn/BUILD": "files(sources=['*.json'])",
            "configs/retail/churn/a.json": "{}",
            "configs/finance/risk/BUILD": "files(sources=['*.json'])",
            "configs/finance/risk/b.json": "{}",
        }
    )
    assert infer(rule_runner, Address("configs", target_name="retail")) == {
        "configs/retail/churn:churn",
        "configs/retail/churn/a.json",
    }
