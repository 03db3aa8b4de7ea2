"""Tests of the functions that run no process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from maxairesources.errors import InputError
from maxaitools.deployments import branches, registry, settings
from maxaitools.deployments.branches import Entry, pick
from maxaitools.deployments.deploys import find_previous
from maxaitools.deployments.process import ProcessFailed
from maxaitools.deployments.record import parse_record, references_of
from maxaitools.deployments.settings import Definition, read_settings

PREFIX = 'prefix = "maxai"\n'
PROD = '[deployments.prod]\nafter = "dev"\n'


def test_settings_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = '[deployments.dev]\nregistry = "r.test/a"\npaused = true\n'
    shared = f'{PREFIX}registry = "127.0.0.1:5000"\n'
    Path("marketplace.toml").write_text(shared + own + PROD)
    dev = Definition("dev", "r.test/a", paused=True)
    prod = Definition("prod", "127.0.0.1:5000", after="dev")
    assert read_settings() == {"dev": dev, "prod": prod}
    monkeypatch.setenv("MAXAI_REGISTRY", "registry.test:5000/team")
    found = read_settings()
    assert found["prod"].registry == "registry.test:5000/team" and found["dev"] == dev


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x", "marketplace.toml: cannot be read"),
        ("regstry = 'r'\n", "unknown key 'regstry'; did you mean registry?"),
        ("images = 'r'\n", "marketplace.toml: images is 'r'; use a list of strings"),
        ("[deployments.prod]\n", "'' is not a valid registry; use host[:port]"),
        ('registry = "http://x"\n[deployments.a]\n', "'http://x' is not a valid"),
        ('registry = "r"\n[deployments.prod-eu]\n', "the name does not match [a-z]"),
        ('registry = "r"\n' + PROD, "after = 'dev' is not another deployment"),
        ('registry = "r"\n[deployments.a]\npasued = true\n', "'pasued'; did you mean"),
        ('registry = "r"\n[deployments.a]\npaused = 1\n', "is 1; use true or false"),
        ("deployments = {dev = 1}\n", "[deployments]: dev is 1; use a table"),
        ('registry = "r"\n[deployments.dev]\n', "'dve' is not defined; did you mean"),
    ],
)
def test_a_mistake_in_the_settings_is_reported(
    text: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("marketplace.toml").write_text(PREFIX + text)
    with pytest.raises(InputError) as error:
        settings.find_settings("dve")
    assert problem in str(error.value) and "\n" not in str(error.value)
    Path("marketplace.toml").write_text(PROD)
    with pytest.raises(
        InputError, match="marketplace.toml: the key 'prefix' is missing"
    ):
        read_settings()


def test_a_record_of_an_older_version_names_its_images() -> None:
    record = {
        **dict(name="dev", release="r", registry="r.test", source={"commit": "c0"}),
        "images": {"lab": {"tag": "t", "digest": "sha256:a"}},
    }
    read = parse_record(json.dumps(record), "commit c")
    assert references_of(read) == {"lab": "r.test/maxai/lab@sha256:a"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"release": 5},
        {"release": "\ud800"},
        {"source": {"commit": "HEAD"}},
        {"source": {"commit": []}},
        {"images": {"lab": {"digest": None}}},
    ],
)
def test_a_damaged_record_is_an_error(wrong: dict[str, Any]) -> None:
    record = {**dict(name="dev", release="r", registry="r"), "images": {}}
    record |= {"source": {"commit": "c0"}, **wrong}
    with pytest.raises(InputError, match="is missing or damaged"):
        parse_record(json.dumps(record), "commit c")


def entry(commit: str, release: str) -> Entry:
    return Entry(commit, "Ada", "now", "deploy", release)


def test_a_rollback_skips_other_commits_of_the_live_release() -> None:
    history = [entry("c3", "r2"), entry("c2", "r2"), entry("c1", "r1")]
    assert find_previous("dev", history).commit == "c1"


def test_a_hash_must_name_one_release() -> None:
    entries = [entry("abcd1", "r1"), entry("abcd2", "r1"), entry("abce3", "r2")]
    assert pick("dev", entries, "abcd").commit == "abcd1"
    for wrong in ("abc", "f00f", ""):
        with pytest.raises(InputError, match="does not name one commit or release"):
            pick("dev", entries, wrong)


def test_tls_is_optional_only_on_this_machine() -> None:
    inspect = ["skopeo", "--command-timeout=60s", "inspect", "--raw"]
    remotes = ("r.test/a:b", "localhost.evil.test/a", "127.0.0.1.evil.test/a")
    for remote in remotes:
        assert registry.inspect_command(remote) == [*inspect, f"docker://{remote}"]
    for local in ("127.0.0.1:5000/a", "localhost/a", "127.1.2.3/a"):
        assert "--tls-verify=false" in registry.inspect_command(local)
    copy = registry.copy_command("127.0.0.1:5/a@sha256:1", "r.test/a:b")
    source = ["--src-tls-verify=false", "docker://127.0.0.1:5/a@sha256:1"]
    assert copy[-3:] == [*source, "docker://r.test/a:b"]


@pytest.mark.parametrize(
    ("answer", "missing"),
    [
        ("reading manifest x in r/a: manifest unknown: manifest unknown", True),
        ("name unknown: repository name not known to registry", True),
        ("unauthorized: authentication required", False),
        ("dial tcp: lookup r.test: no such host", False),
    ],
)
def test_only_some_answers_mean_that_an_image_is_missing(
    answer: str, missing: bool
) -> None:
    assert bool(registry.MISSING.search(answer)) is missing


def test_a_refused_push_shows_the_output_of_the_server() -> None:
    stderr = (
        "remote: error: GH006: Protected branch update failed.        \n"
        " ! [remote rejected] b -> deploy/dev (protected branch hook declined)\n"
        "error: failed to push some refs to 'https://ada:secret@git.test/x'\n"
    )
    error = str(branches.explain_refusal("dev", ProcessFailed(["git"], stderr)))
    assert "GH006: Protected branch update failed.; protected branch hook" in error
    assert "secret" not in error
