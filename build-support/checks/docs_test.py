"""Tests that the links of README.md, CONTRIBUTING.md and the docs lead to a page and a heading."""

import re
from pathlib import Path

import pytest

PAGES = [*Path().glob("*.md"), *Path("build-support/docs").glob("*.md")]
# The path and the heading of a link in the repository.
LINK = re.compile(r"\]\((?!\w+:)([^)#]*)#?([^)]*)\)")
assert len(PAGES) > 2


def anchors(page: Path) -> set[str]:
    """Return the names that GitHub gives to the headings of a page."""
    headings = re.findall("^#+ (.*)$", page.read_text(), re.MULTILINE)
    names = (re.sub(r"[^\w\- ]", "", each.lower()) for each in headings)
    return {name.replace(" ", "-") for name in names}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_to_a_page_and_a_heading(page: Path) -> None:
    for path, heading in LINK.findall(page.read_text()):
        target = page.parent / path if path else page
        # The samples are not in the sandbox of this test: a company deletes them.
        assert target.is_file(), f"{page} links to {path}, which the docs lack"
        assert not heading or heading in anchors(
            target
        ), f"{page} links to {path}#{heading}, which the page lacks"
