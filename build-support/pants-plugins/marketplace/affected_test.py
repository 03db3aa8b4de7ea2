from __future__ import annotations

import pytest
from pants.engine.addresses import Address

from marketplace import affected
from marketplace.affected import make_report
from marketplace.changes import Changes
from marketplace.report import Report
from marketplace.selection import KnownTargets, Selection


def at(name: str) -> Address:
    return Address("a", target_name=name)


# There is a path of two steps, and one of three, from the handler to the image.
EDGES = {
    at("handler"): [at("zip"), at("generator")],
    at("generator"): [at("zip")],
    at("zip"): [at("image")],
    at("image"): [at("test")],
    at("config"): [at("dag"), at("config")],
    at("overlay"): [at("dag")],
}
LAUNCHERS = {at("image"): [at("config")], at("handler"): [at("config")]}
PROD = "maxaiconfigs/a/b/spark_config.prod.json"
DEV = PROD.replace("prod", "dev")
OWNERS = {
    "h.py": at("handler"),
    "z.txt": at("zip"),
    "Dockerfile": at("image"),
    PROD: at("overlay"),
    DEV: at("overlay"),
    "BUILD": Address("", target_name="prod"),
    "unused.py": at("unused"),
}
DEPLOYMENTS = ("dev", "prod")


def report(files: str, monkeypatch: pytest.MonkeyPatch, *deleted: str) -> Report:
    monkeypatch.setattr(affected, "read_before", lambda *_: "")
    monkeypatch.setattr(affected, "get_buildroot", lambda: "/missing")
    known = KnownTargets({}, frozenset(), frozenset({at("image")}), frozenset())
    by_file = {path: [OWNERS[path]] for path in files.split()}
    selection = Selection(by_file, known, EDGES, LAUNCHERS)
    names = {address: address.target_name for address in selection.addresses}
    images, tests, dags = (
        {address: name for address, name in names.items() if name == kind}
        for kind in ("image", "test", "dag")
    )
    changes = Changes("main", "0123456789abcdef", (*by_file, *deleted), deleted)
    return make_report(changes, selection, images, tests, dags, DEPLOYMENTS)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            "h.py",
            {
                "image": "h.py a:handler a:zip a:image",
                "test": "h.py a:handler a:zip a:image a:test",
                "dag": "h.py a:handler a:config a:dag",
            },
        ),
        # An image that changes with its packages affects no DAG, and another one all of them.
        (
            "z.txt",
            {"image": "z.txt a:zip a:image", "test": "z.txt a:zip a:image a:test"},
        ),
        (
            "Dockerfile",
            {
                "image": "Dockerfile a:image",
                "test": "Dockerfile a:image a:test",
                "dag": "Dockerfile a:image a:config a:dag",
            },
        ),
        (PROD, {"dag": f"{PROD} a:overlay a:dag"}),
        ("unused.py", {}),
    ],
)
def test_each_item_has_a_shortest_path_from_a_file(
    files: str, expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = report(files, monkeypatch)
    items = {**found.images, **found.tests, **found.dags}
    assert {name: " ".join(path) for name, path in items.items()} == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ("unused.py", ""),
        (DEV, "dev"),
        (f"{PROD} unused.py", "prod"),
        (f"{PROD} {DEV}", "dev prod"),
        (f"{PROD} h.py", "dev prod"),
        ("z.txt", "dev prod"),
        ("BUILD", "prod"),
    ],
)
def test_an_overlay_affects_only_its_deployment(
    files: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert " ".join(report(files, monkeypatch).deployments) == expected


def test_a_deleted_dag_affects_all_deployments(monkeypatch: pytest.MonkeyPatch) -> None:
    found = report("", monkeypatch, "maxaidags/a/b/c/dag.py")
    assert (found.deleted, found.deployments) == (("a.b.c",), {"dev": (), "prod": ()})
