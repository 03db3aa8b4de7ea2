"""Writes new files to a staging folder, and moves all of them to their places, or none."""

from __future__ import annotations

import dataclasses
import functools
import shutil
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import copier

from maxairesources.tree import MACROS, PANTS_TOML
from maxaitools import lock
from maxaitools.new.repository import (
    OPERATORS,
    Refused,
    Repository,
    add_to_macros,
    add_to_pants_toml,
)

# The signals that end the command, but that can be blocked.
SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)

_TEMPLATES = Path(__file__).resolve().with_name("templates")


def render(template: str, stage: Path, **names: Any) -> None:
    """Write the files of a template.

    Args:
        template: the name of a folder in templates/.
        stage: the folder to write to.
        names: the variables of the template.

    Raises:
        Refused: the template has an error.
    """
    try:
        copier.run_copy(
            str(_TEMPLATES),
            stage,
            {"template": template, "BUILD": "BUILD", **names},
            # The user's own settings of copier must not change the files.
            settings=copier.Settings(),
            defaults=True,
            quiet=True,
            skip_tasks=True,
        )
    except OSError:
        raise
    except Exception as error:
        # Copier and Jinja have no common class of errors.
        problem = " ".join(str(error).split())
        raise Refused(f"{_TEMPLATES.name}/{template}: {problem}") from None


def write_domain(
    repository: Repository, stage: Path, domain: str, *, spark: bool
) -> None:
    """Write the files of a new domain, and the edited files, to the stage.

    Raises:
        Refused: a file cannot be edited.
        lock.LockError: the requirements cannot be locked.
    """
    base = repository.base_image("spark" if spark else "python")
    render("domain", stage, domain=domain, spark=spark, base=base)
    macros = add_to_macros(repository.macros, "DOMAINS", domain)
    if spark:
        macros = add_to_macros(macros, "SPARK_DOMAINS", domain)
    (stage / MACROS).parent.mkdir()
    (stage / MACROS).write_text(macros)
    (stage / PANTS_TOML).write_text(add_to_pants_toml(repository.pants_toml, domain))
    print(f"Compiling the lock of {domain} ...", flush=True)
    resolve = lock.read_resolves(stage / PANTS_TOML)[domain]
    staged = dataclasses.replace(resolve, lock=stage / resolve.lock)
    lock.compile_lock(staged, upgrade=False)


def write_usecase(
    stage: Path,
    *,
    domain: str,
    usecase: str,
    objective: str,
    operator: str,
    handlers: Sequence[str],
) -> None:
    """Write the files of a new usecase to the stage.

    Args:
        stage: the folder to write to.
        domain: the name of an existing domain.
        usecase: the name of the usecase.
        objective: the name of its first objective.
        operator: kubepod or spark.
        handlers: the names of the handlers, in the order of their tasks.
    """
    names = {
        "domain": domain,
        "usecase": usecase,
        "objective": objective,
        "operator": operator,
        "operator_class": OPERATORS[operator],
        "port_type": "spark" if operator == "spark" else "pandas",
        "handlers": handlers,
    }
    render("usecase", stage, **names)
    render(operator, stage, **names)
    for handler in handlers:
        render("handler", stage, handler=handler, **names)


def place(stage: Path, root: Path) -> None:
    """Move all files from the stage to the root; after an error, move them back."""
    undo: list[Callable[[], object]] = []
    # The moves are quick, so signals can wait until they are done.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        _place(stage, root, undo)
        # Everything is written. A signal must not hide that from the user.
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
    except BaseException:
        for step in reversed(undo):
            step()
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _place(stage: Path, folder: Path, undo: list[Callable[[], object]]) -> None:
    for path in sorted(stage.iterdir()):
        target = folder / path.name
        if not target.exists():
            path.rename(target)
            undo.append(functools.partial(target.rename, path))
        elif path.is_dir():
            _place(path, target, undo)
        else:
            shutil.copymode(target, path)
            old = path.with_name(f"{path.name}.old")
            shutil.copy2(target, old)
            path.replace(target)
            undo.append(functools.partial(old.replace, target))
