"""Test a release on its way to dev, to prod and back, with a real image and registry."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from maxaitools.deployments.conftest import Run
from maxaitools.deployments.testing import KUBEPOD, PY_CONFIG, Marketplace, later_base


def check_first_deploy(place: Marketplace, release: str) -> None:
    """Check the commit, the files and the image of the first deploy to dev."""
    (entry,) = place.history()
    assert entry.author == "Ada <ada@example.invalid>"
    commit = place.git("rev-parse", "HEAD")
    assert entry.trailers == {
        "Action": ["deploy"],
        "Release": [release],
        "Source-Commit": [commit],
    }
    live = place.live()
    assert {path.split("/")[0] for path in live.files} == {
        *(".airflowignore", "maxaiconfigs", "maxaidags", "maxairesources"),
        *("maxaiusecases", "release.json"),
    }
    facts = {"format": 1, "release": release, "commit": commit, "clean": True}
    assert facts.items() <= live.facts.items()
    assert json.loads(live.files["maxaiconfigs/deployment.json"])["paused"] is True
    # The release is the second parent.
    assert place.repository.read(entry.parents[1]) == place.package().files

    # The config names the image by its digest.
    image = live.images["lab"]
    (task,) = json.loads(live.files[KUBEPOD])["tasks"]
    assert task["conf"]["image"] == image.reference
    sbom = json.loads(live.files["maxaiusecases/lab/sbom.json"])
    packages = [component["purl"] for component in sbom["components"]]
    assert any(each.startswith("pkg:deb/debian/tzdata@9999a-1") for each in packages)
    (size,) = sbom["metadata"]["component"]["properties"]
    assert int(size["value"]) > 1_000_000
    command = ["docker", "run", "--rm", "--entrypoint=/bin/cat", image.reference]
    ran = subprocess.run([*command, "/content"], capture_output=True, text=True)
    assert ran.stdout == "first"
    # A tag keeps the image in the registry.
    tag = f"{image.repository}:dev-{entry.commit[:12]}"
    found = ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{tag}"]
    assert subprocess.run(found, capture_output=True).returncode == 0


@pytest.fixture
def base(tmp_path: Path) -> Iterator[str]:
    """A base image with a package that Debian had not when the recipe was written."""
    with later_base(tmp_path / "later") as name:
        yield name


def test_a_release_goes_to_prod_and_back(
    base: str, clone: Marketplace, run: Run
) -> None:
    clone.build_image("first", base=base)
    assert run("status") == "nothing was deployed yet\n"
    first = clone.package().id
    assert "checking all DAGs" in run("deploy", "dev")
    check_first_deploy(clone, first)
    live, (entry,) = clone.live(), clone.history()

    # Another deploy of the same release changes nothing.
    assert "is already live" in run("deploy", "dev")
    assert [each.commit for each in clone.history()] == [entry.commit]

    # prod gets the same release and image, with its own overlay.
    run("promote", "dev", "prod", "--dry-run")
    assert "prod" not in clone.repository.tips
    run("promote", "dev", "prod")
    promoted = clone.live("prod")
    assert (promoted.id, promoted.images) == (first, live.images)
    arguments = json.loads(promoted.files[PY_CONFIG])["measure"]["function"]["args"]
    assert arguments == {"n": 2}
    assert clone.history("prod")[0].get("From") == f"dev {entry.commit}"

    # An edited handler changes only the image, so the DAGs are not checked again.
    clone.build_image("second", base=base)
    commit = clone.commit("a better handler")
    second = clone.package().id
    assert "checking all DAGs" not in run("deploy", "dev")
    assert clone.live().images["lab"].commit == commit
    shown = run("diff", "dev", "prod")
    assert f"{first} -> {second}" in shown and "args.n: 2 -> 1" in shown
    # A promotion applies the overlay of prod, so the argument would not change.
    shown = run("promote", "dev", "prod", "--dry-run")
    assert f"{first} -> {second}" in shown and "args.n" not in shown
    run("promote", "dev", "prod")
    run("rollback", "prod", "--reason", "scores are off")
    assert clone.live("prod") == promoted
    entries = clone.history("prod")
    actions = [each.get("Action") for each in entries]
    assert actions == ["rollback", "promote", "promote"]
    assert entries[0].get("Reason") == "scores are off"
    for name in ("dev", "prod"):
        assert "has no faults" in run("verify", name)
    assert "live" in json.loads(run("status", "--json"))["prod"]
    assert live.images["lab"].reference in run("history", "prod", "--images")
