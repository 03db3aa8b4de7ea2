"""Tests of releases on their way to dev, to prod and back, with a real registry."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from maxaitools.deployments.conftest import PY_CONFIG, Marketplace, Run, call, deploy
from maxaitools.deployments.conftest import running_registry
from maxaitools.deployments.record import references_of

TREES = ("maxaiconfigs", "maxaidags", "maxairesources", "maxaiusecases")
WHY = ("--reason", "because")
# A stub of Pants, which logs its calls.
PANTS = """\
#!/bin/sh
echo "$*$PYTHONPATH" >> dist/calls
cp -r dist/packaged dist/release
"""


def trees_of(place: Marketplace, name: str) -> str:
    return place.git("rev-parse", *(f"deployments/{name}:{tree}" for tree in TREES))


def check_first_deploy(place: Marketplace, release: str) -> None:
    """Check the commit, the record and the image of the first deploy to dev."""
    (entry,), live = place.history(), place.live()
    assert entry.author == "Ada <ada@example.invalid>"
    assert (entry.action, entry.release) == ("deploy", release)
    digest = live["images"]["lab"]["digest"]
    assert live == {
        "name": "dev",
        "paused": True,
        "data_root": None,
        "registry": place.settings["dev"]["registry"],
        "release": release,
        "images": {
            "lab": {"name": "maxai/lab", "tag": place.tags["lab"], "digest": digest}
        },
        "source": {"commit": place.git("rev-parse", "HEAD"), "clean": True},
    }
    # Kubernetes would run the image that was built, and a tag keeps it in the registry.
    reference = references_of(live)["lab"]
    made = call("docker", "create", reference, "command")
    copied = subprocess.run(
        ["docker", "cp", f"{made}:/content", "-"], capture_output=True
    )
    call("docker", "rm", made)
    assert b"first" in copied.stdout
    tag = f"{reference.partition('@')[0]}:dev-{entry.commit[:12]}"
    call("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{tag}")


def test_a_release_goes_to_prod_and_back(place: Marketplace, run: Run) -> None:
    assert run("status") == "nothing was deployed yet\n"
    first = place.package()
    assert ": maxaiusecases/lab:image\n" in run("deploy", "dev", "--dry-run")
    assert not place.branches.tips
    run("deploy", "dev")
    assert "images to push" not in run("deploy", "dev", "--dry-run")
    check_first_deploy(place, first)
    (entry,), live = place.history(), place.live()

    # Another deploy of the same release changes nothing.
    assert "is already live" in run("deploy", "dev")
    assert [each.commit for each in place.history()] == [entry.commit]

    # prod gets the same release, byte for byte, and the same image.
    assert f"of dev {entry.commit}\n" in run("promote", "dev", "prod", "--dry-run")
    assert "prod" not in place.branches.tips
    run("promote", "dev", "prod")
    promoted = place.live("prod")
    assert promoted == {**live, "name": "prod", "paused": False}
    assert trees_of(place, "dev") == trees_of(place, "prod")
    assert place.history("prod")[0].origin == f"dev {entry.commit}"

    # An edited handler changes only the image, and an edited config only the config.
    place.build_image("second")
    place.commit("a better handler")
    second = deploy(place, run, 2)
    shown = run("diff", "dev", "prod")
    assert f"release {first[:12]} -> {second[:12]}" in shown
    assert "image lab" in shown and "paused False -> True" in shown
    assert '+{"measure": {"n": 2}}' in shown
    run("promote", "dev", "prod")
    assert trees_of(place, "dev") == trees_of(place, "prod")
    shown = run("rollback", "prod", "--reason", "scores are off", "--dry-run")
    assert f"back to commit {place.history('prod')[1].commit}\n" in shown
    run("rollback", "prod", "--reason", "scores are off")
    assert place.live("prod") == promoted
    entries = place.history("prod")
    assert [e.action for e in entries] == ["rollback", "promote", "promote"]
    assert "    Reason: scores are off" in run("history", "prod")
    assert run("verify").count("no faults") == 2
    assert f"prod:\n{entries[0].commit[:12]}" in run("status")


def test_one_domain_is_promoted_and_rolled_back_alone(
    place: Marketplace, run: Run
) -> None:
    place.add_domain("shop")
    place.build_image("first", "shop")
    deploy(place, run, 3)
    only_shop = ("--domain", "shop")
    refused = run("promote", "dev", "prod", *only_shop, code=1)
    assert "nothing is live yet" in refused
    run("promote", "dev", "prod")
    before = place.live("prod")
    place.build_image("second", "shop")
    place.set_n(8, "shop")
    deploy(place, run, 9)
    dev = place.live()
    run("promote", "dev", "prod", *only_shop)
    live = place.live("prod")
    old, new = (each["images"] for each in (before, dev))
    assert live["images"] == {"lab": old["lab"], "shop": new["shop"]}
    assert live["domains"] == {"shop": dev["source"]}
    assert live["release"] not in (before["release"], dev["release"])
    show = ("show", f"deployments/prod:{PY_CONFIG}")
    assert json.loads(place.git(*show)) == {"measure": {"n": 3}}
    assert "no faults" in run("verify", "prod")
    # The rollback finds the release in which the domain was another one.
    run("rollback", "prod", *WHY, *only_shop)
    assert place.live("prod")["images"] == old
    assert place.live("prod")["release"] == before["release"]
    assert "no other release was live" in run(
        "rollback", "prod", *WHY, *only_shop, code=1
    )
    refused = run("rollback", "prod", *WHY, code=1)
    assert "did not change the same domains; name a commit with --to" in refused
    refused = run("promote", "dev", "prod", "--domain", "sohp", code=1)
    assert "domain 'sohp' is missing; did you mean shop?" in refused
    # The domains share the library.
    place.write("maxairesources/errors.py", "x = 1\n")
    deploy(place, run, 10)
    refused = run("promote", "dev", "prod", *only_shop, code=1)
    assert "its maxairesources, which all domains share, is not that of" in refused


# The user "somebody" with the password "secret", from `htpasswd -B`.
HTPASSWD = "somebody:$2y$05$wWjKclrV7IGYcUn4IikvoeZ0LANpi9v3U5KhfjTft0rykXk9TJEhW"


def test_a_promotion_copies_images_to_another_registry(
    place: Marketplace, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(place, run, 3)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()
    with running_registry(tmp_path / "other", HTPASSWD) as other:
        place.configure("prod", registry=f"{other.address}/team")
        refused = run("promote", "dev", "prod", code=1)
        assert "check that the registry answers, and log in: docker login" in refused
        login = ("docker", "login", "--username=somebody", "--password-stdin")
        call(*login, other.address, text="secret")
        run("promote", "dev", "prod")
        live = place.live("prod")
        assert live["registry"] == f"{other.address}/team"
        assert live["images"] == place.live()["images"]
        run("verify", "prod")


def test_a_missing_image_is_reported_and_pushed_again(
    place: Marketplace, run: Run, tmp_path: Path
) -> None:
    with running_registry(tmp_path / "other") as other:
        for name in ("dev", "prod"):
            place.configure(name, registry=other.address)
        deploy(place, run, 3)
        reference = references_of(place.live())["lab"]
        shutil.rmtree(other.folder / "data")
        fault = f"{reference} is not in the registry"
        assert fault in run("verify", "dev", code=1)
        refused = run("promote", "dev", "prod", code=1)
        assert "is not in the registry; push it again" in refused
        run("deploy", "dev")
        run("verify", "dev")
        # An image does not count as missing if the registry is down.
        other.process.kill()
        other.process.wait()
        assert "check that the registry answers" in run("deploy", "dev", code=1)


def test_an_image_is_used_only_by_a_live_digest(place: Marketplace, run: Run) -> None:
    # Somebody has pushed another image under the same content tag.
    tag = place.tags["lab"]
    place.build_image("evil")
    theirs = f"maxai/lab:{place.tags['lab']}"
    name = f"{place.settings['dev']['registry']}/maxai/lab:{tag}"
    call("docker", "tag", theirs, name)
    call("docker", "push", "--quiet", name)
    place.tags["lab"] = tag
    place.package()
    assert "maxaiusecases/lab:image" in run("deploy", "dev", "--dry-run")


def test_a_deploy_packages_the_release_and_then_the_images_that_are_missing(
    place: Marketplace, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "the launcher's")
    place.write("pants", PANTS).chmod(0o755)
    release = place.package()
    (place.root / "dist/release").rename(place.root / "dist/packaged")
    assert "deployment 'dve' is not defined" in run("deploy", "dve", code=1)
    assert not (place.root / "dist/calls").exists()
    for name, code in (("prod", 1), ("dev", 0), ("dev", 0)):
        shutil.rmtree(place.root / "dist/release", ignore_errors=True)
        run("deploy", name, code=code)
    assert place.live()["release"] == release
    # The policy of prod refuses it before an image is built, and the second time dev has it.
    calls = (place.root / "dist/calls").read_text().splitlines()
    packaged = ["package //:release", "package //:release"]
    image = "package maxaiusecases/lab:image"
    assert calls == [*packaged, image, "package //:release"]
    place.write("pants", "#!/bin/sh\nexit 3\n")
    shutil.rmtree(place.root / "dist/release")
    assert run("deploy", "dev", code=1) == "error: ./pants package: ./pants failed"


def test_a_refused_deploy_explains_the_reason(place: Marketplace, run: Run) -> None:
    release = place.package()
    place.write(PY_CONFIG, {})
    refused = run("deploy", "dev", code=1)
    changed = f"{PY_CONFIG} has changed since the release was packaged; package it"
    assert f"release {release[:12]}: {changed}" in refused
    place.git("checkout", "--quiet", PY_CONFIG)
    packaged = place.root / "dist/release" / release
    (packaged / "maxaiusecases/more.txt").touch()
    refused = run("deploy", "dev", code=1)
    assert "is not a release as it was packaged; package it again" in refused
    place.tags["lab"] = "f00"
    refused = deploy(place, run, 4, code=1)
    assert "maxai/lab:f00: is not in the Docker engine; build it: ./pants" in refused
    assert not place.branches.tips
    shutil.rmtree(place.root / "maxaidags")
    place.write("maxaidags/notes", "")
    place.package()
    assert "the release has no DAG; add a DAG" in run("deploy", "dev", code=1)
