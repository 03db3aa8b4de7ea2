"""Test of the lock `notebook`: Jupyter starts its kernel, which runs code."""

from typing import Any

from jupyter_client.manager import run_kernel


def test_kernel() -> None:
    started: Any = run_kernel()
    with started as client:
        reply = client.execute("6 * 7", reply=True, timeout=60)
    assert reply["content"]["status"] == "ok"
