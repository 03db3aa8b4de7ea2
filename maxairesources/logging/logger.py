"""Loggers with one format, on the standard error stream."""

import logging
import sys


def get_logger(name: str) -> logging.Logger:
    """Return the logger `name`, which shows messages from level INFO on.

    A module that runs as a command is called `__main__`; its logger is named after
    the module's real name. Where logging is set up already, that set-up is left alone.
    """
    if name == "__main__":
        spec = getattr(sys.modules["__main__"], "__spec__", None)
        name = spec.name if spec else name
    logger = logging.getLogger(name)
    logger.setLevel(logging.INFO)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return logger
