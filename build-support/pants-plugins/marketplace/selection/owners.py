"""Reads the owners of a path from the CODEOWNERS file of GitHub."""

from __future__ import annotations

import re

CODEOWNERS = ".github/CODEOWNERS"
_WILDCARD = re.compile(r"\*\*/?|\*|\?")


def find_owners(codeowners: str, path: str) -> tuple[str, ...]:
    """Return the owners of a path: those of the last pattern that matches it.

    Args:
        codeowners: the content of the file.
        path: the path of a file, or of a folder with a slash at the end.
    """
    owners: tuple[str, ...] = ()
    for line in codeowners.splitlines():
        pattern, *names = line.partition("#")[0].split() or [""]
        if pattern and _expression(pattern).fullmatch(path):
            owners = tuple(names)
    return owners


def _expression(pattern: str) -> re.Pattern[str]:
    parts, end = [], 0
    body = pattern.strip("/")
    for found in _WILDCARD.finditer(body):
        wildcard = {"**/": "(.*/)?", "**": ".*", "?": "[^/]"}.get(found[0], "[^/]*")
        parts += [re.escape(body[end : found.start()]), wildcard]
        end = found.end()
    expression = "".join([*parts, re.escape(body[end:])])
    # A pattern without a slash before its end matches in each folder. A pattern of a folder
    # matches all files below it, but docs/* matches only the files in docs.
    if "/" not in pattern[:-1]:
        expression = f"(.*/)?{expression}"
    below = "" if body.endswith("/*") else "/.*" if pattern.endswith("/") else "(/.*)?"
    return re.compile(f"{expression}{below}", re.S)
