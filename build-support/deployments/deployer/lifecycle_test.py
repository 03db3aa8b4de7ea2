"""Tests of what the tool is for: a release goes to dev, to prod and back."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from deployer.record import read_history
from deployer.testing import KUBEPOD, PY_CONFIG, Marketplace
from release_bundle import layout


def test_from_an_edited_line_to_prod_and_back(
    place: Marketplace, tmp_path: Path
) -> None:
    assert "nothing is deployed yet" in place.done("status")
    first = place.package().name
    place.done("deploy", "dev")
    record = place.current()
    assert (record.release, record.action, record.number) == (first, "deploy", 1)
    assert record.commit == place.git("rev-parse", "HEAD") and not record.dirty
    assert record.who == "somebody@example.invalid"

    # Its image is named by the digest that the registry has.
    image = record.images["lab"]
    (task,) = place.config(KUBEPOD)["tasks"]
    assert task["conf"]["image"] == f"{place.registry}/maxai/lab@{image.digest}"
    assert place.config("maxaiconfigs/deployment.json")["paused"] is True
    printed = subprocess.run(
        [
            "docker",
            "run",
            "--rm",
            "--entrypoint=/bin/cat",
            image.reference,
            "/opt/content",
        ],
        capture_output=True,
        text=True,
    )
    assert printed.stdout.endswith(": the first")
    sbom = json.loads(place.reader().read(f"{record.folder}/sboms/lab.json"))
    assert sbom["bomFormat"] == "CycloneDX"
    assert any(
        c["purl"].startswith("pkg:deb/debian/libc6@") for c in sbom["components"]
    )

    # That is what Airflow sees.
    layout.compose(place.reader(), record.name, tmp_path / "seen")
    found = {path.name for path in (tmp_path / "seen").iterdir()}
    trees = {"maxaidags", "maxaiconfigs", "maxairesources"}
    assert found == {*trees, ".airflowignore", ".composed.json"}

    # The same once more is nothing new.
    assert "is current already" in place.done("deploy", "dev")
    assert place.current() == record

    # prod gets the very same, with its own overlay.
    told = place.done("diff", "dev", "prod")
    assert "+ $.measure.function.args.n: 2" in told
    # The workflow reads this line.
    assert told.splitlines()[0] == f"prod would get {record.name} of dev"
    place.done("promote", "dev", "prod")
    promoted = place.current("prod")
    assert (promoted.release, promoted.images) == (first, record.images)
    assert promoted.origin == record.name
    assert place.config(PY_CONFIG)["measure"]["function"]["args"]["n"] == 1
    assert place.config(PY_CONFIG, "prod")["measure"]["function"]["args"]["n"] == 2
    assert place.config("maxaiconfigs/deployment.json", "prod")["paused"] is False

    # One edited handler: one image is pushed, its last layer alone.
    place.build_image("the second")
    commit = place.commit("a better handler")
    second = place.package().name
    told = place.done("deploy", "dev")
    assert "maxai/lab pushed, 0.2 kB" in told
    assert f"-> {place.tag[:12]}" in place.done("diff", "dev", "prod")
    assert place.current().images["lab"].commit == commit
    place.done("promote", "dev", "prod")
    told = place.done("rollback", "prod", "--dry-run")
    assert f"maxai/lab:{place.tag[:12]} ->" in told
    place.done("rollback", "prod", "--reason", "scores are off")
    back = place.current("prod")
    assert (back.release, back.images, back.files) == (
        first,
        promoted.images,
        promoted.files,
    )
    history = [*read_history(place.reader("prod"))]
    assert [each.release for each in history] == [first, second, first]
    assert [each.action for each in history] == ["rollback", "promote", "promote"]
    lines = place.done("history").splitlines()
    assert lines.index("dev") < lines.index("prod")
    assert sum(line.startswith("000001-") for line in lines) == 2
    told = place.done("history", "prod")
    assert "reason: scores are off" in told and commit[:12] in told
    # There is nothing before the first, and a rollback does not go forth again.
    assert "nothing else was current before" in place.refused("rollback", "prod")
    told = place.refused("rollback", "prod", "--to", "f00f")
    assert "there is no such record or release" in told
    place.done("rollback", "prod", "--to", second)
    assert place.current("prod").release == second
    for name in ("dev", "prod"):
        assert "is as it was deployed" in place.done("verify", name)
    assert not os.listdir(place.root / "tmp")


def test_a_dry_run_changes_nothing(local: Marketplace) -> None:
    local.package()
    told = local.done("deploy", "dev", "--dry-run")
    assert "+ lab.probe.first" in told
    assert not local.reader().names("")
    local.done("deploy", "dev")
    before = {name: local.reader().read(name) for name in local.reader().names("")}
    local.build_image("another")
    local.set_n(7)
    local.commit("seven")
    local.package()
    told = local.done("deploy", "dev", "--dry-run")
    assert "would be pushed" in told and "args.n: 1 -> 7" in told
    local.done("promote", "dev", "prod", "--dry-run")
    local.done("prune", "dev", "--keep", "1", "--dry-run")
    assert not local.reader("prod").names("")
    assert before == {
        name: local.reader().read(name) for name in local.reader().names("")
    }


def test_what_a_killed_deploy_left_is_removed(place: Marketplace) -> None:
    place.package()
    place.done("deploy", "dev")
    to = place.reader()
    kept = to.names("")
    # A release without its manifest, a whole one, and a record that never went live.
    for name in (
        "releases/0123456789abcdef/maxaidags/x.py",
        "releases/fedcba9876543210/manifest.json",
        "records/000002-0123456789abcdef/record.json",
    ):
        path = f"{to.root}/{name}"
        to.filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
        to.filesystem.pipe_file(path, b"{}")
    place.done("deploy", "dev")
    assert to.names("") == kept
