"""Tests of the way of a release: to dev, to prod and back, with everything real."""

from __future__ import annotations

import json
import subprocess

from maxaitools.deployments.conftest import Run
from maxaitools.deployments.testing import KUBEPOD, PY_CONFIG, Marketplace


def test_from_an_edited_line_to_prod_and_back(place: Marketplace, run: Run) -> None:
    assert run("status") == "nothing was deployed yet\n"
    first = place.package().id
    assert "checking all DAGs" in run("deploy", "dev")
    (entry,) = place.history()
    assert entry.author == "Ada <ada@example.invalid>"
    commit = place.git("rev-parse", "HEAD")
    assert entry.trailers == {
        "Action": ["deploy"],
        "Release": [first],
        "Source-Commit": [commit],
    }

    # The tree is exactly what runs, with each image by its digest.
    live = place.live()
    assert {path.split("/")[0] for path in live.files} == {
        *(".airflowignore", "maxaiconfigs", "maxaidags", "maxairesources"),
        *("maxaiusecases", "release.json"),
    }
    facts = {"format": 1, "release": first, "commit": commit, "clean": True}
    assert facts.items() <= live.facts.items()
    image = live.images["lab"]
    (task,) = json.loads(live.files[KUBEPOD])["tasks"]
    assert task["conf"]["image"] == image.reference
    assert json.loads(live.files["maxaiconfigs/deployment.json"])["paused"] is True
    sbom = json.loads(live.files["maxaiusecases/lab/sbom.json"])
    assert any(
        c["purl"].startswith("pkg:deb/debian/libc6@") for c in sbom["components"]
    )
    command = ["docker", "run", "--rm", "--entrypoint=/bin/cat", image.reference]
    ran = subprocess.run([*command, "/tmp/content"], capture_output=True, text=True)
    assert ran.stdout == "first\n"
    # Its release is the second parent, and a tag keeps the image in the registry.
    assert place.repository.read(entry.parents[1]) == place.package().files
    tag = f"{image.repository}:dev-{entry.commit[:12]}"
    found = ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{tag}"]
    assert subprocess.run(found, capture_output=True).returncode == 0

    # The same once more changes nothing.
    assert "is live already" in run("deploy", "dev")
    assert [each.commit for each in place.history()] == [entry.commit]

    # prod gets the same release and image, with its own overlay.
    run("promote", "dev", "prod", "--dry-run")
    assert "prod" not in place.repository.tips
    run("promote", "dev", "prod")
    promoted = place.live("prod")
    assert (promoted.id, promoted.images) == (first, live.images)
    assert json.loads(promoted.files[PY_CONFIG])["measure"]["function"]["args"] == {
        "n": 2
    }
    assert place.history("prod")[0].get("From") == f"dev {entry.commit}"

    # An edited handler: only the image changes, and no DAG is checked again.
    place.build_image("second")
    commit = place.commit("a better handler")
    second = place.package().id
    assert "checking all DAGs" not in run("deploy", "dev")
    assert place.live().images["lab"].commit == commit
    shown = run("diff", "dev", "prod")
    assert f"{first} -> {second}" in shown and "args.n: 2 -> 1" in shown
    # With its own overlays, prod would get less than that.
    shown = run("promote", "dev", "prod", "--dry-run")
    assert f"{first} -> {second}" in shown and "args.n" not in shown
    run("promote", "dev", "prod")
    run("rollback", "prod", "--reason", "scores are off")
    assert place.live("prod") == promoted
    entries = place.history("prod")
    assert [each.get("Action") for each in entries] == [
        "rollback",
        "promote",
        "promote",
    ]
    assert entries[0].get("Reason") == "scores are off"
    for name in ("dev", "prod"):
        assert "is whole" in run("verify", name)
    assert "live" in json.loads(run("status", "--json"))["prod"]
    assert image.reference in run("history", "prod", "--images")
