from __future__ import annotations

from marketplace.codeowners import add_owners


def test_the_lines_of_the_domains_are_replaced_and_others_kept() -> None:
    own = "# The platform.\n* @acme/platform\n"
    owners = {"shop": ["@acme/shop", "ds@acme.example"], "bank": []}
    text = own + "/maxai*/shop/ @acme/shop ds@acme.example\n"
    assert add_owners(own + "/maxai*/old/ @acme/old\n", owners) == text
    assert add_owners(text, owners) == text
    assert add_owners("", {"bank": []}) == ""
