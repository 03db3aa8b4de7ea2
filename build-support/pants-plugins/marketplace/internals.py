"""Replaces parts of Pants that have no hook; `changed_since` is the only other module that does.

- A mistake in a file of the marketplace is an error of one line, with the file first. Stock Pants
  puts a traceback of its engine in front, and advice that leaves a package out of the image.
- A folder of maxaidags names its objective for `run`, and not all of its Python files.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any, Callable, Iterator, NoReturn

from pants.backend.python.dependency_inference.rules import UnownedDependencyError
from pants.backend.python.goals.run_python_source import PythonSourceFieldSet
from pants.backend.python.target_types import PythonSourceField
from pants.base.build_environment import get_buildroot
from pants.engine.internals.scheduler import ExecutionError, SchedulerSession
from pants.engine.target import Target

from maxairesources.tree import DAGS, TREES

# Errors of these kinds are defects of Pants or of this plugin.
_DEFECTS = (AssertionError, AttributeError, IndexError, KeyError, TypeError)
_REQUIREMENT = r"Invalid requirement (.+) in (\S+) at line (\d+): (.*)"
_OF_PACKAGE = (
    "correct it, or add its package to requirements.txt and run ./pants lock; a package with "
    'another name needs marketplace_domain(module_mapping={{"<package>": ["{}"]}})'
)
_OF_DOMAIN = "use only the own domain and maxairesources, or correct it"


def explain(error: Exception) -> str:
    """Return an error of Pants as lines that begin with the file."""
    text = str(error).strip()
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {error.msg}"
    if found := re.match(r"Failed to parse (?:\./)?(\S+):\n(.*)", text):
        return f"{found[1]}: {found[2]}"
    if isinstance(error, UnownedDependencyError):
        (file,) = re.findall(r"in the target ([^:\s]+)", text)
        lines = []
        for name, line in re.findall(r"\* (\S+) \(line: (\d+)\)", text):
            root = name.partition(".")[0]
            fix = _OF_DOMAIN if root in TREES else _OF_PACKAGE.format(root)
            lines.append(f"{file}:{line}: nothing provides the import {name}; {fix}")
        return "\n".join(lines)
    if "utf-8" in text:
        named = [f"{place}: is not in UTF-8; save it so" for place in _undecodable()]
        return "\n".join(named) or text
    # pants.toml ignores warnings that begin as this error does.
    text = re.sub(
        r"^Unmatched glob from (.*): \"(.*)\"\s.*",
        r"\2: no such file (\1)",
        text,
        flags=re.S,
    )
    return re.sub(_REQUIREMENT, r"\2:\3: the requirement \1 is not valid (\4)", text)


def _undecodable() -> Iterator[str]:
    """Yield the lines that Pants cannot decode, each with its file, which no error names."""
    for pattern in ("**/*.py", "**/BUILD", "*/requirements.*", "*/Dockerfile"):
        for path in sorted(Path(get_buildroot()).glob(f"maxai*/{pattern}")):
            try:
                path.read_bytes().decode()
            except UnicodeDecodeError as error:
                line = error.object.count(b"\n", 0, error.start) + 1
                yield f"{path.relative_to(get_buildroot())}:{line}"


def _without_traceback(stock: Callable[..., NoReturn]) -> Callable[..., NoReturn]:
    @functools.wraps(stock)
    def wrapper(self: SchedulerSession, throws: list[Any]) -> NoReturn:
        errors = [throw.exc for throw in throws]
        is_defect = any(isinstance(error, _DEFECTS) for error in errors)
        if is_defect or self._scheduler.include_trace_on_error:
            stock(self, throws)
        lines = dict.fromkeys(map(explain, errors))
        raise ExecutionError("\n".join(lines), wrapped_exceptions=tuple(errors))

    return wrapper


def _is_in_dags(cls: type[PythonSourceFieldSet], tgt: Target) -> bool:
    return tgt[PythonSourceField].file_path.startswith(f"{DAGS}/")


def install() -> None:
    """Replace both for all later runs of this process; a second call changes nothing."""
    stock = SchedulerSession._raise_on_error
    if not hasattr(stock, "__wrapped__"):
        SchedulerSession._raise_on_error = _without_traceback(stock)  # type: ignore[method-assign]
    PythonSourceFieldSet.opt_out = classmethod(_is_in_dags)  # type: ignore[assignment]
