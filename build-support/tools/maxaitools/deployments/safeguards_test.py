"""Tests of deploys that are refused, and of missing images, with a real registry."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import maxairesources
import maxaitools
from maxairesources.errors import InputError
from maxaitools.deployments import registry
from maxaitools.deployments.conftest import Run, deploy, promote
from maxaitools.deployments.testing import (
    DAG,
    DAG_FILE,
    KUBEPOD,
    PY_CONFIG,
    Marketplace,
    Registry,
    running_registry,
)

WHY = ("--reason", "because")


def test_one_domain_is_promoted_and_rolled_back_alone(
    place: Marketplace, run: Run
) -> None:
    place.add_domain("shop")
    place.build_image("first", "shop")
    deploy(place, run, 3)
    key = place.key(place.package(), "prod")
    assert "nothing is live yet" in run(
        "promote", "dev", "prod", "--domain", "lab", code=1
    )
    run("promote", "dev", "prod", "--checked", key)
    before = place.live("prod")
    place.build_image("second", "shop")
    place.set_n(8, "shop")
    deploy(place, run, 9)
    dev = place.live()
    run("promote", "dev", "prod", "--domain", "shop")
    live = place.live("prod")
    assert live.images == {"lab": before.images["lab"], "shop": dev.images["shop"]}
    path = PY_CONFIG.replace("lab", "shop")
    assert live.files[path] == dev.files[path]
    assert live.files[PY_CONFIG] == before.files[PY_CONFIG]
    # The result is a complete release, which can be promoted and rolled back.
    assert place.history("prod")[0].get("Release") == live.id not in (before.id, dev.id)
    assert live.facts["domains"]["shop"]["commit"] == dev.facts["commit"]
    run("rollback", "prod", *WHY, "--domain", "shop", "--to", before.id)
    assert place.live("prod").images == before.images
    assert place.live("prod").id == before.id
    assert "domain 'sohp' is missing; did you mean shop?" in run(
        "rollback", "prod", *WHY, "--domain", "sohp", "--to", before.id, code=1
    )
    # The domains share the library.
    place.write("maxairesources/errors.py", "x = 1\n")
    deploy(place, run, 10)
    refused = run("promote", "dev", "prod", "--domain", "shop", code=1)
    assert "its maxairesources, which all domains share, is not that of" in refused


def test_only_images_with_a_recorded_digest_are_used(
    place: Marketplace, run: Run
) -> None:
    tag = place.tags["lab"]
    # Somebody has pushed another image under the same content tag.
    place.build_image("evil")
    theirs = f"maxai/lab:{place.tags['lab']}"
    name = f"{place.registry}/maxai/lab:{tag}"
    for arguments in (("tag", theirs, name), ("push", "--quiet", name)):
        subprocess.run(["docker", *arguments], check=True, capture_output=True)
    place.tags["lab"] = tag
    place.package()
    assert json.loads(run("images", "dev", "--json")) == ["lab"]
    assert json.loads(run("images", "dev", "--json", "--trust-registry")) == []
    deploy(place, run, 3)
    mine = place.live().images["lab"]
    assert json.loads(run("images", "dev", "--json")) == []
    # A recorded digest stays in use if the tag moves to another image.
    subprocess.run(["docker", "tag", theirs, name], check=True)
    subprocess.run(["docker", "push", "--quiet", name], check=True, capture_output=True)
    deploy(place, run, 4)
    assert place.live().images["lab"] == mine


def test_a_missing_image_is_reported_and_pushed_again(
    place: Marketplace, run: Run, tmp_path: Path
) -> None:
    with running_registry(tmp_path / "registry") as other:
        for each in ("dev", "prod"):
            place.configure(each, registry=other.address)
        deploy(place, run, 3)
        image = place.live().images["lab"]
        shutil.rmtree(other.folder / "data")
        fault = f"fault: {image.reference} is not in the registry\n"
        assert run("verify", "dev", code=1) == fault
        assert "is not in the registry; push it again" in promote(place, run, code=1)
        run("deploy", "dev")
        run("verify", "dev")
        # An image does not count as missing if the registry is down.
        other.stop()
        refused = run("deploy", "dev", code=1)
        assert "check that the registry answers, and log in: docker login" in refused
        assert "the images were not checked" in run("deploy", "dev", "--dry-run")


# The user "somebody" with the password "secret", from `htpasswd -B`.
HTPASSWD = "somebody:$2y$05$wWjKclrV7IGYcUn4IikvoeZ0LANpi9v3U5KhfjTft0rykXk9TJEhW"


def test_a_registry_may_need_a_login(
    place: Marketplace, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(place, run, 3)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()
    with running_registry(tmp_path / "registry", HTPASSWD) as other:
        place.configure("dev", registry=f"{other.address}/team")
        assert "log in: docker login" in run("images", "dev", code=1)
        login = ["docker", "login", "--username=somebody", "--password-stdin"]
        subprocess.run([*login, other.address], check=True, input=b"secret")
        # A promotion copies the image to the other registry, with the same digest.
        before = place.live().images["lab"].digest
        place.configure("prod", registry=f"{other.address}/team")
        promote(place, run)
        image = place.live("prod").images["lab"]
        assert image.repository == f"{other.address}/team/maxai/lab"
        assert image.digest == before
        run("verify", "prod")


def test_an_image_index_of_one_platform_is_accepted(
    place: Marketplace, run: Run, tmp_path: Path
) -> None:
    deploy(place, run, 3)
    image, file = place.live().images["lab"], tmp_path / "index.json"

    def push_index(name: str, *systems: str) -> None:
        media = "application/vnd.oci.image.{}.v1+json"
        manifest = subprocess.run(
            registry.inspect_command(image.reference), capture_output=True
        ).stdout
        entry = {"mediaType": json.loads(manifest)["mediaType"], "size": len(manifest)}
        entry["digest"] = image.digest
        entries = [
            {**entry, "platform": {"os": s, "architecture": "x"}} for s in systems
        ]
        index = {"schemaVersion": 2, "mediaType": media.format("index")}
        file.write_text(json.dumps({**index, "manifests": entries}))
        url = f"http://{image.repository.replace('/', '/v2/', 1)}/manifests/{name}"
        header = f"Content-Type: {media.format('index')}"
        curl = ["curl", "--fail", "-sS", "-X", "PUT", "--noproxy", "*", "-H", header]
        subprocess.run([*curl, "--data-binary", f"@{file}", url], check=True)

    push_index("one", "linux", "unknown")
    assert registry.find_digest(f"{image.repository}:one")
    push_index("two", "linux", "windows")
    with pytest.raises(InputError, match="is an index of images for several platforms"):
        registry.find_digest(f"{image.repository}:two")


@pytest.mark.parametrize(
    ("path", "content", "problem"),
    [
        (
            DAG_FILE,
            '"""Airflow DAG."""\nimport nothing_like_it\n',
            "No module named 'nothing_like_it'",
        ),
        (DAG_FILE, "", f"DAG {DAG} is missing"),
    ],
)
def test_a_broken_dag_does_not_go_live(
    place: Marketplace, run: Run, path: str, content: Any, problem: str
) -> None:
    place.write(path, content)
    place.commit("broken")
    release = place.package().id
    refused = run("deploy", "dev", code=1)
    assert refused.startswith(f"error: release {release}: ") and problem in refused
    assert not place.repository.tips


def test_the_check_of_the_dags_hides_credentials(
    place: Marketplace, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REGISTRY_PASSWORD", "secret")
    monkeypatch.setenv("HOME", str(tmp_path))
    file = place.root / DAG_FILE
    place.write(
        DAG_FILE,
        file.read_text()
        + "import os\nassert 'REGISTRY_PASSWORD' not in os.environ\n"
        + f"assert os.environ['HOME'] != {str(tmp_path)!r}\n",
    )
    place.commit("nosy")
    place.package()
    run("deploy", "dev")


def test_a_rollback_needs_only_git_and_python(
    place: Marketplace, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = deploy(place, run, 3)
    deploy(place, run, 4)
    bin = tmp_path / "bin"
    bin.mkdir()
    (bin / "git").symlink_to(str(shutil.which("git")))
    roots = [Path(each.__path__[0]).parent for each in (maxairesources, maxaitools)]
    # -S hides the installed packages.
    module = ("-S", "-m", "maxaitools.deployments.main")
    command = [sys.executable, *module, "rollback", "dev", *WHY]
    for more in (["--dry-run"], []):
        done = subprocess.run(
            [*command, *more],
            env={"PATH": str(bin), "PYTHONPATH": ":".join(map(str, roots))},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    assert "warning: the images were not checked (skopeo: is not" in done.stdout
    assert place.live().id == first


def test_a_refused_deploy_explains_the_reason(
    place: Marketplace, run: Run, images: Registry
) -> None:
    assert "package one: ./pants package //:release" in run("deploy", "dev", code=1)
    release = place.package().id
    place.write(PY_CONFIG, {})
    refused = (
        f"release {release}: {PY_CONFIG} has changed since the release was packaged"
    )
    assert refused in run("deploy", "dev", code=1)
    place.git("checkout", "--quiet", PY_CONFIG)
    place.tags["lab"] = "f00"
    refused = deploy(place, run, 4, code=1)
    assert "maxai/lab:f00: is not in the Docker engine; build it: ./pants" in refused
    overlay = place.read(KUBEPOD)
    overlay["tasks"][0]["conf"]["image"] = "evil.example/maxai/lab"
    place.write(KUBEPOD.replace(".json", ".dev.json"), overlay)
    place.commit("evil")
    place.package()
    assert "$.tasks[0].conf.image is 'evil.example/maxai/lab'; use maxai/lab" in (
        run("deploy", "dev", code=1)
    )
    assert not place.repository.tips
    place.configure("dev", registry="http://x")
    assert "'http://x' is not a valid registry; use host[:port]" in run(
        "deploy", "dev", code=1
    )
    assert "deployment 'pord' is not defined; did you mean prod?" in run(
        "deploy", "pord", code=1
    )
    for name in ("*", "[", "..", "dev~1"):
        assert "does not exist: nothing was deployed yet" in run(
            "history", name, code=1
        )
