"""Tests of the policy of a deployment, and of rollbacks and holds."""

from __future__ import annotations

import pytest

from maxaitools.deployments.conftest import Run, deploy, promote
from maxaitools.deployments.testing import KUBEPOD, Marketplace

WHY = ("--reason", "because")


def test_prod_accepts_only_clean_commits_on_main_from_dev(
    bare: Marketplace, run: Run
) -> None:
    bare.package()
    assert run("deploy", "prod", code=1) == (
        "error: policy of prod: it accepts only releases promoted from dev; to override "
        "it, use --force --reason '...' (the commit records both)"
    )
    # A commit that is not on main, and a file that is not committed.
    bare.git("checkout", "--quiet", "-b", "feature")
    commit = bare.commit("a feature")[:12]
    bare.write("notes", "not committed")
    run("deploy", "dev", "--checked", bare.key(bare.package()))
    refused = promote(bare, run, code=1)
    assert f"commit {commit} was deployed with uncommitted changes" in refused
    assert f"commit {commit} is not on main" in refused
    # An override needs a reason, and the commit records both.
    with pytest.raises(SystemExit) as wrong:
        run("promote", "dev", "prod", "--force")
    assert wrong.value.code == 2
    promote(bare, run, "--force", *WHY)
    (entry,) = bare.history("prod")
    assert f"commit {commit} is not on main" in entry.trailers["Overridden"]
    assert entry.get("Reason") == "because"
    # The same content needs no override once it is merged and clean.
    (bare.root / "notes").unlink()
    bare.git("checkout", "--quiet", "main")
    bare.git("merge", "--quiet", "--no-ff", "feature")
    run("deploy", "dev")
    promote(bare, run)
    assert "Overridden" not in bare.history("prod")[0].trailers
    # origin/main takes precedence over main.
    bare.git("update-ref", "refs/remotes/origin/main", "main~1")
    deploy(bare, run, 7)
    assert "is not on main" in promote(bare, run, code=1)


def test_a_branch_may_have_slashes_in_its_name(bare: Marketplace, run: Run) -> None:
    bare.configure("prod", branch="release/1.2")
    deploy(bare, run, 3)
    missing = (
        "error: git: this clone has no branch 'release/1.2'; run `git fetch origin`"
    )
    assert promote(bare, run, code=1) == missing
    bare.git("update-ref", "refs/remotes/origin/release/1.2", "HEAD~1")
    assert "is not on release/1.2" in promote(bare, run, code=1)
    bare.git("update-ref", "refs/remotes/origin/release/1.2", "HEAD")
    promote(bare, run)


def test_a_rolled_back_release_is_refused(bare: Marketplace, run: Run) -> None:
    first, second = (deploy(bare, run, n) for n in (3, 4))
    run("rollback", "dev", "--reason", "scores are off")
    assert bare.live().id == first
    message = run("deploy", "dev", code=1)
    assert f"release {second} was rolled back in dev (Ada" in message
    assert "scores are off" in message
    # prod refuses the release too, if it comes from dev.
    commit = next(e.commit for e in bare.history() if e.get("Release") == second)
    assert "rolled back in dev" in promote(bare, run, "--commit", commit, code=1)
    deploy(bare, run, 4, "--force", "--reason", "it was the data")
    run("deploy", "dev")
    # Each rollback goes back further, or to a named commit.
    third = deploy(bare, run, 5)
    run("rollback", "dev", *WHY)
    run("rollback", "dev", *WHY)
    assert bare.live().id == first
    assert "no other release was live before" in run("rollback", "dev", *WHY, code=1)
    run("rollback", "dev", *WHY, "--to", third)
    assert bare.live().id == third
    for wrong in ("f00f", "*", "[", "..", "HEAD", ""):
        assert "does not name one commit" in run(
            "rollback", "dev", *WHY, "--to", wrong, code=1
        )


def test_a_deployment_on_hold_refuses_changes(bare: Marketplace, run: Run) -> None:
    first = deploy(bare, run, 3)
    run("hold", "dev", "--reason", "end of the quarter")
    assert bare.live().id == first
    assert "dev: on hold: Ada" in run("status")
    bare.set_n(4)
    bare.package()
    for command in (("deploy", "dev"), ("rollback", "dev", *WHY)):
        refused = run(*command, code=1)
        assert (
            "dev is on hold until `unhold dev` (Ada" in refused
            and "end of the quarter" in refused
        )
    assert "it is already on hold" in run("hold", "dev", *WHY, code=1)
    run("unhold", "dev")
    assert "it is not on hold" in run("unhold", "dev", code=1)
    run("deploy", "dev", "--checked", bare.key(bare.package()))
    actions = [each.get("Action") for each in bare.history()]
    assert actions == ["deploy", "unhold", "hold", "deploy"]
    # A rollback ignores the commits that begin or end a hold.
    run("rollback", "dev", *WHY)
    assert bare.live().id == first


def test_an_older_commit_is_refused(bare: Marketplace, run: Run) -> None:
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


def test_a_domain_that_changes_alone_keeps_its_source_commit(
    bare: Marketplace, run: Run
) -> None:
    bare.add_domain("shop")
    (bare.root / KUBEPOD.replace("lab", "shop")).unlink()
    bare.tags.clear()
    # The first commit is not on main, and a file is not committed.
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
    # The domain that is rolled back alone still counts as uncommitted.
    run("rollback", "dev", *WHY, "--domain", "shop", "--to", first)
    assert bare.live().facts["domains"]["shop"]["clean"] is False
    refused = promote(bare, run, code=1)
    assert "was deployed with uncommitted changes" in refused
    assert "is older than" in refused
    # The next rollback is ambiguous; one of a domain needs a commit in which it differs.
    assert "name a commit with --to" in run("rollback", "dev", *WHY, code=1)
    assert "no other release was live" in run(
        "rollback", "prod", *WHY, "--domain", "shop", code=1
    )
    # An older domain is refused like an older release.
    commit = next(e.commit for e in bare.history() if e.get("Release") == first)
    refused = run(
        "promote", "dev", "prod", "--domain", "shop", "--commit", commit, code=1
    )
    assert "is older than" in refused


def test_a_rolled_back_release_is_refused_for_one_domain_too(
    bare: Marketplace, run: Run
) -> None:
    deploy(bare, run, 3)
    promote(bare, run)
    deploy(bare, run, 4)
    promote(bare, run)
    run("rollback", "prod", "--reason", "lab is off")
    refused = run("promote", "dev", "prod", "--domain", "lab", code=1)
    assert "was rolled back in prod" in refused and "lab is off" in refused
    assert "are already live" in run(
        "rollback", "prod", *WHY, "--to", bare.live("prod").id, code=1
    )
