"""Tests of the dependencies that the graph infers from paths and configs, in a small tree."""

from __future__ import annotations

import json

import pytest
from pants.backend.docker.target_types import DockerImageTarget
from pants.backend.python.target_types import (
    PythonSourcesGeneratorTarget,
    PythonTestsGeneratorTarget,
)
from pants.backend.python.target_types_rules import rules as python_target_rules
from pants.core.target_types import GenericTarget, ResourcesGeneratorTarget
from pants.core.target_types import rules as core_target_rules
from pants.engine.addresses import Address, Addresses
from pants.engine.target import Dependencies, DependenciesRequest
from pants.testutil.rule_runner import QueryRule, RuleRunner

from marketplace.graph import configs, dependencies, release_target
from marketplace.graph.addresses import source_address
from marketplace.graph.configs import launched_files

SHOP = "maxaiusecases/shop"
HANDLERS = f"{SHOP}/churn/handlers"
CONFIGS = "maxaiconfigs/shop/churn"
DAG = "maxaidags/shop/churn/weekly"
DATA = "resources(name='data', sources=['*/**/*.sql', '*/**/*.csv'])\n"
TESTS = "python_tests(name='tests', sources=['**/*_test.py'])\n"
KUBEPOD = {
    "tasks": [
        {
            "conf": {
                "image": "maxai/shop",
                "arguments": ["maxaiusecases.shop.churn.handlers.fit"],
            }
        },
        {"conf": {"arguments": ["maxaiusecases.shop.churn.handlers.gone"]}},
    ]
}
FILES = {
    "BUILD": "marketplace_release(name='release')",
    "maxaiconfigs/BUILD": "marketplace_configs(name='shop', sources=['shop/**/*.json'])",
    "maxaidags/BUILD": "python_sources(name='dags', sources=['**/*.py', '!**/*_test.py'])\n"
    + DATA
    + TESTS,
    f"{SHOP}/BUILD": "docker_image(name='image')\ntarget(name='sample_data')\n"
    "python_sources(name='handlers', sources=['*/**/*.py', '!**/*_test.py'])\n"
    + DATA
    + TESTS,
    f"{SHOP}/Dockerfile": "",
    f"{SHOP}/sample_data.py": "",
    f"{HANDLERS}/fit.py": "",
    f"{HANDLERS}/fit_test.py": "",
    f"{HANDLERS}/a [1]?.sql": "",
    f"{HANDLERS}/sql/deep/most.sql": "",
    f"{HANDLERS}/prompts/read.py": "",
    f"{HANDLERS}/prompts/ask.sql": "",
    f"{SHOP}/common/dates.py": "",
    f"{SHOP}/common/holidays.csv": "",
    f"{CONFIGS}/kubepod_config.json": json.dumps(KUBEPOD),
    f"{CONFIGS}/kubepod_config.prod.json": "not JSON",
    f"{CONFIGS}/weekly/py_config.json": "{}",
    f"{CONFIGS}/weekly/py_config.dev.json": "{}",
    f"{CONFIGS}/daily/py_config.json": "{}",
    f"{DAG}/dag.py": "",
    f"{DAG}/dag_test.py": "",
    f"{DAG}/helper.py": "",
    f"{DAG}/run_test.py": "",
    f"{DAG}/load.sql": "",
    "maxaidags/shop/churn/shared.sql": "",
}


@pytest.fixture(scope="module")
def rule_runner() -> RuleRunner:
    runner = RuleRunner(
        rules=[
            *configs.rules(),
            *core_target_rules(),
            *dependencies.rules(),
            *python_target_rules(),
            *release_target.rules(),
            QueryRule(Addresses, [DependenciesRequest]),
        ],
        target_types=[
            configs.ConfigsTarget,
            configs.ConfigTarget,
            DockerImageTarget,
            GenericTarget,
            PythonSourcesGeneratorTarget,
            PythonTestsGeneratorTarget,
            release_target.MarketplaceRelease,
            ResourcesGeneratorTarget,
        ],
    )
    runner.set_options(["--python-infer-use-rust-parser"])
    runner.write_files(FILES)
    return runner


def dependencies_of(rule_runner: RuleRunner, address: Address) -> set[str]:
    """Return the files that a target depends on, and the addresses of other targets."""
    field = rule_runner.get_target(address).get(Dependencies)
    request = DependenciesRequest(field, include_special_cased_deps=True)
    found = rule_runner.request(Addresses, [request])
    return {each.filename if each.is_file_target else each.spec for each in found}


def address_of_test(name: str) -> Address:
    path = f"{DAG}/{name}".partition("/")[2]
    return Address("maxaidags", target_name="tests", relative_file_path=path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        # The handler `gone` does not exist.
        (f"{CONFIGS}/kubepod_config.json", {f"{HANDLERS}/fit.py", f"{SHOP}:image"}),
        (f"{CONFIGS}/kubepod_config.prod.json", set()),
        (f"{CONFIGS}/weekly/py_config.json", set()),
        (
            f"{DAG}/dag.py",
            {path for path in FILES if path.startswith(CONFIGS) and "daily" not in path}
            | {f"{DAG}/load.sql", "maxaidags/shop/churn/shared.sql"},
        ),
        (
            f"{HANDLERS}/fit.py",
            {f"{HANDLERS}/a [[]1][?].sql", f"{HANDLERS}/sql/deep/most.sql"},
        ),
        (f"{HANDLERS}/prompts/read.py", {f"{HANDLERS}/prompts/ask.sql"}),
        (f"{SHOP}/common/dates.py", {f"{SHOP}/common/holidays.csv"}),
    ],
)
def test_sources(rule_runner: RuleRunner, path: str, expected: set[str]) -> None:
    assert dependencies_of(rule_runner, source_address(path)) == expected


def test_tests_depend_on_their_dag_and_runs_on_the_sample_data(
    rule_runner: RuleRunner,
) -> None:
    beside = {f"{DAG}/dag.py", f"{DAG}/helper.py"}
    data = {f"{DAG}/load.sql", "maxaidags/shop/churn/shared.sql"}
    dag_test = dependencies_of(rule_runner, address_of_test("dag_test.py"))
    assert dag_test == beside | data
    run_test = dependencies_of(rule_runner, address_of_test("run_test.py"))
    assert run_test == beside | data | {f"{SHOP}:sample_data"}


def test_the_release_depends_on_all_dags_and_configs(rule_runner: RuleRunner) -> None:
    configs_of = {path for path in FILES if path.endswith(".json")}
    release = dependencies_of(rule_runner, Address("", target_name="release"))
    assert release == {*configs_of, f"{DAG}/dag.py"}


SPARK = {
    "conf": {"spark.kubernetes.container.image": "maxai/shop:1"},
    "tasks": [
        {
            "spark_submit_conf": {
                "application": f"local:///opt/maxai/{HANDLERS}/rank.py",
                "conf": {"spark.kubernetes.driver.container.image": "x/maxai/y"},
            }
        }
    ],
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (json.dumps(SPARK), {f"{SHOP}/Dockerfile", f"{HANDLERS}/rank.py"}),
        ('{"conf": {"spark.executor.instances": 4}}', set()),
        ('{"tasks": [1, {"conf": []}]}', set()),
        ("[]", set()),
        # Not JSON.
        ("", set()),
        ("{", set()),
        ("[" * 100_000, set()),
    ],
)
def test_launch_configs_are_read(text: str, expected: set[str]) -> None:
    assert launched_files(text.encode()) == expected
