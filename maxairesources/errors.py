"""The one exception for input that a person can fix, and the parts of its message."""


class InputError(ValueError):
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
