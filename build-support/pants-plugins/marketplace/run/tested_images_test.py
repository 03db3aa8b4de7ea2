from __future__ import annotations

import pytest
from pants.engine.addresses import Address

from marketplace.run.tested_images import TestedImageField


@pytest.mark.parametrize(
    ("folder", "file", "expected"),
    [
        ("maxaiusecases/shop", "image_test.py", ("//maxaiusecases/shop:image",)),
        (
            "maxaidags/shop/churn/weekly",
            "run_test.py",
            ("//maxaiusecases/shop:image",),
        ),
        ("maxaidags/shop/churn/weekly", "dag_test.py", None),
        ("maxaiusecases/shop/churn/handlers", "image_test.py", None),
        ("build-support", "run_test.py", None),
    ],
)
def test_the_image_follows_from_the_place_of_the_test(
    folder: str, file: str, expected: tuple[str, ...] | None
) -> None:
    address = Address(folder, target_name="tests", relative_file_path=file)
    assert TestedImageField(None, address).value == expected
    # A generator is not a test.
    assert TestedImageField(None, Address(folder, target_name="tests")).value is None
