from __future__ import annotations

import pytest
from marketplace import domain_handlers
from pants.backend.python.target_types import (
    PythonSourcesGeneratorTarget,
    PythonTestsGeneratorTarget,
)
from pants.backend.python.target_types_rules import rules as python_target_rules
from pants.engine.addresses import Address
from pants.engine.target import InferredDependencies
from pants.testutil.rule_runner import QueryRule, RuleRunner


@pytest.fixture
def rule_runner() -> RuleRunner:
    return RuleRunner(
        rules=[
            *domain_handlers.rules(),
            *python_target_rules(),
            QueryRule(
                InferredDependencies, [domain_handlers.InferDomainHandlersRequest]
            ),
        ],
        target_types=[
            domain_handlers.DomainHandlers,
            PythonSourcesGeneratorTarget,
            PythonTestsGeneratorTarget,
        ],
    )


def infer(rule_runner: RuleRunner) -> set[str]:
    target = rule_runner.get_target(Address("retail", target_name="handlers"))
    request = domain_handlers.InferDomainHandlersRequest(
        domain_handlers.DomainHandlersFieldSet.create(target)
    )
    return {
        address.spec
        for address in rule_runner.request(InferredDependencies, [request]).include
    }


def test_all_sources_of_all_usecases_and_nothing_else(rule_runner: RuleRunner) -> None:
    below = "python_sources()\npython_tests(name='tests')"
    rule_runner.write_files(
        {
            "retail/BUILD": "domain_handlers(name='handlers')\npython_sources(name='setup')",
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
        # Which own a deleted file.
        "retail/churn/handlers:handlers",
        "retail/prices/handlers:handlers",
    }


def test_a_domain_without_usecases_has_none(rule_runner: RuleRunner) -> None:
    rule_runner.write_files({"retail/BUILD": "domain_handlers(name='handlers')"})
    assert infer(rule_runner) == set()
