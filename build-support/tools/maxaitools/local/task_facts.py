"""The facts of a local run: the time, the memory and the output of each task.

A fact that nothing measured is unknown, and shown as "-".
"""

import itertools
import json
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from maxaitools.steps import paint

_COLORS = {"success": "green", "failed": "red", "upstream_failed": "red"}
_MIB = 2**20
# A pod whose limit is lower than what it used, times this, may be killed with other data.
_MARGIN = 1.3


class Memory(NamedTuple):
    """The memory of a task, in bytes.

    Attributes:
        peak: the most that its container used.
        limit: the limit of its pod, or for Spark of the driver's heap.
    """

    peak: int | None = None
    limit: int | None = None

    def __str__(self) -> str:
        if self == (None, None):
            return "-"
        peak = "-" if self.peak is None else math.ceil(self.peak / _MIB)
        limit = "-" if self.limit is None else self.limit // _MIB
        return f"{peak} of {limit} MiB"

    @property
    def wanted(self) -> int | None:
        """The lowest limit in MiB that leaves a margin, if the limit is lower than that."""
        if self.peak is None or self.limit is None or self.limit >= _MARGIN * self.peak:
            return None
        return math.ceil(_MARGIN * self.peak / _MIB)


class Facts(NamedTuple):
    """What is known of a task after a run.

    Attributes:
        name: its name, with its index if it is mapped.
        state: its state in Airflow.
        began: the seconds from the start of the run to its own.
        seconds: how long it ran.
        memory: its memory.
        outputs: a line for each of its output ports.
    """

    name: str
    state: str
    began: float = 0.0
    seconds: float | None = None
    memory: Memory = Memory()
    outputs: tuple[str, ...] = ()


def outputs(task: Any, data: Path) -> Iterator[str]:
    """Yield the paths of a task's output ports, with their rows and sizes.

    The task has run, so the templates in its config are rendered.
    """
    words = getattr(task, "arguments", None) or getattr(task, "application_args", None)
    # The last ones count, as in the handler.
    options = dict(zip(words or (), (words or ())[1:]))
    if "--config" not in options or "--task" not in options:
        return
    for port in json.loads(options["--config"])[options["--task"]]["output"]:
        details = port["sourceDetails"]
        if details["source"] == "file":
            path = data / details["filePath"].removeprefix("/data/")
            yield f"{os.path.relpath(path)} ({_size(path, port)})"
        else:
            yield f"{details['source']}://{details['filePath']} (- rows, - bytes)"


def _size(path: Path, port: dict[str, Any]) -> str:
    """Return the rows and the size of a file, or of a folder that Spark has written."""
    if not path.exists():
        return "missing"
    size = sum(f.stat().st_size for f in (path, *path.rglob("*")) if f.is_file())
    return f"{_count_rows(path, port)} rows, {size:,} bytes"


def _count_rows(path: Path, port: dict[str, Any]) -> str:
    """Return the number of rows of a table, or "-" if it cannot be counted."""
    # They need half a second to load, and only a task that has written needs them.
    import pyarrow as pa
    from pyarrow import csv, dataset

    file_format, options = port["sourceDetails"]["fileFormat"], port.get("options", {})
    formats = {
        "csv": lambda sep=",": dataset.CsvFileFormat(
            csv.ParseOptions(delimiter=sep, newlines_in_values=True)
        ),
        "json": dataset.JsonFileFormat,
        "parquet": lambda **_: dataset.ParquetFileFormat(),
    }
    try:
        found = formats[file_format](**options)
        return f"{dataset.dataset(path, format=found).count_rows():,}"
    # An unknown format or option, or a content that Arrow reads in another way.
    except (KeyError, TypeError, ValueError, OSError, pa.ArrowException):
        return "-"


def table(facts: Iterable[Facts]) -> str:
    """Return the table of tasks, with a line for each output."""
    lines = [("task", "state", "seconds", "memory", "output")]
    for each in facts:
        cells = ([each.name], [each.state], [shown(each.seconds)], [str(each.memory)])
        lines += itertools.zip_longest(*cells, each.outputs, fillvalue="")
    a, b, c, d = (max(len(line[column]) for line in lines) for column in range(4))
    lines.insert(1, ("-" * a, "-" * b, "-" * c, "-" * d, "------"))
    return "\n".join(
        f"{name:{a}}  {paint(f'{state:{b}}', _COLORS.get(state))}  {seconds:>{c}}  "
        f"{memory:>{d}}  {output}".rstrip()
        for name, state, seconds, memory, output in lines
    )


def shown(seconds: float | None) -> str:
    """Return seconds with one decimal, or "-"."""
    return "-" if seconds is None else f"{seconds:.1f}"
