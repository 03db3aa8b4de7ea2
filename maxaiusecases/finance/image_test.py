"""Tests of the image of the domain finance."""

from maxairesources.testing.images import check_content, check_handlers_start


def test_handlers_start_in_the_image() -> None:
    check_handlers_start("finance")


def test_image_contains_only_code_and_packages() -> None:
    check_content("finance")
