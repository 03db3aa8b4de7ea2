from __future__ import annotations

import pytest

from marketplace.selection.owners import find_owners


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*", "maxaidags/bank/", True),
        ("*.py", "a/b/c.py", True),
        ("*.py", "a/b/c.pyi", False),
        ("/maxaidags/bank/", "maxaidags/bank/", True),
        ("/maxaidags/bank/", "maxaidags/bank/risk/dag.py", True),
        ("/maxaidags/bank", "maxaidags/bank/risk/dag.py", True),
        ("/maxaidags/bank", "maxaidags/banking/dag.py", False),
        ("maxaidags/bank/", "x/maxaidags/bank/", False),
        ("bank/", "maxaidags/bank/dag.py", True),
        ("**/bank/", "maxaidags/bank/dag.py", True),
        ("/maxai*/bank/", "maxaiconfigs/bank/", True),
        ("/maxai*/bank/", "maxaiconfigs/shop/bank/", False),
        ("/maxaidags/**", "maxaidags/bank/risk/", True),
        ("/maxaidags/**/dag.py", "maxaidags/dag.py", True),
        ("docs/*", "docs/a.md", True),
        ("docs/*", "docs/more/a.md", False),
        ("/b?nk/", "bank/a", True),
        ("a.c", "abc", False),
    ],
)
def test_a_pattern_matches_as_on_github(pattern: str, path: str, matches: bool) -> None:
    assert find_owners(f"{pattern} @a", path) == (("@a",) if matches else ())


def test_the_last_pattern_wins_even_without_owners() -> None:
    file = "# Owners\n* @all  # everyone\n\n/bank/ @bank a@b.example\n/bank/open/\n"
    assert find_owners(file, "shop/") == ("@all",)
    assert find_owners(file, "bank/") == ("@bank", "a@b.example")
    assert find_owners(file, "bank/open/x") == ()
    assert find_owners("", "bank/") == ()
