"""Tests of faults of the deployments repository, and of several deploys at once.

The domain has no image, so the tests need only Git.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from maxaitools.deployments.conftest import Run, deploy
from maxaitools.deployments.release import FACTS
from maxaitools.deployments.testing import Marketplace
from maxaitools.deployments.trial import Kills, make_place, race, served

WHY = ("--reason", "because")


def remote(place: Marketplace, *arguments: str, text: str = "") -> str:
    """Run git in the deployments repository."""
    command = ["git", "--git-dir", str(place.root / "deployments"), *arguments]
    identity = ["-c", "user.name=Eve", "-c", "user.email=eve@example.invalid"]
    command[1:1] = identity
    done = subprocess.run(
        command, input=text, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit_tip(place: Marketplace, facts: object, message: str) -> str:
    """Commit another release.json to dev without the tool."""
    blob = remote(place, "hash-object", "-w", "--stdin", text=json.dumps(facts))
    listed = remote(place, "ls-tree", "deploy/dev").splitlines()
    lines = [line for line in listed if not line.endswith(FACTS)]
    lines.append(f"100644 blob {blob}\t{FACTS}")
    tree = remote(place, "mktree", text="\n".join(lines))
    parents = ("-p", "deploy/dev", "-p", "deploy/dev^2")
    commit = remote(place, "commit-tree", tree, *parents, "-m", message)
    remote(place, "update-ref", "refs/heads/deploy/dev", commit)
    return commit


@pytest.mark.parametrize("kind", ["local", "served"])
def test_a_killed_deploy_leaves_the_old_or_the_new_release(
    tmp_path: Path, kind: str
) -> None:
    with served(tmp_path, kind) as url:
        kills = Kills(make_place(tmp_path / "clone", url))
        kills.run(moments=6)
    assert not kills.faults
    assert kills.old + kills.new == 6


def test_of_five_simultaneous_deploys_none_is_lost(tmp_path: Path) -> None:
    with served(tmp_path, "served") as url:
        assert len(race(tmp_path, url, 5)) == 5


def test_a_rewritten_branch_is_refused_until_it_is_restored(
    bare: Marketplace, run: Run
) -> None:
    first = deploy(bare, run, 3)
    old = bare.history()[0].commit
    deploy(bare, run, 4)
    was = bare.history()[0].commit
    remote(bare, "update-ref", "refs/heads/deploy/dev", old)
    deploy(bare, run, 5, code=1)
    problem = f"deploy/dev: was rewritten or deleted: commit {was} was live"
    assert problem in run("status")
    for command in (("rollback", "dev", *WHY), ("verify", "dev")):
        refused = run(*command, code=1)
        assert problem in refused
    # One command restores the branch, and another one accepts the change.
    restore = f"git push --force {bare.url} {was}:refs/heads/deploy/dev"
    accept = "git update-ref -d refs/remotes/deployments/dev"
    assert restore in refused and accept in refused
    bare.git(*accept.split()[1:])
    assert bare.live().id == first
    subprocess.run(restore.split(), check=True, capture_output=True)
    run("verify", "dev")


def test_a_deleted_branch_is_reported(bare: Marketplace, run: Run) -> None:
    deploy(bare, run, 3)
    tip = bare.history()[0].commit
    bare.git("config", "fetch.prune", "true")
    remote(bare, "update-ref", "-d", "refs/heads/deploy/dev")
    assert f"was rewritten or deleted: commit {tip} was live" in deploy(
        bare, run, 4, code=1
    )
    assert "was rewritten or deleted" in run("status")


def test_a_stale_lock_is_reported(bare: Marketplace, run: Run) -> None:
    deploy(bare, run, 3)
    tip = bare.history()[0].commit
    commit_tip(bare, dict(bare.live().facts), "Elsewhere\n\nAction: deploy\n")
    lock = bare.root / ".git/refs/remotes/deployments/dev.lock"
    lock.touch()
    assert "dev.lock" in run("status", code=1)
    lock.unlink()
    assert bare.history()[0].parents[0] == tip


def test_a_damaged_tip_is_refused_until_a_rollback(bare: Marketplace, run: Run) -> None:
    deploy(bare, run, 3)
    second, facts = deploy(bare, run, 4), dict(bare.live().facts)
    commit = commit_tip(bare, ["nonsense"], "Oops")
    problem = f"error: commit {commit[:12]}: release.json is missing or damaged"
    assert problem in deploy(bare, run, 5, code=1)
    assert problem in run("verify", "dev", code=1)
    assert "Oops" in run("history", "dev")
    assert "not made by this tool" in run("status")
    run("rollback", "dev", *WHY)
    assert bare.live().id == second
    # The tool keeps unknown fields, and refuses to change a newer format.
    commit_tip(bare, {**facts, "colour": "blue"}, "A newer tool\n\nAction: deploy\n")
    run("hold", "dev", *WHY)
    assert bare.live().facts["colour"] == "blue"
    run("unhold", "dev")
    commit_tip(bare, {**facts, "format": 2}, "A newer format")
    for refused in (deploy(bare, run, 6, code=1), run("verify", "dev", code=1)):
        assert "format 2 of release.json is too new for this tool; update" in refused


def test_a_damaged_object_is_reported(bare: Marketplace, run: Run) -> None:
    deploy(bare, run, 3)
    run("verify", "dev")
    blob = remote(bare, "rev-parse", "deploy/dev:release.json")
    for root in (bare.root / "deployments", bare.root / ".git"):
        for path in root.rglob(f"objects/{blob[:2]}/{blob[2:]}"):
            path.chmod(0o644)
            path.write_bytes(b"rubbish")
    assert "is damaged" in deploy(bare, run, 4, code=1)
    assert run("verify", "dev", code=1)


def test_an_unreachable_repository_is_reported_without_its_password(
    bare: Marketplace, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare.package()
    secret = "https://ada:p@secret@127.0.0.1:1/x.git"
    for url in ("git://127.0.0.1:1/x.git", secret, "/nowhere/x.git", "-x"):
        monkeypatch.setenv("MAXAI_DEPLOYMENTS", url)
        refused = run("deploy", "dev", code=1)
        assert "check MAXAI_DEPLOYMENTS and your access to it" in refused
        assert "secret" not in refused
        config = (bare.root / ".git/config").read_text()
        assert "secret" not in config


def test_a_refused_push_shows_the_message_of_the_server(
    bare: Marketplace, run: Run
) -> None:
    release = deploy(bare, run, 3)
    hook = bare.root / "deployments/hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho 'deploy/dev is protected: ask Ada' >&2\nexit 1\n")
    hook.chmod(0o755)
    refused = deploy(bare, run, 4, code=1)
    assert "deploy/dev is protected: ask Ada" in refused
    assert "nothing was changed" in refused
    assert bare.live().id == release
    # A hook without a message.
    hook.write_text("#!/bin/sh\nexit 1\n")
    assert "the push was refused" in deploy(bare, run, 5, code=1)


def test_of_two_simultaneous_rollbacks_one_is_refused(
    bare: Marketplace, run: Run
) -> None:
    first = deploy(bare, run, 3)
    deploy(bare, run, 4)
    # With the same reason, both would make the same commit in the same second.
    reasons = ("one", "two")
    processes = [bare.start("rollback", "dev", "--reason", why) for why in reasons]
    (error,) = filter(None, [process.communicate()[1] for process in processes])
    # The second rollback may also have begun after the first one ended.
    refusals = ("another change was pushed first", "no other release was live before")
    assert any(refusal in error for refusal in refusals)
    assert bare.live().id == first
    assert [e.get("Action") for e in bare.history()].count("rollback") == 1


def test_a_shallow_clone_cannot_verify_or_list_the_history(
    bare: Marketplace, run: Run, tmp_path: Path
) -> None:
    for n in (3, 4, 5):
        deploy(bare, run, n)
    shallow = tmp_path / "shallow.git"
    clone = ("clone", "--quiet", "--bare", "--depth=2", "--branch=deploy/dev")
    subprocess.run(["git", *clone, f"file://{bare.url}", str(shallow)], check=True)
    other = make_place(tmp_path / "other", str(shallow))
    other.set_n(9)
    release = other.package()
    done = other.start("deploy", "dev", "--checked", bare.key(release))
    assert "live: commit" in done.communicate()[0]
    for command in ("history", "verify"):
        process = other.start(command, "dev")
        out, err = process.communicate()
        assert process.returncode == 1
        assert "older commits are missing in this shallow clone" in out + err
    for expected in ("live: commit", "its release is not known in this clone"):
        printed = "".join(other.start("rollback", "dev", *WHY).communicate())
        assert expected in printed and "Traceback" not in printed


def test_a_signed_deployment_needs_known_signatures(
    bare: Marketplace, run: Run, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(command, check=True)
    bare.configure("dev", signed=True)
    assert "set user.name and user.email, and user.signingkey" in deploy(
        bare, run, 3, code=1
    )
    for name, value in (("gpg.format", "ssh"), ("user.signingkey", f"{key}.pub")):
        bare.git("config", name, value)
    deploy(bare, run, 4)
    signers = "build-support/allowed_signers"
    bare.write(signers, "")
    assert "has no valid signature" in run("verify", "dev", code=1)
    public = key.with_suffix(".pub").read_text()
    bare.write(signers, f"ada@example.invalid {public}")
    assert "has no faults" in run("verify", "dev")
    # A commit after a signed commit is signed too.
    bare.configure("dev", signed=False)
    run("hold", "dev", *WHY)
    bare.configure("dev", signed=True)
    assert "has no faults" in run("verify", "dev")
