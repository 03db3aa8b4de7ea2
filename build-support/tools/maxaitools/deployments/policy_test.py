"""Tests of the rules that a change of a deployment must meet, unless it is forced."""

from __future__ import annotations

import pytest

from maxaitools.deployments.conftest import Run, deploy, promote
from maxaitools.deployments.testing import KUBEPOD, Marketplace

WHY = ("--reason", "because")


def test_prod_accepts_only_what_its_policy_allows(bare: Marketplace, run: Run) -> None:
    bare.package()
    assert run("deploy", "prod", code=1) == (
        "error: policy of prod: it takes only what is promoted from dev; or override "
        "this, which is kept: --force --reason '...'"
    )
    # A commit that is not on main, with a file that is not committed.
    bare.git("checkout", "--quiet", "-b", "feature")
    commit = bare.commit("a feature")[:12]
    bare.write("notes", "not committed")
    run("deploy", "dev", "--checked", bare.key(bare.package()))
    refused = promote(bare, run, code=1)
    assert f"commit {commit} was deployed with uncommitted changes" in refused
    assert f"commit {commit} is not on main" in refused
    # An override needs a reason, and both are kept.
    with pytest.raises(SystemExit) as wrong:
        run("promote", "dev", "prod", "--force")
    assert wrong.value.code == 2
    promote(bare, run, "--force", *WHY)
    (entry,) = bare.history("prod")
    assert f"commit {commit} is not on main" in entry.trailers["Overridden"]
    assert entry.get("Reason") == "because"
    # The same content, merged and clean, needs no override.
    (bare.root / "notes").unlink()
    bare.git("checkout", "--quiet", "main")
    bare.git("merge", "--quiet", "--no-ff", "feature")
    run("deploy", "dev")
    promote(bare, run)
    assert "Overridden" not in bare.history("prod")[0].trailers
    # The remote's main counts, if it is known.
    bare.git("update-ref", "refs/remotes/origin/main", "main~1")
    deploy(bare, run, 7)
    assert "is not on main" in promote(bare, run, code=1)


def test_a_rollback_is_remembered(bare: Marketplace, run: Run) -> None:
    first, second = (deploy(bare, run, n) for n in (3, 4))
    run("rollback", "dev", "--reason", "scores are off")
    assert bare.live().id == first
    message = run("deploy", "dev", code=1)
    assert f"release {second} was rolled back in dev (Ada" in message
    assert "scores are off" in message
    # Neither does prod accept it from there, whatever its other rules say.
    commit = next(e.commit for e in bare.history() if e.get("Release") == second)
    assert "rolled back in dev" in promote(bare, run, "--commit", commit, code=1)
    deploy(bare, run, 4, "--force", "--reason", "it was the data")
    run("deploy", "dev")
    # It goes back further each time, or to a named commit.
    third = deploy(bare, run, 5)
    run("rollback", "dev", *WHY)
    run("rollback", "dev", *WHY)
    assert bare.live().id == first
    assert "nothing else was live before" in run("rollback", "dev", *WHY, code=1)
    run("rollback", "dev", *WHY, "--to", third)
    assert bare.live().id == third
    for wrong in ("f00f", "*", "[", "..", "HEAD", ""):
        assert "does not name one commit" in run(
            "rollback", "dev", *WHY, "--to", wrong, code=1
        )


def test_a_hold_freezes_a_deployment(bare: Marketplace, run: Run) -> None:
    first = deploy(bare, run, 3)
    run("hold", "dev", "--reason", "end of the quarter")
    assert bare.live().id == first
    assert "dev: on hold: Ada" in run("status")
    bare.set_n(4)
    bare.package()
    for command in (("deploy", "dev"), ("rollback", "dev", *WHY)):
        refused = run(*command, code=1)
        assert "dev is on hold (Ada" in refused and "end of the quarter" in refused
    assert "it is on hold" in run("hold", "dev", *WHY, code=1)
    run("unhold", "dev")
    assert "it is not on hold" in run("unhold", "dev", code=1)
    run("deploy", "dev", "--checked", bare.key(bare.package()))
    actions = [each.get("Action") for each in bare.history()]
    assert actions == ["deploy", "unhold", "hold", "deploy"]
    # What a hold has no part in, a rollback passes by.
    run("rollback", "dev", *WHY)
    assert bare.live().id == first


def test_time_does_not_go_backwards(bare: Marketplace, run: Run) -> None:
    old = bare.git("rev-parse", "HEAD")
    new = bare.commit("a fix")
    deploy(bare, run, 3)
    bare.git("checkout", "--quiet", new)
    bare.package()
    live = bare.history()[0].get("Source-Commit") or ""
    refused = run("deploy", "dev", code=1)
    assert f"commit {new[:12]} is older than {live[:12]}, which is live" in refused
    bare.git("checkout", "--quiet", old)
    bare.package()
    run("deploy", "dev", "--force", *WHY, "--checked", bare.key(bare.package()))


def test_one_domain_keeps_its_source(bare: Marketplace, run: Run) -> None:
    bare.add_domain("shop")
    (bare.root / KUBEPOD.replace("lab", "shop")).unlink()
    bare.tags.clear()
    # The first is of a commit that is not on main, with a file that is not committed.
    bare.git("checkout", "--quiet", "-b", "feature")
    bare.set_n(3, "shop")
    bare.write("notes", "not committed")
    first = bare.package().id
    run("deploy", "dev", "--checked", bare.key(bare.package()))
    bare.git("checkout", "--quiet", "main")
    bare.git("reset", "--quiet", "--hard", "feature")
    bare.git("branch", "--force", "feature")
    (bare.root / "notes").unlink()
    bare.commit("merged")
    bare.set_n(4, "shop")
    second = deploy(bare, run, 4)
    promote(bare, run)
    assert bare.live("prod").id == second
    # What is rolled back alone is as uncommitted as it was.
    run("rollback", "dev", *WHY, "--domain", "shop", "--to", first)
    assert bare.live().facts["domains"]["shop"]["clean"] is False
    refused = promote(bare, run, code=1)
    assert "was deployed with uncommitted changes" in refused
    assert "is older than" in refused
    # The next one is ambiguous, and a domain goes back to where it differs.
    assert "name a commit: --to" in run("rollback", "dev", *WHY, code=1)
    assert "nothing else was live" in run(
        "rollback", "prod", *WHY, "--domain", "shop", code=1
    )
    # An older domain is as old as an older release.
    commit = next(e.commit for e in bare.history() if e.get("Release") == first)
    refused = run(
        "promote", "dev", "prod", "--domain", "shop", "--commit", commit, code=1
    )
    assert "is older than" in refused


def test_a_rolled_back_release_is_refused_domain_by_domain(
    bare: Marketplace, run: Run
) -> None:
    deploy(bare, run, 3)
    promote(bare, run)
    deploy(bare, run, 4)
    promote(bare, run)
    run("rollback", "prod", "--reason", "lab is off")
    refused = run("promote", "dev", "prod", "--domain", "lab", code=1)
    assert "was rolled back in prod" in refused and "lab is off" in refused
    assert "that is live already" in run(
        "rollback", "prod", *WHY, "--to", bare.live("prod").id, code=1
    )
