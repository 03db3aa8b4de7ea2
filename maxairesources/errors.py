"""The one exception for input that a person can fix, and the parts of its message."""

import difflib
import re
from collections.abc import Iterable
from typing import Any


class InputError(Exception):
    """Input that cannot be used; the message is one line.

    Args:
        problem: what is wrong, naming the column, key or value.
        remedy: what to do about it.
        subject: the file that it is about; None means the config file, whose name
            only the command line knows.
    """

    def __init__(self, problem: str, remedy: str, subject: object = None) -> None:
        super().__init__(problem, remedy, subject)
        self.problem = problem
        self.remedy = remedy
        self.subject = subject

    def __str__(self) -> str:
        where = "config" if self.subject is None else self.subject
        return " ".join(f"{where}: {self.problem}; {self.remedy}".split())


def nearest(name: str, valid: Iterable[str], otherwise: str | None = None) -> str:
    """Return a remedy that names the valid names nearest to `name`.

    Args:
        name: the name that is not valid.
        valid: the names that are.
        otherwise: the remedy when none is near; None means to name all of them.
    """
    names = sorted(valid)
    close = difflib.get_close_matches(name, names)
    if close:
        return f"did you mean {' or '.join(close)}?"
    if otherwise is not None:
        return otherwise
    return f"use one of: {', '.join(names) or 'none is defined'}"


def json_path(path: Iterable[Any]) -> str:
    """Return a path of keys and indexes as RFC 9535 writes it, such as $.tasks[0].id."""
    parts = ["$"]
    for key in path:
        if isinstance(key, int):
            parts.append(f"[{key}]")
        elif re.fullmatch(r"[A-Za-z_]\w*", key):
            parts.append(f".{key}")
        else:
            parts.append(f"[{key!r}]")
    return "".join(parts)
