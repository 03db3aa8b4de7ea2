"""The one exception for what a person can mend: a file, a config, an argument."""

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Input that cannot be used, told in one line.

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
