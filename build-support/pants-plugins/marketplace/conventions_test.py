from __future__ import annotations

from typing import Any

import pytest
from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.util_rules import pex, pex_from_targets
from pants.core.goals.lint import LintResult
from pants.core.util_rules.partitions import Partitions
from pants.engine.environment import EnvironmentName
from pants.testutil.rule_runner import QueryRule, RuleRunner

from marketplace import conventions, deployments
from marketplace.convention_rules import RULES
from marketplace.conventions import ConventionsRequest, Findings, FindingsRequest

FILES = {
    "build-support/macros.py": 'DOMAINS = (\n    "finance",\n    "retail",\n)\n',
    "3rdparty/python/lint.txt": "-r other.txt\n",
    "maxaidags/BUILD": "",
    "maxaidags/retail/churn/monthly/dag.py": "",
    "maxaiusecases/retail/README.md": "",
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
            QueryRule(LintResult, [ConventionsRequest.Batch, EnvironmentName]),
            QueryRule(Findings, [FindingsRequest, EnvironmentName]),
        ],
        target_types=[deployments.MarketplaceDeployment],
    )
    resolves = {name: LOCK.format(name) for name in ("gone", "retail")}
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
        (["maxaidags/retail/churn/monthly/dag.py"], ["retail"]),
        (["maxaiconfigs/a/x.json", "maxaiusecases/b/x.py"], ["a", "b"]),
        (["maxaidags/BUILD"], [""]),
        (["3rdparty/python/lint.txt"], [""]),
        (["BUILD"], ["", "finance", "gone", "retail"]),
        (["pants.toml"], ["", "finance", "gone", "retail"]),
        (["build-support/macros.py"], ["", "finance", "gone", "retail"]),
        (["3rdparty/python/build-support.lock"], ["", "finance", "gone", "retail"]),
        (
            ["maxairesources/config_store/document.py"],
            ["", "finance", "gone", "retail"],
        ),
    ],
)
def test_each_domain_of_the_given_files_is_a_partition(
    rule_runner: RuleRunner, files: list[str], domains: list[str]
) -> None:
    request = ConventionsRequest.PartitionRequest(tuple(files))
    partitions = rule_runner.request(Partitions, [request])
    assert [each.elements for each in partitions] == [(name,) for name in domains]


def lint(rule_runner: RuleRunner, domain: str) -> LintResult:
    batch: Any = ConventionsRequest.Batch("conventions", (domain,), None)
    return rule_runner.request(LintResult, [batch])


def test_lint_tells_the_findings_of_a_domain(rule_runner: RuleRunner) -> None:
    result = lint(rule_runner, "retail")
    assert (result.exit_code, result.partition_description) == (1, "retail")
    lines = result.stdout.splitlines()
    assert (
        "maxaidags/retail: orphan: the domain has no maxaiconfigs/retail; add it, or drop this"
        in lines
    )
    assert all(line.startswith("maxai") for line in lines), "retail is registered"


def test_lint_tells_what_belongs_to_no_domain(rule_runner: RuleRunner) -> None:
    result = lint(rule_runner, "")
    assert result.stdout.startswith("3rdparty/python/lint.txt: nested-requirements: ")
    assert "\n" not in result.stdout


@pytest.mark.parametrize(
    ("domain", "file"),
    [("finance", "build-support/macros.py"), ("gone", "pants.toml")],
)
def test_lint_tells_an_entry_without_a_folder(
    rule_runner: RuleRunner, domain: str, file: str
) -> None:
    result = lint(rule_runner, domain)
    assert result.stdout.startswith(f"{file}: domain-not-registered: ")
    assert "\n" not in result.stdout


def test_an_overlay_is_for_a_deployment_of_the_root_build_file(
    rule_runner: RuleRunner,
) -> None:
    overlay = "maxaiconfigs/retail/churn/spark_config.staging.json"
    rule_runner.write_files({overlay: "{}"})
    told = f"{overlay}: unexpected-file: nothing of that name belongs here; "
    assert told in lint(rule_runner, "retail").stdout
    fields = "name='staging', registry='r'"
    rule_runner.write_files({"BUILD": f"marketplace_deployment({fields})"})
    assert told not in lint(rule_runner, "retail").stdout


def test_the_goal_lists_all_rules(rule_runner: RuleRunner) -> None:
    result = rule_runner.run_goal_rule(conventions.ConventionsGoal)
    for each in RULES:
        assert each.id in result.stdout.splitlines()
    assert result.stdout.count("    Why: ") == len(RULES)
