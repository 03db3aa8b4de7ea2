"""Tests of the policy, and of faults of the deployments repository, with Git alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import maxairesources
import maxaitools
from maxaitools.deployments.conftest import DAG_FILE, PY_CONFIG, Marketplace, Run
from maxaitools.deployments.conftest import call, deploy
from maxaitools.deployments.process import find_uncommitted
from maxaitools.deployments.record import RECORD_FILE

WHY = ("--reason", "because")


def commit_tip(place: Marketplace, record: object, message: str) -> str:
    """Commit another deployment.json to dev without the tool."""
    store = ("hash-object", "-w", "--stdin")
    blob = place.remote(*store, text=json.dumps(record))
    listed = place.remote("ls-tree", "deploy/dev").splitlines()
    lines = [line for line in listed if not line.endswith(RECORD_FILE)]
    text = "\n".join([*lines, f"100644 blob {blob}\t{RECORD_FILE}"])
    tree = place.remote("mktree", text=text)
    commit = place.remote("commit-tree", tree, "-p", "deploy/dev", "-m", message)
    place.remote("update-ref", "refs/heads/deploy/dev", commit)
    return commit


def test_prod_accepts_only_clean_commits_on_main_from_dev(
    bare: Marketplace, run: Run
) -> None:
    bare.package()
    first = "deploy first: ./pants deployments promote dev prod"
    assert first in run("history", "prod", code=1)
    assert run("deploy", "prod", code=1) == (
        "error: policy of prod: it accepts only releases promoted from dev; to override "
        "it, use --force --reason '...' (the commit records both)"
    )
    # A commit that is not on main, and a file that is not committed.
    bare.git("checkout", "--quiet", "-b", "feature")
    commit = bare.commit("a feature")[:12]
    notes = bare.write("maxaiusecases/lab/notes", "not committed")
    assert "files of the release differ from commit" in run("deploy", "dev", code=1)
    run("deploy", "dev", "--force", *WHY)
    refused = run("promote", "dev", "prod", code=1)
    assert f"files of the release differ from commit {commit}" in refused
    assert f"commit {commit} is not on main" in refused
    # An override needs a reason, and the commit records both.
    with pytest.raises(SystemExit) as wrong:
        run("promote", "dev", "prod", "--force")
    assert wrong.value.code == 2
    run("promote", "dev", "prod", "--force", *WHY)
    (entry,) = bare.history("prod")
    assert entry.reason == "because"
    assert f"Overridden: commit {commit} is not on main" in run("history", "prod")
    # The same content needs no override once it is merged and clean.
    notes.unlink()
    bare.git("checkout", "--quiet", "main")
    bare.git("merge", "--quiet", "--no-ff", "feature")
    run("deploy", "dev")
    run("promote", "dev", "prod")
    assert run("history", "prod").count("Overridden: it") == 0
    # origin/main takes precedence over main.
    bare.git("update-ref", "refs/remotes/origin/main", "main~1")
    deploy(bare, run, 7)
    refused = run("promote", "dev", "prod", code=1)
    assert "is not on origin/main; push it there, or run `git fetch`" in refused
    bare.configure("prod", branch="release/1.2")
    refused = run("promote", "dev", "prod", code=1)
    assert "this clone has no branch 'release/1.2'; run `git fetch origin`" in refused


def test_files_that_no_commit_has_are_found(bare: Marketplace) -> None:
    tracked = bare.write("maxaiusecases/lab/tracked.py", "")
    bare.write("maxaiusecases/lab/.gitignore", "*.bin")
    bare.commit("files")
    bare.write(".git/info/exclude", "*.parquet")
    bare.write("notes.txt", "not a source")
    bare.write("maxaiusecases/lab/.ipynb_checkpoints/a.ipynb", "Pants ignores it")
    assert find_uncommitted() == []
    # Pants reads all of these, and `git status` shows the first two.
    tracked.write_text("changed")
    names = ["[1] é*.txt", "ignored.bin", "excluded.parquet"]
    for name in names:
        bare.write(f"maxaiusecases/lab/{name}", "")
    call("git", "init", "--quiet", bare.root / "maxaiusecases/lab/clone")
    bare.write("maxaiusecases/lab/clone/model.py", "")
    found = [f"maxaiusecases/lab/{n}" for n in ("clone/", *names, "tracked.py")]
    assert find_uncommitted() == sorted(found)
    bare.git("update-index", "--assume-unchanged", "maxaiusecases/lab/tracked.py")
    assert find_uncommitted() == sorted(found)
    bare.git("stash", "--all", "--quiet")
    bare.git("sparse-checkout", "set", "maxaiusecases")
    missing = find_uncommitted()
    assert DAG_FILE in missing and PY_CONFIG in missing


def test_a_release_without_a_broken_domain_is_refused(
    bare: Marketplace, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(bare, run, 3)
    problem = "maxaiusecases/a/requirements.txt:3: not a requirement; write one"
    monkeypatch.setenv("MAXAI_PROBLEMS", f"{problem}\n")
    assert f"{problem}; or delete the domain" in run("deploy", "dev", code=1)


def test_a_clone_that_lacks_a_commit_changes_nothing(
    bare: Marketplace, run: Run
) -> None:
    deploy(bare, run, 3)
    unknown = {**bare.live(), "source": {"commit": "1" * 40, "clean": True}}
    commit_tip(bare, unknown, "A deploy of a colleague")
    bare.set_n(4)
    bare.package()
    lacks = "this clone lacks commit 111111111111"
    refused = run("deploy", "dev", code=1)
    assert f"{lacks}, which is live; run `git fetch`" in refused
    refused = run("promote", "dev", "prod", code=1)
    # Nothing is live in prod.
    assert f"{lacks}; run `git fetch`" in refused and "is live" not in refused


def test_another_clone_promotes_and_rolls_back(
    bare: Marketplace, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = (deploy(bare, run, n) for n in (3, 4))
    monkeypatch.setenv("MAXAI_DEPLOYMENTS", bare.url)
    for name in ("a", "b"):
        call("git", "clone", "--quiet", "--no-local", bare.root, tmp_path / name)
        call("git", "-C", tmp_path / name, "config", "user.name", "Bob")
        call("git", "-C", tmp_path / name, "config", "user.email", "bob@localhost")
    monkeypatch.chdir(tmp_path / "a")
    run("promote", "dev", "prod", "--domain", "lab", code=1)
    run("promote", "dev", "prod")
    monkeypatch.chdir(tmp_path / "b")
    run("rollback", "dev", *WHY)
    assert bare.live()["release"] == first


@pytest.mark.parametrize("ref", ["refs/heads/deploy", "refs/tags/deploy/dev"])
def test_another_ref_of_the_name_is_an_error(
    bare: Marketplace, run: Run, ref: str
) -> None:
    assert run("status") == "nothing was deployed yet\n"
    bare.git("push", "--quiet", bare.url, f"main:{ref}")
    bare.package()
    assert f"{ref} has the name of" in run("deploy", "dev", code=1)


def test_a_rolled_back_release_is_refused(bare: Marketplace, run: Run) -> None:
    first, second = (deploy(bare, run, n) for n in (3, 4))
    undone = bare.history()[0].commit
    run("rollback", "dev", "--reason", "scores are off")
    assert bare.live()["release"] == first
    message = run("deploy", "dev", code=1)
    assert f"release {second[:12]} was rolled back in dev (Ada" in message
    assert "scores are off" in message
    # prod refuses the release too, even a domain of it.
    refused = run("promote", "dev", "prod", "--commit", undone, code=1)
    assert "rolled back in dev" in refused
    run("promote", "dev", "prod")
    lab = ("--domain", "lab")
    refused = run("promote", "dev", "prod", *lab, "--commit", undone, code=1)
    assert "rolled back in dev" in refused
    deploy(bare, run, 4, "--force", "--reason", "it was the data")
    run("deploy", "dev")
    # Each rollback goes back further, or to a named commit.
    third = deploy(bare, run, 5)
    run("rollback", "dev", *WHY)
    run("rollback", "dev", *WHY)
    assert bare.live()["release"] == first
    other = "no other release was live before; deploy another one: ./pants deployments"
    assert f"{other} deploy dev" in run("rollback", "dev", *WHY, code=1)
    run("rollback", "dev", *WHY, "--to", third)
    assert bare.live()["release"] == third
    assert "already live" in run("rollback", "dev", *WHY, "--to", third, code=1)


def test_an_older_commit_is_refused(bare: Marketplace, run: Run) -> None:
    bare.add_domain("shop")
    old = bare.commit("shop")
    deploy(bare, run, 3)
    live = bare.git("rev-parse", "HEAD")
    bare.git("checkout", "--quiet", old)
    bare.package()
    older = f"commit {old[:12]} is older than {live[:12]}, which is live"
    assert older in run("deploy", "dev", code=1)
    run("promote", "dev", "prod")
    run("deploy", "dev", "--force", *WHY)
    # A domain is refused like a release.
    refused = run("promote", "dev", "prod", "--domain", "shop", code=1)
    assert older in refused


def test_a_rollback_needs_only_git_and_python(
    bare: Marketplace, run: Run, tmp_path: Path
) -> None:
    first = deploy(bare, run, 3)
    deploy(bare, run, 4)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").symlink_to(str(shutil.which("git")))
    roots = [Path(each.__path__[0]).parent for each in (maxairesources, maxaitools)]
    # -S hides the installed packages; the launcher sets -u, too.
    tool = (sys.executable, "-uS", "-m", "maxaitools.deployments")

    def start(*arguments: str, output: int) -> tuple[int, str]:
        done = subprocess.run(
            [*tool, *arguments],
            env={
                "PATH": str(tmp_path / "bin"),
                # The clone of the test has a maxairesources of its own.
                "PYTHONSAFEPATH": "1",
                "PYTHONPATH": ":".join(map(str, roots)),
            },
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        )
        return done.returncode, done.stderr

    for more in (["--dry-run"], []):
        done = start("rollback", "dev", *WHY, *more, output=subprocess.DEVNULL)
        assert done == (0, "")
    assert bare.live()["release"] == first
    reader, writer = os.pipe()
    os.close(reader)
    # The output goes to a program that has ended, such as head.
    assert start("history", "dev", output=writer) == (1, "")
    os.close(writer)


def test_a_stale_lease_is_refused(bare: Marketplace, run: Run) -> None:
    deploy(bare, run, 3)
    stale = bare.branches
    deploy(bare, run, 4)
    tip = bare.history()[0].commit
    tree = bare.git("rev-parse", f"{tip}^{{tree}}")
    with pytest.raises(Exception, match="another change was pushed first"):
        stale.push("dev", stale.commit("dev", tree, "too late", False))
    assert bare.history()[0].commit == tip


def test_a_rewritten_branch_is_refused_until_it_is_restored(
    bare: Marketplace, run: Run
) -> None:
    first = deploy(bare, run, 3)
    old = bare.history()[0].commit
    deploy(bare, run, 4)
    was = bare.history()[0].commit
    bare.remote("update-ref", "refs/heads/deploy/dev", old)
    problem = f"deploy/dev: was rewritten or deleted: commit {was} was live"
    assert problem in deploy(bare, run, 5, code=1) and problem in run("status")
    refused = run("rollback", "dev", *WHY, code=1)
    # One command restores the branch, and another one accepts the change.
    restore = f"git push --force {bare.url} {was}:refs/heads/deploy/dev"
    accept = "git update-ref -d refs/remotes/deployments/dev"
    assert restore in refused and accept in refused
    bare.git(*accept.split()[1:])
    assert bare.live()["release"] == first
    subprocess.run(restore.split(), check=True, capture_output=True)
    assert bare.history()[0].commit == was
    bare.remote("branch", "-D", "deploy/dev")
    assert problem in run("status")


def test_a_damaged_tip_is_refused_until_a_rollback(bare: Marketplace, run: Run) -> None:
    deploy(bare, run, 3)
    second, record = deploy(bare, run, 4), bare.live()
    commit = commit_tip(bare, ["nonsense"], "Oops")
    problem = f"error: commit {commit[:12]}: deployment.json is missing or damaged"
    assert problem in deploy(bare, run, 5, code=1)
    assert problem in run("verify", "dev", code=1)
    assert "Oops" in run("history", "dev")
    assert "not made by this tool" in run("status")
    run("rollback", "dev", *WHY)
    assert bare.live() == record and record["release"] == second
    # The release that a commit names must be the one that it has.
    commit_tip(bare, {**record, "release": "0" * 40}, "Forged\n\nAction: deploy\n")
    fault = f"its files are not those of release {'0' * 40}"
    assert fault in run("verify", "dev", code=1)


def test_an_unreachable_repository_is_reported_without_its_password(
    bare: Marketplace, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare.package()
    secret = "https://ada:p@secret@127.0.0.1:1/x.git"
    for url in ("git://127.0.0.1:1/x.git", secret, "-x", "/nowhere/x.git"):
        monkeypatch.setenv("MAXAI_DEPLOYMENTS", url)
        refused = run("deploy", "dev", code=1)
        assert "check MAXAI_DEPLOYMENTS and your access to it" in refused
        assert "secret" not in refused
        assert "secret" not in (bare.root / ".git/config").read_text()


def test_a_signed_deployment_needs_known_signatures(
    bare: Marketplace, run: Run, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    bare.configure("dev", signed=True)
    refused = deploy(bare, run, 3, code=1)
    assert "set user.name and user.email, and user.signingkey" in refused
    for name, value in (("gpg.format", "ssh"), ("user.signingkey", f"{key}.pub")):
        bare.git("config", name, value)
    deploy(bare, run, 4)
    signers = "build-support/allowed_signers"
    bare.write(signers, "")
    assert "has no valid signature" in run("verify", "dev", code=1)
    refused = run("promote", "dev", "prod", code=1)
    assert "has no valid signature; deploy to dev again with a key of" in refused
    public = key.with_suffix(".pub").read_text()
    bare.write(signers, f"ada@example.invalid {public}")
    assert "no faults" in run("verify", "dev")
    run("promote", "dev", "prod", "--force", *WHY)
