"""Prints the steps of a command, with colors on a terminal."""

from __future__ import annotations

import os
import sys
import time

_STARTED = time.monotonic()
_COLORS = {"red": 31, "green": 32, "yellow": 33, "gray": 90}


def say(line: str) -> None:
    """Print a step, with the seconds since the start of the command."""
    seconds = paint(f"{time.monotonic() - _STARTED:6.1f} s", "gray")
    print(f"{seconds}  {line}", flush=True)


def paint(text: str, color: str | None) -> str:
    """Return a string in a color; unchanged without a terminal, or if NO_COLOR is set."""
    if color is None or os.environ.get("NO_COLOR") or not sys.stdout.isatty():
        return text
    return f"\033[{_COLORS[color]}m{text}\033[0m"
