from __future__ import annotations

import json
from typing import Any

import pytest
from pants.backend.docker.target_types import DockerImageTarget
from pants.backend.python.target_types import PythonSourcesGeneratorTarget
from pants.backend.python.target_types_rules import rules as python_target_rules
from pants.core.target_types import rules as core_target_rules
from pants.engine.addresses import Address, Addresses
from pants.engine.target import Dependencies, DependenciesRequest
from pants.testutil.rule_runner import QueryRule, RuleRunner

from marketplace.graph import launch_configs
from marketplace.graph.launch_configs import Launches, LaunchesField, parse_launches

FOLDER = "maxaiusecases/shop/churn/handlers"
SPARK = {
    "conf": {"spark.kubernetes.container.image": "maxai/shop"},
    "tasks": [
        {
            "spark_submit_conf": {
                "application": f"local:///opt/maxai/{FOLDER}/rank.py",
                "conf": {"spark.kubernetes.driver.container.image": "maxai/driver:1"},
            }
        }
    ],
}
KUBEPOD = {
    "tasks": [
        {
            "conf": {
                "image": "maxai/shop",
                "arguments": [f"{FOLDER}/rank".replace("/", ".")],
            }
        },
        {"conf": {"arguments": ["maxaiusecases.shop.churn.handlers.gone"]}},
    ]
}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (SPARK, Launches(("maxai/driver", "maxai/shop"), (f"{FOLDER}/rank.py",))),
        (
            KUBEPOD,
            Launches(("maxai/shop",), (f"{FOLDER}/gone.py", f"{FOLDER}/rank.py")),
        ),
        ({"conf": {"spark.executor.instances": 4}}, Launches((), ())),
    ],
)
def test_images_and_handlers_are_read(config: Any, expected: Launches) -> None:
    assert parse_launches(json.dumps(config)) == expected


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '"a"', '{"tasks": 1}', '{"tasks": [1, {"conf": []}]}']
    + ['{"tasks": [{"conf": {"arguments": [], "image": null}}]}', '{"conf": 1}']
    + ['{"a":' * 100_000, '{"tasks": [{"conf": {"arguments": ["/opt/run.sh"]}}]}']
    + ['{"tasks": [{"conf": {"arguments": ["maxaiconfigs.shop.churn.a.b"]}}]}']
    + [
        '{"tasks": [{"spark_submit_conf": {"application": "local:///opt/maxai/../a"}}]}'
    ],
)
def test_a_malformed_config_launches_nothing(text: str) -> None:
    assert parse_launches(text) == Launches((), ())


@pytest.fixture
def rule_runner() -> RuleRunner:
    result = RuleRunner(
        rules=[
            *core_target_rules(),
            *launch_configs.rules(),
            *python_target_rules(),
            QueryRule(Addresses, [DependenciesRequest]),
        ],
        target_types=[
            DockerImageTarget,
            launch_configs.LaunchConfigsTarget,
            launch_configs.LaunchConfigTarget,
            PythonSourcesGeneratorTarget,
        ],
    )
    result.write_files(
        {
            "maxaiusecases/shop/BUILD": "docker_image(name='image', repository='maxai/shop')",
            "maxaiusecases/shop/Dockerfile": "",
            f"{FOLDER}/BUILD": "python_sources()",
            f"{FOLDER}/rank.py": "",
            "maxaiconfigs/shop/churn/BUILD": "launch_configs()",
            "maxaiconfigs/shop/churn/spark_config.json": json.dumps(SPARK),
            "maxaiconfigs/shop/churn/kubepod_config.json": json.dumps(KUBEPOD),
            "maxaiconfigs/shop/churn/kubepod_config.prod.json": "{}",
        }
    )
    return result


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "kubepod_config.json",
            # The generator owns a handler that does not exist.
            ["maxaiusecases/shop:image", f"{FOLDER}/rank.py", f"{FOLDER}:handlers"],
        ),
        ("spark_config.json", ["maxaiusecases/shop:image", f"{FOLDER}/rank.py"]),
        ("kubepod_config.prod.json", []),
    ],
)
def test_only_special_cased_dependencies_have_the_image_and_handlers(
    rule_runner: RuleRunner, name: str, expected: list[str]
) -> None:
    target = rule_runner.get_target(
        Address("maxaiconfigs/shop/churn", relative_file_path=name)
    )
    assert target[LaunchesField].value == tuple(sorted(expected))
    for special, found in ((False, []), (True, expected)):
        request = DependenciesRequest(
            target.get(Dependencies), include_special_cased_deps=special
        )
        addresses = rule_runner.request(Addresses, [request])
        assert {address.spec for address in addresses} == set(found)
