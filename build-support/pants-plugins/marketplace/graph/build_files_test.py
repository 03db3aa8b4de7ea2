from __future__ import annotations

import pytest
from pants.core.goals.tailor import AllOwnedSources, PutativeTarget, PutativeTargets
from pants.testutil.rule_runner import QueryRule, RuleRunner

from marketplace.graph import build_files, launch_configs
from marketplace.graph.build_files import FIRST, MarketplaceTargetsRequest

FILES = {
    "maxaiusecases/shop/Dockerfile": "",
    "maxaiusecases/shop/churn/handlers/Dockerfile": "",
    "maxaiconfigs/shop/churn/kubepod_config.json": "",
    "maxaiconfigs/shop/churn/kubepod_config.prod.json": "",
    "maxaiconfigs/shop/churn/weekly/py_config.json": "",
    "maxaidags/shop/churn/weekly/py_config.json": "",
    "other/spark_config.json": "",
}


def stanzas(owned: list[str]) -> dict[str, str]:
    """Return the targets that `tailor` would write for FILES, by folder.

    Args:
        owned: the files that targets own already.
    """
    rule_runner = RuleRunner(
        rules=[
            *build_files.rules(),
            QueryRule(PutativeTargets, [MarketplaceTargetsRequest, AllOwnedSources]),
        ],
        target_types=[launch_configs.LaunchConfigsTarget],
    )
    rule_runner.write_files(FILES)
    folders = tuple(sorted({path.rpartition("/")[0] for path in FILES}))
    found = rule_runner.request(
        PutativeTargets, [MarketplaceTargetsRequest(folders), AllOwnedSources(owned)]
    )
    return {target.path: target.generate_build_file_stanza("    ") for target in found}


def test_tailor_adds_the_missing_targets_of_each_level() -> None:
    assert stanzas([]) == {
        "maxaiusecases/shop": 'marketplace_domain(\n    name="_domain",\n)\n',
        "maxaiconfigs/shop/churn": "launch_configs()\n",
        "maxaiconfigs/shop/churn/weekly": (
            'files(\n    sources=[\n        "*.json",\n    ],\n)\n'
        ),
    }


def test_tailor_adds_nothing_for_files_with_an_owner() -> None:
    assert stanzas(list(FILES)) == {}


@pytest.mark.parametrize("domain", ["a", "shop", "zoo"])
def test_the_macro_precedes_the_targets_that_use_its_defaults(
    domain: str,
) -> None:
    path = f"maxaiusecases/{domain}"
    macro = PutativeTarget(path, FIRST, "marketplace_domain", (), ())
    sources = PutativeTarget(path, domain, "python_sources", (), ())
    tests = PutativeTarget(path, "tests", "python_tests", (), ())
    assert [*PutativeTargets([tests, sources, macro])][0] == macro
