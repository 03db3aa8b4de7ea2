"""Tests of what the tool refuses, finds wrong, and keeps."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deployer.record import read_history
from deployer.testing import DAG, KUBEPOD, PY_CONFIG, Marketplace, registry


def test_releases_are_pruned_and_records_stay(local: Marketplace) -> None:
    first, second, third = (local.deploy(n) for n in (3, 4, 5))
    told = local.done("prune", "dev", "--keep", "2")
    assert f"release {first} removed" in told
    to = local.reader()
    assert {name.split("/")[0] for name in to.names("releases")} == {second, third}
    assert len([*read_history(to)]) == 3
    assert "is as it was deployed" in local.done("verify", "dev")
    assert "manifest.json is missing" in local.refused("rollback", "dev", "--to", first)
    # The registry and the clone still have all of it.
    local.set_n(3)
    local.commit("three again")
    assert local.package().name == first
    local.done("deploy", "dev")
    assert local.current().release == first


def test_prod_takes_only_what_its_policy_allows(local: Marketplace) -> None:
    release = local.package().name
    assert local.refused("deploy", "prod") == (
        f"error: policy of prod: {release} has not been current in dev; "
        "or override it, which is kept: --force --reason '...'"
    )
    # A commit that is not on main, and a file that is not committed.
    local.git("checkout", "--quiet", "-b", "feature")
    commit = local.commit("a feature")
    local.write("notes", "not committed")
    local.done("deploy", "dev")
    assert local.current().dirty and "dirty" in local.done("history", "dev")
    told = local.refused("promote", "dev", "prod")
    assert "it was deployed with changes that are not committed" in told
    assert f"commit {commit[:12]} is not on main" in told
    assert not local.reader("prod").names("records")

    # An override has to be explained, and is kept.
    result = local.run("promote", "dev", "prod", "--force")
    assert result.returncode == 2 and "--force needs --reason" in result.stderr
    local.done("promote", "dev", "prod", "--force", "--reason", "an emergency")
    told = local.done("history", "prod")
    assert f"overridden: commit {commit[:12]} is not on main" in told
    assert "reason: an emergency" in told

    # The same content, merged and clean, is no override any more.
    (local.root / "notes").unlink()
    local.git("checkout", "--quiet", "main")
    local.git("merge", "--quiet", "--no-ff", "feature")
    local.package()
    local.done("deploy", "dev")
    local.done("promote", "dev", "prod")
    assert not local.current("prod").overridden

    # What was tampered with in dev goes nowhere.
    folder = Path(local.reader().root, "releases", release)
    (folder / ".airflowignore").write_text("evil")
    assert ".airflowignore was changed" in local.refused("promote", "dev", "prod")


def test_what_was_dirty_in_dev_is_dirty_in_prod(local: Marketplace) -> None:
    local.write("notes", "not committed")
    local.package()
    local.done("deploy", "dev")
    # A clean tree of the same commit makes no other release of it.
    (local.root / "notes").unlink()
    told = local.refused("deploy", "prod")
    assert "it was deployed with changes that are not committed" in told
    local.done("deploy", "dev")
    local.done("deploy", "prod")
    assert not local.current("prod").dirty


def test_prod_takes_no_domain_that_dev_does_not_carry(local: Marketplace) -> None:
    path = "maxaidags/shop/sales/daily/dag.py"
    dag = (local.root / "maxaidags/lab/probe/first/dag.py").read_text()
    for old, new in (("lab", "shop"), ("probe", "sales"), ("first", "daily")):
        dag = dag.replace(old, new)
    dag = dag.replace("KubernetesPodOperator", "DummyOperator")
    local.write(path, dag)
    local.commit("a second domain")
    local.deployments["dev"]["domains"] = ["lab"]
    local.package(dags={"shop/sales/daily": "shop.sales.daily"})
    local.done("deploy", "dev")
    for arguments in (("diff", "dev", "prod"), ("promote", "dev", "prod")):
        assert "error: dev: dev does not carry shop" in local.refused(*arguments)
    assert "dev does not carry shop" in local.refused("deploy", "prod")


def test_two_deployments_do_not_share_a_destination(local: Marketplace) -> None:
    local.package()
    local.done("deploy", "dev")
    local.deployments["prod"]["destination"] = local.deployments["dev"]["destination"]
    told = "is the destination of dev, too; give prod one of its own in BUILD"
    for arguments in (("promote", "dev", "prod"), ("verify", "prod")):
        assert told in local.refused(*arguments)


def test_a_lost_pointer_loses_nothing_else(local: Marketplace) -> None:
    for n in (3, 4):
        local.deploy(n)
    root, name = Path(local.reader().root), local.current().name
    (root / "current").unlink()
    (root / "releases" / "notes").mkdir()
    there = local.reader().names("")
    told = "current is gone, but there are records; write the name of the last one into"
    assert told in local.refused("deploy", "dev")
    assert local.reader().names("") == there
    (root / "current").write_text(name)
    # A release that lost its manifest is not removed while it is live.
    (root / "releases" / local.current().release / "manifest.json").unlink()
    there = local.reader().names("")
    local.refused("rollback", "dev", "--to", "9")
    assert local.reader().names("") == there and (root / "releases/notes").is_dir()


def test_the_remote_says_what_main_is(local: Marketplace) -> None:
    base = local.git("rev-parse", "HEAD")
    local.git("update-ref", "refs/remotes/origin/main", base)
    local.commit("only here")
    local.package()
    local.done("deploy", "dev")
    assert "is not on main" in local.refused("promote", "dev", "prod")


def test_drift_is_named(local: Marketplace) -> None:
    local.package()
    local.done("deploy", "dev")
    record, root = local.current(), Path(local.reader().root)
    release = root / "releases" / record.release

    def drift() -> list[str]:
        result = local.run("verify", "dev")
        assert result.returncode == 1
        return result.stderr.splitlines()

    dag = release / "maxaidags/lab/probe/first/dag.py"
    text = dag.read_text()
    dag.write_text(f"{text}# evil")
    assert drift() == [f"drift: {dag} was changed"]
    dag.unlink()
    assert drift() == [f"drift: {dag} is missing"]
    dag.write_text(text)
    (release / "evil.py").touch()
    assert drift() == [f"drift: {release}/evil.py was not deployed"]
    (release / "evil.py").unlink()
    rendered = root / record.folder / KUBEPOD
    rendered.write_text(rendered.read_text().replace("maxai/lab@", "maxai/evil@"))
    assert drift() == [f"drift: {rendered} was changed"]
    (root / record.folder / "record.json").write_text("{}")
    assert "record.json was changed" in local.refused("verify", "dev")
    (root / "current").write_text("000009-0123456789abcdef")
    assert "record.json is missing" in local.refused("verify", "dev")


def test_an_image_that_is_gone_is_named(tmp_path: Path) -> None:
    with registry(tmp_path / "registry") as running:
        place = Marketplace(tmp_path / "clone", running.address, str(tmp_path / "to"))
        place.build_image("the first")
        place.package()
        place.done("deploy", "dev")
        image = place.current().images["lab"]
        shutil.rmtree(tmp_path / "registry" / "data")
        result = place.run("verify", "dev")
        assert result.returncode == 1
        assert result.stderr == f"drift: the registry has no {image.reference}\n"
        assert "the registry has no" in place.refused("promote", "dev", "prod")
        # A deploy brings it back, for the engine still has it.
        place.done("deploy", "dev")
        place.done("verify", "dev")
        running.stop()
        told = place.refused("deploy", "dev")
        assert "see that the registry answers, and log in: docker login HOST" in told
        assert place.current().images["lab"] == image


# somebody, with the password "secret", as `htpasswd -B` writes it.
_HTPASSWD = "somebody:$2y$05$wWjKclrV7IGYcUn4IikvoeZ0LANpi9v3U5KhfjTft0rykXk9TJEhW"


def test_a_registry_may_want_a_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()
    with registry(tmp_path / "registry", _HTPASSWD) as running:
        place = Marketplace(tmp_path / "clone", running.address, str(tmp_path / "to"))
        place.build_image("the first")
        place.package()
        assert "log in: docker login HOST" in place.refused("deploy", "dev")
        assert not place.reader().names("records")
        login = ["docker", "login", "--username=somebody", "--password-stdin"]
        subprocess.run([*login, running.address], check=True, input=b"secret")
        place.done("deploy", "dev")
        place.done("verify", "dev")


def test_another_registry_gets_the_very_same_image(
    local: Marketplace, tmp_path: Path
) -> None:
    with registry(tmp_path / "other") as other:
        local.deployments["prod"]["registry"] = f"{other.address}/team"
        local.package()
        local.done("deploy", "dev")
        local.done("promote", "dev", "prod")
        there, here = local.current("prod").images["lab"], local.current().images["lab"]
        assert there.reference.startswith(f"{other.address}/team/maxai/lab@sha256:")
        assert there.digest == here.digest
        local.done("verify", "prod")


def test_what_is_made_from_a_drifted_base_is_not_pushed(local: Marketplace) -> None:
    local.build_image("drifted", drifted=True)
    local.package()
    told = local.refused("deploy", "dev")
    assert f"maxai/lab:{local.tag}: is made from a base that has drifted" in told
    assert not local.reader().names("records")


def test_an_image_that_nobody_has_is_told(local: Marketplace) -> None:
    local.tag = "f00"
    local.package()
    told = (
        "maxai/lab:f00: neither the registry nor the engine has it; build it: ./pants"
    )
    assert told in local.refused("deploy", "dev")


def test_what_was_looked_at_is_what_is_promoted(local: Marketplace) -> None:
    first = local.deploy(3)
    seen = local.current().name
    local.deploy(4)
    told = "dev: there is no such record or release, '9'; see which there are"
    assert told in local.refused("promote", "dev", "prod", "--record", "9")
    assert told.replace("9", "") in local.refused(
        "promote", "dev", "prod", "--record", ""
    )
    local.done("promote", "dev", "prod", "--record", seen)
    assert local.current("prod").release == first
    assert local.current("prod").origin == seen


def test_a_moved_tag_moves_no_deployment(local: Marketplace) -> None:
    local.package()
    local.done("deploy", "dev")
    before = local.current().images
    name = f"{local.registry}/maxai/lab:{local.tag}"
    local.build_image("something else")
    for arguments in (("tag", f"maxai/lab:{local.tag}", name), ("push", name)):
        subprocess.run(["docker", *arguments], check=True, capture_output=True)
    local.build_image("the first")
    local.set_n(9)
    local.commit("nine")
    local.package()
    local.done("deploy", "dev")
    assert local.current().images["lab"].digest == before["lab"].digest


@pytest.mark.parametrize(
    ("path", "content", "told"),
    [
        (
            "maxaidags/lab/probe/first/dag.py",
            '"""Airflow DAG."""\nimport nothing_like_it\n',
            "No module named 'nothing_like_it'",
        ),
        ("maxaidags/lab/probe/first/dag.py", "", f"there is no DAG {DAG}"),
        (
            KUBEPOD,
            {
                "tasks": [
                    {
                        "id": 1,
                        "name": "measure",
                        "conf": {
                            "name": "Not A Name",
                            "image": "maxai/lab",
                            "arguments": ["m"],
                        },
                    }
                ]
            },
            "the pod's name",
        ),
    ],
)
def test_what_airflow_could_not_run_does_not_go_live(
    local: Marketplace, path: str, content: Any, told: str
) -> None:
    local.write(path, content)
    local.commit("broken")
    release = local.package().name
    error = local.refused("deploy", "dev")
    assert error.startswith(f"error: release {release}: ") and told in error
    assert local.reader().names("") == {"lock"} and not os.listdir(local.root / "tmp")


def test_the_code_of_a_release_sees_no_credentials(
    local: Marketplace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("HOME", str(tmp_path))
    path = local.root / "maxaidags/lab/probe/first/dag.py"
    path.write_text(
        path.read_text()
        + "import os\nassert 'AWS_SECRET_ACCESS_KEY' not in os.environ\n"
        + f"assert os.environ['HOME'] != {str(tmp_path)!r}\n"
    )
    local.commit("nosy")
    local.package()
    local.done("deploy", "dev")


def test_a_release_of_other_files_is_refused(local: Marketplace) -> None:
    release = local.package().name
    more = local.write("maxaidags/lab/probe/second/dag.py", "")
    told = local.refused("deploy", "dev")
    assert f"{release}: was packaged without maxaidags/lab/probe/second/dag.py" in told
    more.unlink()
    local.set_n(8)
    local.commit("eight")
    told = local.refused("deploy", "dev")
    assert told.startswith(
        f"error: release {release}: was packaged from another {PY_CONFIG}"
    )


def test_a_config_with_another_registrys_image_is_refused(local: Marketplace) -> None:
    (overlay,) = local.read(KUBEPOD)["tasks"]
    overlay["conf"]["image"] = "evil.example/maxai/lab"
    local.write(KUBEPOD.replace(".json", ".dev.json"), {"tasks": [overlay]})
    local.commit("evil")
    local.package()
    told = local.refused("deploy", "dev")
    assert "$.tasks[0].conf.image is 'evil.example/maxai/lab'; use maxai/lab" in told


def test_a_release_under_the_name_of_another_is_refused(local: Marketplace) -> None:
    local.deploy(3)
    record = local.current()
    to = Path(local.reader().root, "releases", record.release)
    local.deploy(4)
    # As if another release's hash began like this one's.
    other = Path(local.reader().root, "releases", local.current().release)
    (to / "manifest.json").write_bytes((other / "manifest.json").read_bytes())
    local.set_n(3)
    local.commit("three again")
    local.package()
    assert "manifest.json was changed" in local.refused("deploy", "dev")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"registry": ""}, "BUILD, //:dev: registry is empty; set it there"),
        ({"destination": None}, "BUILD, //:dev: destination is empty; set it there"),
        ({"registry": "http://x"}, "registry is 'http://x'; give host[:port][/prefix]"),
        ({"destination": "gs://x"}, "destination is 'gs://x'; give a folder or s3:"),
        ({"domains": ["lba"]}, "BUILD, //:dev: no domain 'lba'; did you mean lab?"),
    ],
)
def test_a_deployment_that_lacks_something_is_told(
    local: Marketplace, change: dict[str, Any], told: str
) -> None:
    local.deployments["dev"].update(change)
    local.package()
    assert told in local.refused("deploy", "dev")


def test_an_unknown_deployment_is_told(local: Marketplace) -> None:
    told = "error: BUILD: there is no deployment 'pord'; did you mean prod?"
    assert local.refused("history", "pord") == told


def test_a_bucket_without_credentials_is_told(
    local: Marketplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.deployments["dev"]["destination"] = "s3://deployments/dev"
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(local.root / "none"))
    told = "error: Unable to locate credentials; see that the destination exists"
    assert local.refused("history", "dev").startswith(told)


def test_nothing_to_deploy_is_told(local: Marketplace) -> None:
    told = "dist/release: there is no release; package one: ./pants package //:release"
    assert local.refused("deploy", "dev") == f"error: {told}"
