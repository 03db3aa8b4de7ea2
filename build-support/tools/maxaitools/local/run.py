"""Runs one DAG in a process with the environment of `home`.

The output of Airflow and of the tasks goes to a file. The terminal shows when a task starts
and ends, the log of a failed task, and a table at the end.
"""

import argparse
import contextlib
import datetime
import json
import os
import re
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import airflow
from airflow.dag_processing.dagbag import DagBag
from airflow.listeners import hookimpl
from airflow.sdk.listener import get_listener_manager
from airflow.utils.db import initdb

from maxairesources.errors import InputError
from maxairesources.tree import nearest
from maxaitools.local.containers import settings

# The number of last lines of a failed task's log that the terminal shows.
_LINES = 200

# Lines of Airflow and Spark that are not shown, and Airflow's frames of a traceback.
_NOISE = re.compile(
    r"(?m)^INFO (::(end)?group|Building pod |Spark-Submit cmd: ).*\n"
    r'|^  File "[^"]*/airflow/sdk/.*\n(    .*\n)*'
    r"|^(INFO )?\d\d/\d\d/\d\d \d\d:\d\d:\d\d INFO .*\n"
)
_WIDTH = 500

_FAILED = ("failed", "upstream_failed")
# Errors whose message is complete, without a traceback.
_PLAIN = ("InputError", "AirflowClusterPolicyViolation")


@dataclass
class Record:
    """The result of a task.

    Attributes:
        seconds: its run time, without Airflow's own work before and after.
        output: the paths of its output ports, with their sizes.
    """

    seconds: float
    output: list[str] = field(default_factory=list)


class Progress:
    """An Airflow listener that prints the progress on the terminal.

    Attributes:
        records: the result of each task, by its id and its index in a mapped task.
    """

    def __init__(self, terminal: IO[str], log: Path, data: Path) -> None:
        self.records: dict[tuple[str, int], Record] = {}
        self._terminal, self._log, self._data = terminal, log, data
        self._began, self._offset = time.monotonic(), 0

    @hookimpl
    def on_task_instance_running(self, previous_state: Any, task_instance: Any) -> None:
        self._mark()
        self._print(task_instance, "started")

    @hookimpl
    def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:
        self._end(task_instance, "success")

    @hookimpl
    def on_task_instance_skipped(self, previous_state: Any, task_instance: Any) -> None:
        self._end(task_instance, "skipped")

    @hookimpl
    def on_task_instance_failed(
        self, previous_state: Any, task_instance: Any, error: Any
    ) -> None:
        self._end(task_instance, task_instance.state.value)
        with self._log.open(errors="replace") as log:
            log.seek(self._offset)
            lines = _NOISE.sub("", log.read()).splitlines()
        for line in lines[-_LINES:]:
            print(f"    {line[:_WIDTH]}", file=self._terminal, flush=True)
        # A task that fails before it runs has logged since the end of the previous task.
        self._mark()

    def _mark(self) -> None:
        sys.stdout.flush()
        self._offset = self._log.stat().st_size
        self._began = time.monotonic()

    def _end(self, task_instance: Any, state: str) -> None:
        record = Record(time.monotonic() - self._began)
        self.records[task_instance.task_id, task_instance.map_index] = record
        if state == "success":
            record.output = list(_outputs(task_instance.task, self._data))
        self._print(task_instance, f"{state}, {record.seconds:.1f} s")

    def _print(self, task_instance: Any, what: str) -> None:
        name = _name(task_instance.task_id, task_instance.map_index)
        now = time.strftime("%H:%M:%S")
        print(f"{now} {name}: {what}", file=self._terminal, flush=True)


def _name(task_id: str, map_index: int) -> str:
    return task_id if map_index < 0 else f"{task_id}[{map_index}]"


def _outputs(task: Any, data: Path) -> Iterator[str]:
    """Yield the paths of a task's output ports, with their sizes.

    The task has run, so the templates in its config are rendered.
    """
    arguments = getattr(task, "arguments", None) or getattr(
        task, "application_args", None
    )
    arguments = list(arguments or ())
    if "--config" not in arguments or "--task" not in arguments:
        return
    # The last ones count, as in the handler.
    options = dict(zip(arguments, arguments[1:]))
    part = json.loads(options["--config"])[options["--task"]]
    for port in part["output"]:
        details = port["sourceDetails"]
        if details["source"] != "file":
            yield f"{details['source']}://{details['filePath']}"
            continue
        path = data / details["filePath"].removeprefix("/data/")
        yield f"{_shown(path)} ({_size(path)})"


def _shown(path: Path) -> str:
    inside = path.is_relative_to(Path.cwd())
    return str(path.relative_to(Path.cwd()) if inside else path)


def _size(path: Path) -> str:
    """Return the readable size of a file, or of a folder that Spark has written."""
    if not path.exists():
        return "missing"
    files = [path] if path.is_file() else path.rglob("*")
    size = float(sum(file.stat().st_size for file in files if file.is_file()))
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def table(rows: Iterable[tuple[str, str, float | None, Sequence[str]]]) -> str:
    """Return the table of tasks: name, state, seconds, and a line for each output."""
    lines = [("task", "state", "seconds", "output")]
    for name, state, seconds, output in rows:
        first, *others = output or [""]
        time = "" if seconds is None else f"{seconds:.1f}"
        lines.append((name, state, time, first))
        lines += [("", "", "", other) for other in others]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    lines.insert(1, ("-" * widths[0], "-" * widths[1], "-" * widths[2], "-" * 6))
    return "\n".join(
        f"{name:{widths[0]}}  {state:{widths[1]}}  {seconds:>{widths[2]}}  {output}".rstrip()
        for name, state, seconds, output in lines
    )


def load(folder: Path, root: Path) -> Any:
    """Return the DAG of an objective's folder.

    Raises:
        InputError: it cannot be loaded, or a task of it cannot run here.
    """
    bag = DagBag(folder / "dag.py")
    for text in bag.import_errors.values():
        last = text.strip().splitlines()[-1]
        kind, _, message = last.partition(": ")
        if kind.rpartition(".")[2] in _PLAIN:
            where, _, what = message.partition(": ")
            problem, _, remedy = what.rpartition("; ")
            raise InputError(problem, remedy, where)
        raise InputError(
            f"Airflow cannot load it: {text.strip()}",
            "fix the error",
            folder.relative_to(root) / "dag.py",
        )
    if len(bag.dags) != 1:
        raise InputError(
            f"defines {len(bag.dags)} DAGs", "define one", folder.relative_to(root)
        )
    return next(iter(bag.dags.values()))


def make_database(database: Path, template: Path) -> None:
    """Create Airflow's database as a copy of the one of the first run.

    Args:
        database: the path that Airflow expects.
        template: the path of the copy for later runs.
    """
    if template.exists():
        shutil.copyfile(template, database)
        return
    initdb()
    # Without a writable cache, each run creates its own.
    with contextlib.suppress(OSError):
        template.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=template.parent) as folder:
            draft = Path(folder, "draft")
            # Another run may create it at the same time.
            with sqlite3.connect(database) as source, sqlite3.connect(draft) as target:
                source.backup(target)
            os.replace(draft, template)


def select(dag: Any, task: str | None, first: str | None) -> Any:
    """Return the DAG with one task alone, or with a first one and all tasks after it.

    Raises:
        InputError: it has no such task.
    """
    name = task or first
    if name is None:
        return dag
    if name not in dag.task_ids:
        option = "--task" if task else "--from"
        raise InputError(
            f"the DAG has no task {name!r}", nearest(name, dag.task_ids), option
        )
    return dag.partial_subset(
        [name], include_upstream=False, include_downstream=name == first
    )


def logical_date(dag: Any, date: datetime.datetime | None) -> datetime.datetime | None:
    """Return the date of a DAG's run, in the DAG's time zone if it names none.

    Raises:
        InputError: it is before the DAG's start_date, so that no task would run.
    """
    if date is None:
        return None
    date = date if date.tzinfo else date.replace(tzinfo=dag.timezone)
    if dag.start_date and date < dag.start_date:
        raise InputError(
            f"{date:%Y-%m-%d %H:%M %Z} is before the DAG's start_date, "
            f"{dag.start_date:%Y-%m-%d %H:%M %Z}, so no task would run",
            "use a later date",
            "--date",
        )
    return date


def run(
    folder: Path,
    root: Path,
    date: datetime.datetime | None,
    terminal: IO[str],
    log: Path,
    task: str | None = None,
    first: str | None = None,
) -> int:
    """Run the DAG of an objective's folder, and return the exit code.

    Args:
        folder: the folder.
        root: the root of the repository.
        date: the run's logical date, None for now.
        terminal: the stream for progress and the table.
        log: the file with the standard output.
        task: a task to run alone.
        first: a task to run with all tasks after it.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    template = cache / "maxai-marketplace" / f"airflow-{airflow.__version__}.db"
    make_database(Path(os.environ["AIRFLOW_HOME"], "airflow.db"), template)
    dag = select(load(folder, root), task, first)
    date = logical_date(dag, date)
    to = settings()
    progress = Progress(terminal, log, Path(to.data))
    listeners: Any = get_listener_manager()
    listeners.add_listener(progress)
    when = {"logical_date": date} if date else {}
    dag_run = dag.test(**when)
    rows, failed = [], dag_run.state != "success"
    order = {task.task_id: place for place, task in enumerate(dag.topological_sort())}
    for instance in sorted(
        dag_run.get_task_instances(), key=lambda i: (order[i.task_id], i.map_index)
    ):
        record = progress.records.get((instance.task_id, instance.map_index))
        name = _name(instance.task_id, instance.map_index)
        state = str(instance.state or "not run")
        failed |= state in _FAILED
        rows.append(
            (
                name,
                state,
                record.seconds if record else None,
                record.output if record else (),
            )
        )
    print(f"\n{table(rows)}", file=terminal, flush=True)
    return int(failed)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a DAG with the arguments of `local.main`, and return the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--date", type=datetime.datetime.fromisoformat)
    parser.add_argument("--task")
    parser.add_argument("--from", dest="first")
    parser.add_argument("--log", type=Path, required=True)
    options = parser.parse_args(argv)
    terminal = os.fdopen(os.dup(1), "w")
    # The file descriptors, not only Python's streams, because Spark writes to them.
    with options.log.open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    try:
        return run(
            options.folder,
            Path.cwd(),
            options.date,
            terminal,
            options.log,
            options.task,
            options.first,
        )
    except InputError as error:
        print(f"error: {error}", file=terminal, flush=True)
        return 1
    except Exception:
        # Not an input error: everything in the log may help.
        print(options.log.read_text(errors="replace"), file=terminal, flush=True)
        raise


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Everything of the run is removed, so Airflow need not shut down, which takes seconds.
    os._exit(code)
