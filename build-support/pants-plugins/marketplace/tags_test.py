from __future__ import annotations

import pytest

from marketplace.graph import MarketplaceError
from marketplace.tags import parse_lock, select

LOCK = """\
# Compiled from requirements.txt
aiohttp==3.14.5 ; python_version >= '3.9' \\
    --hash=sha256:01 \\
    --hash=sha256:02
    # via s3fs
numpy==2.3 \\
    --hash=sha256:03
    # via
    #   -r requirements.txt
    #   pandas
    #   scikit-learn
pandas==2.3.3 \\
    --hash=sha256:04
    # via -r requirements.txt
s3fs==2026.1 \\
    --hash=sha256:05
    # via -r requirements.txt
scikit-learn==1.7 \\
    --hash=sha256:06
    # via -r requirements.txt
threadpoolctl==3.6 \\
    --hash=sha256:07
    # via scikit-learn
"""


@pytest.mark.parametrize(
    ("requirements", "expected"),
    [
        ([], []),
        (["numpy"], ["numpy"]),
        (["pandas>=2"], ["numpy", "pandas"]),
        (["s3fs[boto3]~=2026.1"], ["aiohttp", "s3fs"]),
        (["Scikit_Learn"], ["numpy", "scikit-learn", "threadpoolctl"]),
        # A lock has no package whose marker is false.
        (["colorama; sys_platform == 'win32'"], []),
    ],
)
def test_packages_include_their_dependencies(
    requirements: list[str], expected: list[str]
) -> None:
    assert [*parse_lock(select("x.lock", LOCK, requirements))] == expected


def test_an_entry_keeps_its_version_marker_and_hashes() -> None:
    assert select("x.lock", LOCK, ["aiohttp"]) == (
        "aiohttp==3.14.5 ; python_version >= '3.9' \\\n"
        "    --hash=sha256:01 \\\n    --hash=sha256:02\n"
    )


def test_a_missing_package_is_reported() -> None:
    with pytest.raises(
        MarketplaceError,
        match="x.lock: the package polars is missing; run ./pants lock",
    ):
        select("x.lock", LOCK, ["polars"])
