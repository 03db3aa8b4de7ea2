"""Runs the tool until its n-th write, and then ends it without a warning, by SIGKILL.

    python -m deployer.dying N REPORT ARGUMENT...

A moment is just before each write, rename or removal there, in a folder by what the interpreter
tells its audit hooks, in a bucket before each request that writes and again before its
answer counts; and just before and in the middle of each push. The file REPORT gets a line for
each moment that was reached, so that a run which survives tells how many there are.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiobotocore.httpsession

import deployments
from deployer.deployment import find

# What changes a folder, by the names of Python's audit events.
_EVENTS = {"os.remove", "os.rename", "os.rmdir", "os.truncate"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
# In the middle of a push, in seconds after its start.
_MIDDLE = 0.03


def main(number: int, report: Path, arguments: list[str]) -> int:
    """Run the tool with moments counted; it does not return if there are so many.

    Args:
        number: the moment to end at; 0 means none.
        report: where the moments are listed.
        arguments: the tool's.
    """
    destination = find(arguments[1]).destination
    reached = 0
    log = report.open("a", buffering=1)
    counting = threading.Lock()

    def moment(what: str) -> None:
        nonlocal reached
        with counting:
            reached += 1
            log.write(f"{what}\n")
            if reached == number:
                os.kill(os.getpid(), signal.SIGKILL)

    def watch(event: str, details: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen" and "push" in details[1][:2]:
            moment("before a push")
            timer = threading.Timer(_MIDDLE, moment, ["in a push"])
            timer.daemon = True
            timer.start()
        elif event == "open":
            path, _, flags = details
            if flags & _WRITES and str(path).startswith(destination):
                moment(f"open {Path(path).relative_to(destination)}")
        elif event in _EVENTS:
            # A folder is removed from within, by names relative to an open one.
            *_, within = details
            path = str(details[0])
            if event in ("os.remove", "os.rmdir") and within != -1:
                path = f"{os.readlink(f'/proc/self/fd/{within}')}/{path}"
            if path.startswith(destination):
                moment(f"{event} {path}")

    sys.addaudithook(watch)
    stock: Callable[..., Any] = aiobotocore.httpsession.AIOHTTPSession.send

    async def send(self: Any, request: Any) -> Any:
        changes = request.method != "GET" and request.method != "HEAD"
        if changes:
            moment(f"before {request.method} {request.url.partition('?')[0]}")
        answer = await stock(self, request)
        if changes:
            moment(f"after {request.method} {request.url.partition('?')[0]}")
        return answer

    aiobotocore.httpsession.AIOHTTPSession.send = send
    return deployments.main(arguments)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
