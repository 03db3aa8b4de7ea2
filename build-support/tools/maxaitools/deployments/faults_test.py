"""Tests of deployments repositories that are damaged, hindered, or used by several people.

None of them needs an image: the only domain has none.
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
    """Commit another release.json on top of dev, as somebody else would."""
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
def test_a_deploy_may_be_killed_at_any_moment(tmp_path: Path, kind: str) -> None:
    with served(tmp_path, kind) as url:
        kills = Kills(make_place(tmp_path / "clone", url))
        kills.run(moments=6)
    assert not kills.faults
    assert kills.old + kills.new == 6


def test_of_five_deploys_at_once_one_wins_and_none_is_lost(tmp_path: Path) -> None:
    with served(tmp_path, "served") as url:
        assert len(race(tmp_path, url, 5)) == 5


def test_a_rewritten_branch_is_named_with_the_ways_out(
    bare: Marketplace, run: Run
) -> None:
    first = deploy(bare, run, 3)
    old = bare.history()[0].commit
    deploy(bare, run, 4)
    was = bare.history()[0].commit
    remote(bare, "update-ref", "refs/heads/deploy/dev", old)
    deploy(bare, run, 5, code=1)
    problem = f"deploy/dev: was rewritten or deleted: {was} was live and is not"
    assert problem in run("status")
    for command in (("rollback", "dev", *WHY), ("verify", "dev")):
        refused = run(*command, code=1)
        assert problem in refused
    # It is restored, or accepted.
    restore = f"git push --force {bare.url} {was}:refs/heads/deploy/dev"
    accept = "git update-ref -d refs/remotes/deployments/dev"
    assert restore in refused and accept in refused
    bare.git(*accept.split()[1:])
    assert bare.live().id == first
    subprocess.run(restore.split(), check=True, capture_output=True)
    run("verify", "dev")


def test_a_deleted_branch_is_named(bare: Marketplace, run: Run) -> None:
    deploy(bare, run, 3)
    tip = bare.history()[0].commit
    bare.git("config", "fetch.prune", "true")
    remote(bare, "update-ref", "-d", "refs/heads/deploy/dev")
    assert f"was rewritten or deleted: {tip} was live" in deploy(bare, run, 4, code=1)
    assert "was rewritten or deleted" in run("status")


def test_a_lock_that_a_killed_command_left_is_named(
    bare: Marketplace, run: Run
) -> None:
    deploy(bare, run, 3)
    tip = bare.history()[0].commit
    commit_tip(bare, dict(bare.live().facts), "Elsewhere\n\nAction: deploy\n")
    lock = bare.root / ".git/refs/remotes/deployments/dev.lock"
    lock.touch()
    assert "dev.lock" in run("status", code=1)
    lock.unlink()
    assert bare.history()[0].parents[0] == tip


def test_a_tip_that_this_tool_did_not_make_is_refused(
    bare: Marketplace, run: Run
) -> None:
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
    # Unknown fields are kept, and a newer format is not touched.
    commit_tip(bare, {**facts, "colour": "blue"}, "A newer tool\n\nAction: deploy\n")
    run("hold", "dev", *WHY)
    assert bare.live().facts["colour"] == "blue"
    run("unhold", "dev")
    commit_tip(bare, {**facts, "format": 2}, "A newer format")
    for refused in (deploy(bare, run, 6, code=1), run("verify", "dev", code=1)):
        assert (
            "release.json has format 2, which is newer than this tool; pull" in refused
        )


def test_a_damaged_object_is_named(bare: Marketplace, run: Run) -> None:
    deploy(bare, run, 3)
    run("verify", "dev")
    blob = remote(bare, "rev-parse", "deploy/dev:release.json")
    for root in (bare.root / "deployments", bare.root / ".git"):
        for path in root.rglob(f"objects/{blob[:2]}/{blob[2:]}"):
            path.chmod(0o644)
            path.write_bytes(b"rubbish")
    assert "is damaged" in deploy(bare, run, 4, code=1)
    assert run("verify", "dev", code=1)


def test_a_repository_that_cannot_be_reached_is_named(
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


def test_the_servers_message_is_shown_when_it_refuses(
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
    hook.unlink()
    # A repository that only can be read is as safe.
    remote(bare, "config", "receive.denyUpdates", "true")
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    assert "the push was refused" in deploy(bare, run, 5, code=1)


def test_of_two_rollbacks_at_once_one_wins(bare: Marketplace, run: Run) -> None:
    first = deploy(bare, run, 3)
    deploy(bare, run, 4)
    # With one reason and in one second, both would make the very same commit.
    reasons = ("one", "two")
    processes = [bare.start("rollback", "dev", "--reason", why) for why in reasons]
    (error,) = filter(None, [process.communicate()[1] for process in processes])
    # The other may have begun after the first was done.
    assert "another change was quicker" in error or "nothing else was live" in error
    assert bare.live().id == first
    assert [e.get("Action") for e in bare.history()].count("rollback") == 1


def test_a_shallow_clone_does_everything_but_history_and_verify(
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


def test_a_signed_deployment_needs_a_known_signature(
    bare: Marketplace, run: Run, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(command, check=True)
    bare.configure("dev", signed=True)
    assert "set user.name and user.email, and the key to sign with" in deploy(
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
    assert "is whole" in run("verify", "dev")
    # Whatever follows a signed commit is signed as well.
    bare.configure("dev", signed=False)
    run("hold", "dev", *WHY)
    bare.configure("dev", signed=True)
    assert "is whole" in run("verify", "dev")
