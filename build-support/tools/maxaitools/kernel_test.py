"""Test of the lock `notebook`: Jupyter starts its kernel, which runs code."""

from jupyter_client.manager import run_kernel


def test_kernel() -> None:
    with run_kernel() as client:
        reply = client.execute("6 * 7", reply=True, timeout=60)
    assert reply["content"]["status"] == "ok"
