from __future__ import annotations

import pytest
from pants.backend.python.pip_requirement import PipRequirement

from marketplace.graph import MarketplaceError
from marketplace.tags import parse_lock, select

HASH = " \\\n    --hash=sha256:0"
AIOHTTP = f"aiohttp==3.14.5 ; python_version >= '3.9'{HASH}{HASH}1\n"
LOCK = f"""\
# Compiled from requirements.txt
{AIOHTTP}    # via s3fs
numpy==2.3{HASH}
    # via
    #   -r requirements.txt
    #   pandas
    #   scikit-learn
pandas==2.3.3{HASH}
    # via -r requirements.txt
s3fs==2026.1{HASH}
    # via -r requirements.txt
scikit-learn==1.7{HASH}
    # via -r requirements.txt
threadpoolctl==3.6{HASH}
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
        (["colorama; sys_platform == 'win32'"], []),
        (["numpy>=2; python_version >= '3.11'"], ["numpy"]),
        # The lock may have it for another package.
        (["numpy<2; python_full_version < '3.11.0' or extra == 'old'"], []),
    ],
)
def test_packages_include_their_dependencies(
    requirements: list[str], expected: list[str]
) -> None:
    assert [*parse_lock(choose(requirements))] == expected


def choose(requirements: list[str]) -> str:
    """Return the entries for requirements on CPython 3.11."""
    return select("x.lock", LOCK, map(PipRequirement.parse, requirements), "3.11")


def test_an_entry_keeps_its_hashes_and_a_missing_one_is_reported() -> None:
    assert choose(["aiohttp"]) == AIOHTTP
    message = "x.lock: the package polars is missing; run ./pants lock"
    for requirement in ("polars", "polars; python_version >= '3.11'"):
        with pytest.raises(MarketplaceError, match=message):
            choose([requirement])
