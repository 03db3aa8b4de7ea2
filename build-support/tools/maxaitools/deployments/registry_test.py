"""Tests of commands, answers and logs that need no registry, and of SBOMs."""

from __future__ import annotations

import json

import pytest
from cyclonedx.model.bom import Bom

from maxaitools.deployments.history import parse_log
from maxaitools.deployments.process import ProcessFailed
from maxaitools.deployments.registry import (
    _MISSING,
    copy_command,
    inspect_command,
    write_sbom,
)
from maxaitools.deployments.repository import explain_refusal, push_command

PACKAGES = [
    [["Pandas", "2.3.3"], ["typing_extensions", "4.1"]],
    [["libc6", "2.36-9+deb12u10", "amd64"]],
]


def test_tls_is_optional_only_on_this_machine() -> None:
    inspect = ["skopeo", "--command-timeout=60s", "inspect", "--raw"]
    assert inspect_command("r.test/a:b") == [*inspect, "docker://r.test/a:b"]
    for local in ("127.0.0.1:5000/a", "localhost/a", "127.1.2.3/a"):
        expected = [*inspect, "--tls-verify=false", f"docker://{local}"]
        assert inspect_command(local) == expected
    for remote in ("localhost.evil.test/a", "127.0.0.1.evil.test/a"):
        assert "--tls-verify=false" not in inspect_command(remote)
    copy = copy_command("127.0.0.1:5/a@sha256:1", "r.test/a:b")
    assert copy[-3:] == [
        *("--src-tls-verify=false", "docker://127.0.0.1:5/a@sha256:1"),
        "docker://r.test/a:b",
    ]


@pytest.mark.parametrize(
    ("answer", "missing"),
    [
        ("reading manifest x in r/a: manifest unknown: manifest unknown", True),
        ("name unknown: repository name not known to registry", True),
        ("unauthorized: authentication required", False),
        ("denied: requested access to the resource is denied", False),
        ("dial tcp 127.0.0.1:1: connect: connection refused", False),
        ("dial tcp: lookup r.test: no such host", False),
        ("received unexpected HTTP status: 503 Service Unavailable", False),
    ],
)
def test_only_some_answers_mean_that_an_image_is_missing(
    answer: str, missing: bool
) -> None:
    assert bool(_MISSING.search(answer)) is missing


def test_an_sbom_lists_all_packages_and_is_reproducible() -> None:
    written = write_sbom(PACKAGES, "maxai/lab:f00", 9)
    assert written == write_sbom(PACKAGES, "maxai/lab:f00", 9)
    assert written != write_sbom(PACKAGES, "maxai/lab:f01", 9)
    assert {str(each["purl"]) for each in json.loads(written)["components"]} == {
        "pkg:pypi/pandas@2.3.3",
        "pkg:pypi/typing-extensions@4.1",
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64",
    }
    # The library of CycloneDX can read it.
    bom = Bom.from_json(json.loads(written))  # type: ignore[attr-defined]
    assert {each.name for each in bom.components} == {
        *("pandas", "typing-extensions", "libc6"),
    }


def test_a_push_requires_the_known_tip() -> None:
    assert push_command("url", "dev", "a", "b") == [
        *("push", "--atomic", "--no-verify", "--no-signed"),
        *(
            "--force-with-lease=refs/heads/deploy/dev:a",
            "url",
            "b:refs/heads/deploy/dev",
        ),
    ]
    assert "--force-with-lease=refs/heads/deploy/dev:" in push_command(
        "u", "dev", "", "b"
    )


def test_a_refused_push_shows_the_output_of_the_server() -> None:
    stderr = (
        "remote: error: GH006: Protected branch update failed.        \n"
        " ! [remote rejected] b -> deploy/dev (protected branch hook declined)\n"
        "error: failed to push some refs to 'https://ada:secret@git.test/x'\n"
    )
    error = str(explain_refusal("dev", ProcessFailed(["git"], stderr)))
    assert "GH006: Protected branch update failed.; protected branch hook" in error
    assert "secret" not in error
    stale = ProcessFailed(["git"], " ! [rejected] b -> deploy/dev (stale info)")
    assert "another change was pushed first" in str(explain_refusal("dev", stale))


def test_a_log_is_parsed_with_its_trailers() -> None:
    block = "Action: deploy\nOverridden: a: b\nOverridden: c\n"
    text = f"c0\0p0 p1\0Ada <a>\0time\0Deploy\0{block}\0c1\0\0Eve <e>\0t\0Oops\0\0"
    first, second = parse_log(text)
    assert (first.release, first.get("Action"), first.get("Reason")) == (
        *("p1", "deploy"),
        None,
    )
    assert first.trailers["Overridden"] == ["a: b", "c"]
    assert (second.parents, second.trailers) == ((), {})
