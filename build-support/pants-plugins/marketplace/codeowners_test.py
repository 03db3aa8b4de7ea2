from __future__ import annotations

import pytest
from pants.engine.fs import DigestContents, FileContent, PathGlobs
from pants.testutil.rule_runner import MockGet, run_rule_with_mocks

from marketplace.codeowners import CodeOwnersRequest, add_owners, partition_code_owners
from maxairesources.domains import find_mistake


def test_the_lines_of_the_domains_are_replaced_and_others_kept() -> None:
    own = "# The platform.\n* @acme/platform\n"
    owners = {"shop": ["@acme/shop", "ds@acme.example"], "bank": []}
    text = own + "/maxai*/shop/ @acme/shop ds@acme.example\n"
    assert add_owners(own + "/maxai*/old/ @acme/old\n", owners) == text
    assert add_owners(text, owners) == text
    assert add_owners("", {"bank": []}) == ""


@pytest.mark.parametrize(
    ("files", "is_needed"),
    [
        ({}, False),
        ({"maxaiconfigs/shop/domain.json": b'{"deprecated": {}}'}, False),
        ({"maxaiconfigs/shop/domain.json": b'{"owners": {"@acme/shop": ""}}'}, True),
        ({"maxaiconfigs/shop/domain.json": b"[]"}, True),
        ({".github/CODEOWNERS": b""}, True),
    ],
)
def test_without_owners_no_file_is_formatted_that_is_missing(
    files: dict[str, bytes], is_needed: bool
) -> None:
    content = DigestContents(FileContent(*file) for file in files.items())
    partitions = run_rule_with_mocks(
        partition_code_owners,
        rule_args=[CodeOwnersRequest.PartitionRequest(("README.md",))],
        mock_gets=[MockGet(DigestContents, (PathGlobs,), lambda _: content)],
    )
    assert bool(partitions) == is_needed


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        (b'{"owners": {"@acme/a": "https://a", "a@b.c": "mailto:a@b.c"}}', None),
        (b'{"owner": {}}', "$ has an unknown key 'owner'; did you mean owners?"),
        (b'{"owners": {"acme/a": ""}}', "$.owners: 'acme/a' is not an owner; use one"),
        (b'{"owners": {"@acme/a b": ""}}', "$.owners: '@acme/a b' is not an owner; us"),
        (b"[]", "is not a JSON object"),
        (b"\xff", "is not a JSON object"),
        (b'{"owners": 1}', "is not a JSON object, or a value in it is not; correct it"),
    ],
)
def test_wrong_owners_are_not_written(content: bytes, mistake: str | None) -> None:
    found = find_mistake(content)
    assert found == mistake or (found or "").startswith(str(mistake))
