"""Test that pytest's own packages do not get in Airflow's way.

In a test they stand before those of the tested code. The lock of pytest is for two versions
of CPython, so that it cannot be compiled with Airflow's as a constraint.
"""

import re
from pathlib import Path

OTHER_MACHINES = re.compile(r"< '3\.(10|11)'|== '3\.(9|10)\.\*'|'win32'")


def versions(name: str) -> dict[str, str]:
    """Returns what a lock installs on CPython 3.11 and Linux."""
    lock = Path(f"3rdparty/python/{name}.lock").read_text()
    entries = re.findall(r"^(\S+)==(\S+)( ;.*)? \\$", lock, re.MULTILINE)
    return {
        package: version
        for package, version, marker in entries
        if not OTHER_MACHINES.search(marker)
    }


def test_packages_of_both_have_the_same_version() -> None:
    pytest_has, airflow_has = versions("pytest"), versions("airflow")
    both = pytest_has.keys() & airflow_has.keys()
    assert {"packaging", "pluggy"} <= both
    assert {n: pytest_has[n] for n in both} == {n: airflow_has[n] for n in both}
