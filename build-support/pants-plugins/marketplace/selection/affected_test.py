from __future__ import annotations

from typing import Iterable

import pytest
from pants.engine.addresses import Address

from marketplace.graph.deployments import Deployment
from marketplace.selection.affected import find_carried, find_causes, shortest_path
from marketplace.selection.dependents import ChangedDependents, reach
from marketplace.selection.report import AffectedDeployment, AffectedImage, Report


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


ROOT_DEV, ROOT_PROD = (Address("", target_name=name) for name in ("dev", "prod"))
DEPLOYMENTS = (Deployment("dev"), Deployment("prod"))
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


def test_a_change_affects_all_deployments_if_the_specs_select_it() -> None:
    image = Address("maxaiusecases/a", target_name="image")
    dag = Address("maxaidags/c/d/e", relative_file_path="dag.py")
    assert where({"x": [image]}, image, dag) == ("dev", "prod")
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
        AffectedImage("maxai/stores", "f" * 64, ("a|`b.py", "r:i")),
        AffectedImage("maxai/banking", "0" * 64, ("x", "x", "h:i")),
    ),
    tests=("t/a_test.py:tests",),
    dags=("stores.churn.weekly",),
    deployments=(AffectedDeployment("dev"), AffectedDeployment("prod")),
)


def test_a_table_has_a_path_to_each_image() -> None:
    assert FULL.table().splitlines() == [
        "Affected since origin/main (merge base 0123456789ab):",
        "",
        "maxai/stores:ffffffffffff",
        "  because of a|`b.py",
        "          -> r:i",
        "",
        "maxai/banking:000000000000",
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
    ]


def test_a_change_without_effect_gives_one_line() -> None:
    line = "Nothing that is built, tested or deployed is affected since origin/main"
    assert EMPTY.headline() == f"{line} (merge base 0123456789ab)."
