from __future__ import annotations

import pytest
from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.util_rules import pex, pex_from_targets
from pants.core.util_rules.partitions import Partitions
from pants.engine.environment import EnvironmentName
from pants.testutil.rule_runner import QueryRule, RuleRunner

from marketplace.graph import deployments
from marketplace.lint import conventions
from marketplace.lint.conventions import ConventionsRequest

FILES = {
    "build-support/macros.py": 'DOMAINS = (\n    "bank",\n    "shop",\n)\n',
    "3rdparty/python/lint.txt": "-r other.txt\n",
    "maxaidags/BUILD": "",
    "maxaidags/shop/churn/monthly/dag.py": "",
    "maxaiusecases/shop/README.md": "",
}
LOCK = "maxaiusecases/{}/requirements.lock"


@pytest.fixture
def rule_runner() -> RuleRunner:
    rule_runner = RuleRunner(
        rules=[
            *conventions.rules(),
            *deployments.rules(),
            *pex.rules(),
            *pex_from_targets.rules(),
            *PythonSetup.rules(),
            QueryRule(
                Partitions, [ConventionsRequest.PartitionRequest, EnvironmentName]
            ),
        ],
        target_types=[deployments.MarketplaceDeployment],
    )
    resolves = {name: LOCK.format(name) for name in ("gone", "shop")}
    rule_runner.set_options(
        ["--python-enable-resolves", f"--python-resolves={resolves}"],
        env_inherit={"PATH", "PYENV_ROOT", "HOME"},
    )
    rule_runner.write_files(FILES)
    return rule_runner


@pytest.mark.parametrize(
    ("files", "domains"),
    [
        (["README.md", "maxairesources/dagfactory.py", "3rdparty/python/a.lock"], []),
        (["maxaidags/shop/churn/monthly/dag.py"], ["shop"]),
        (["maxaiconfigs/a/x.json", "maxaiusecases/b/x.py"], ["a", "b"]),
        (["maxaidags/BUILD"], [""]),
        (["3rdparty/python/lint.txt"], [""]),
        (["BUILD"], ["", "bank", "gone", "shop"]),
        (["pants.toml"], ["", "bank", "gone", "shop"]),
        (["build-support/macros.py"], ["", "bank", "gone", "shop"]),
        (["3rdparty/python/build-support.lock"], ["", "bank", "gone", "shop"]),
        (
            ["build-support/tools/maxaitools/conventions/rules.py"],
            ["", "bank", "gone", "shop"],
        ),
        (
            ["maxairesources/configs/document.py"],
            ["", "bank", "gone", "shop"],
        ),
    ],
)
def test_each_domain_of_the_files_is_a_partition(
    rule_runner: RuleRunner, files: list[str], domains: list[str]
) -> None:
    request = ConventionsRequest.PartitionRequest(tuple(files))
    partitions = rule_runner.request(Partitions, [request])
    assert [each.elements for each in partitions] == [(name,) for name in domains]
