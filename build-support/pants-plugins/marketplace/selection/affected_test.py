from __future__ import annotations

import json
from pathlib import Path
from typing import Iterable

import pytest
from pants.core.util_rules import system_binaries
from pants.engine.addresses import Address
from pants.testutil.rule_runner import QueryRule, RuleRunner

from marketplace.graph.deployments import Deployment
from marketplace.selection import image_lookup
from marketplace.selection.affected import (
    find_carried,
    find_causes,
    shortest_path,
    state_of,
)
from marketplace.selection.affected_report import (
    AffectedDeployment,
    AffectedImage,
    Report,
    as_json,
    table,
)
from marketplace.selection.dependents import ChangedDependents, reach
from marketplace.selection.image_lookup import FoundImages, ImageLookup


def at(name: str) -> Address:
    return Address("a", target_name=name)


# There is a path of two steps, and one of three, from the handler to the image.
EDGES = ChangedDependents(
    {
        at("handler"): [at("zip"), at("binary"), at("generator")],
        at("generator"): [at("zip")],
        at("zip"): [at("image")],
        at("image"): [at("config")],
        at("overlay"): [at("dag")],
        at("config"): [at("dag"), at("config")],
    }
)


@pytest.mark.parametrize(
    ("by_file", "end", "expected"),
    [
        ({"h.py": [at("handler")]}, "image", "h.py a:handler a:zip a:image"),
        (
            {"a.py": [at("handler")], "z.txt": [at("zip")]},
            "image",
            "z.txt a:zip a:image",
        ),
        ({"pants.toml": [at("image"), at("zip")]}, "image", "pants.toml a:image"),
        ({"o.json": [at("overlay")]}, "image", ""),
        ({}, "image", ""),
    ],
)
def test_the_shortest_path_begins_with_a_file(
    by_file: dict[str, list[Address]], end: str, expected: str
) -> None:
    assert shortest_path(at(end), reach(by_file, EDGES)) == tuple(expected.split())


def test_each_file_that_affects_an_image_is_a_cause_and_no_other() -> None:
    names = {"a.py": "generator", "h.py": "handler", "o.json": "overlay", "z": "zip"}
    by_file = {path: [at(name)] for path, name in names.items()}
    causes = find_causes([at("image"), at("binary")], by_file, EDGES)
    assert causes == {at("image"): ("a.py", "h.py", "z"), at("binary"): ("h.py",)}


@pytest.mark.parametrize(
    ("engine", "registry", "asked", "expected"),
    [
        (False, True, True, "identical"),
        (True, False, True, "changed"),
        (True, None, True, "unknown"),
        (True, None, False, "built"),
        (False, None, False, "changed"),
        (None, None, False, "unknown"),
    ],
)
def test_an_image_is_identical_only_if_the_registry_has_it(
    engine: bool | None, registry: bool | None, asked: bool, expected: str
) -> None:
    assert state_of(engine, registry, asked) == expected


ROOT_DEV, ROOT_PROD = (Address("", target_name=name) for name in ("dev", "prod"))
DEPLOYMENTS = (
    Deployment("dev"),
    Deployment("prod", domains=("a", "b")),
)
OVERLAYS = {
    f"maxaiconfigs/a/b/spark_config.{name}.json": [at("overlay")]
    for name in ("dev", "prod", "gone")
}
DEV, PROD, GONE = OVERLAYS


def where(by_file: dict[str, list[Address]], *deployed: Address) -> tuple[str, ...]:
    return tuple(
        each.name
        for each in DEPLOYMENTS
        if find_carried(each, by_file, EDGES, {*deployed, ROOT_DEV, ROOT_PROD})
    )


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([], ()),
        ([DEV], ("dev",)),
        ([PROD], ("prod",)),
        ([PROD, DEV], ("dev", "prod")),
        # An overlay for a missing deployment affects no deployment.
        ([GONE], ()),
        ([GONE, PROD], ("prod",)),
        (["maxaiconfigs/a/b/spark_config.json"], ("dev", "prod")),
        ([DEV, "maxaiusecases/a/b/handlers/h.prod.json"], ("dev", "prod")),
        (["maxairesources/unused.py"], ()),
    ],
)
def test_an_overlay_affects_only_its_deployment(
    files: Iterable[str], expected: tuple[str, ...]
) -> None:
    targets = {
        **OVERLAYS,
        "maxaiconfigs/a/b/spark_config.json": [at("config")],
        "maxaiusecases/a/b/handlers/h.prod.json": [at("handler")],
        "maxairesources/unused.py": [at("unused")],
    }
    by_file = {path: targets[path] for path in files}
    assert where(by_file, at("dag"), at("image")) == expected


def test_a_change_affects_the_deployments_that_carry_its_domain() -> None:
    image = Address("maxaiusecases/a", target_name="image")
    dag = Address("maxaidags/c/d/e", relative_file_path="dag.py")
    assert where({"x": [image]}, image, dag) == ("dev", "prod")
    assert where({"x": [dag]}, image, dag) == ("dev",)
    # The specs select neither the image nor the DAG.
    assert where({"x": [dag, image]}) == ()


def test_a_change_of_its_target_affects_a_deployment() -> None:
    assert where({"BUILD": [ROOT_PROD]}) == ("prod",)
    assert where({"BUILD": [ROOT_DEV, ROOT_PROD]}) == ("dev", "prod")


EMPTY = Report("origin/main", "0123456789abcdef", (), (), (), (), ())
FULL = Report(
    since="origin/main",
    base="0123456789abcdef",
    everything=(),
    images=(
        AffectedImage(
            "r:i", "maxai/stores", "f" * 64, "changed", None, False, ("a|`b.py", "r:i")
        ),
        AffectedImage(
            "h:i",
            "maxai/banking",
            "0" * 64,
            "identical",
            True,
            True,
            ("x", "x", "h:i"),
        ),
    ),
    tests=("t/a_test.py:tests",),
    dags=("stores.churn.weekly",),
    deployments=tuple(map(AffectedDeployment, DEPLOYMENTS)),
    notes=("the engine did not answer: no",),
)


def test_a_table_has_aligned_columns_and_separate_lines_for_paths() -> None:
    assert table(FULL, "registry.test").splitlines() == [
        "Affected since origin/main (merge base 0123456789ab):",
        "",
        "IMAGE          TAG           STATE      ENGINE   REGISTRY",
        "maxai/stores   ffffffffffff  changed    unknown  no",
        "  because of a|`b.py",
        "          -> r:i",
        "maxai/banking  000000000000  identical  yes      yes",
        "  because of x",
        "          -> h:i",
        "",
        "tests (1)",
        "  t/a_test.py:tests",
        "",
        "DAGs (1)",
        "  stores.churn.weekly",
        "",
        "deployments: dev, prod",
        "note: the engine did not answer: no",
    ]
    assert table(FULL, "").count("not asked") == 2


def test_a_change_without_effect_gives_one_line_or_empty_json_lists() -> None:
    line = "Nothing that is built, tested or deployed is affected since origin/main"
    assert table(EMPTY, "") == f"{line} (merge base 0123456789ab)."
    assert json.loads(as_json(EMPTY)) == {
        "since": "origin/main",
        "base": "0123456789abcdef",
        **dict.fromkeys(("everything", "images", "tests", "dags", "deployments"), []),
    }


def test_json_has_the_documented_fields() -> None:
    report = json.loads(as_json(FULL))
    assert report["deployments"] == ["dev", "prod"]
    image, fields = report["images"][0], "address repository tag state engine registry"
    assert list(image) == [*fields.split(), "why", "files", "size"]
    assert (image["engine"], image["registry"], image["why"][1]) == (None, False, "r:i")


def look_up(folder: Path, script: str | None, registry: str = "") -> FoundImages:
    """Look up two images with a stub of docker and skopeo; None stands for no command."""
    for name in ("docker", "skopeo") if script is not None else ():
        stub = folder / name
        stub.write_text(f'#!/bin/sh\necho "$*" >> {folder}/calls\n{script}\n')
        stub.chmod(0o755)
    rule_runner = RuleRunner(
        rules=[
            *image_lookup.rules(),
            *system_binaries.rules(),
            QueryRule(FoundImages, [ImageLookup]),
        ]
    )
    search = f"--docker-executable-search-paths=['{folder}']"
    rule_runner.set_options([search], env_inherit={"PATH"})
    return rule_runner.request(FoundImages, [ImageLookup(("a:1", "b:2"), registry)])


HAS_A = """\
case "$*" in
  "image ls"*) echo "a:1"; echo "127.0.0.1:5/x/b:2" ;;
  "image inspect --format={{.Size}} a:1 127.0.0.1:5/x/b:2") echo 123; echo 456 ;;
  "image inspect --format={{.Size}} a:1") echo 123 ;;
  *a:1) ;;
  *) echo "fatal: manifest unknown: b" >&2; exit 1 ;;
esac
"""


def test_only_the_engine_is_asked_without_a_registry(tmp_path: Path) -> None:
    assert look_up(tmp_path, HAS_A) == FoundImages(
        (True, False), (None, None), (123, None), ()
    )
    assert "docker://" not in (tmp_path / "calls").read_text()


def test_the_registry_is_asked_for_each_image(tmp_path: Path) -> None:
    found = look_up(tmp_path, HAS_A, "127.0.0.1:5/x")
    # The engine may have the image under the name for the registry.
    assert found == FoundImages((True, True), (True, False), (123, 456), ())
    command = "inspect --raw --tls-verify=false docker://127.0.0.1:5/x/a:1"
    assert command in (tmp_path / "calls").read_text()


def test_plain_http_is_used_only_for_this_machine(tmp_path: Path) -> None:
    look_up(tmp_path, HAS_A, "127.example.org/x")
    command = "inspect --raw docker://127.example.org/x/a:1"
    assert command in (tmp_path / "calls").read_text()


def test_a_failed_lookup_is_unknown_and_noted(tmp_path: Path) -> None:
    found = look_up(tmp_path, "echo denied >&2; exit 1", "registry.test")
    assert found.engine == found.registry == (None, None)
    assert found.notes == (
        "the engine did not answer: denied",
        "the registry registry.test did not answer: denied",
    )


def test_missing_commands_are_noted(tmp_path: Path) -> None:
    found = look_up(tmp_path, None, "registry.test")
    assert found.engine == found.registry == (None, None)
    assert found.notes == ("docker is not on the PATH", "skopeo is not on the PATH")
