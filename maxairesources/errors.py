"""The one exception for input that a person can fix, and the parts of its message."""

from collections.abc import Iterable


class InputError(ValueError):
    """Input that cannot be used; the message is one line for each mistake.

    Args:
        problem: what is wrong, naming the column, key or value.
        remedy: what to do about it.
        subject: the file that it is about; None means the config file, whose name
            only the command line knows.

    Attributes:
        others: further mistakes in the same input.
    """

    def __init__(self, problem: str, remedy: str, subject: object = None) -> None:
        super().__init__(problem, remedy, subject)
        self.problem = problem
        self.remedy = remedy
        self.subject = subject
        self.others: tuple[InputError, ...] = ()

    def __str__(self) -> str:
        where = "config" if self.subject is None else self.subject
        line = " ".join(f"{where}: {self.problem}; {self.remedy}".split())
        return "\n".join([line, *map(str, self.others)])


def raise_all(mistakes: Iterable[InputError]) -> None:
    """Raise the mistakes, each once, as one error; do nothing if there are none."""
    found = [part for each in mistakes for part in (each, *each.others)]
    for each in found:
        each.others = ()
    if found:
        first, *others = {str(each): each for each in found}.values()
        first.others = (*others,)
        raise first
