"""Tests of the image of the domain healthcare."""

from maxairesources.testing.images import check_content, check_handlers_start


def test_handlers_start_in_the_image() -> None:
    check_handlers_start("healthcare")


def test_image_contains_only_code_and_packages() -> None:
    check_content("healthcare")
