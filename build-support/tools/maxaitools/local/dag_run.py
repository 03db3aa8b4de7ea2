"""Runs one DAG in this process, and prints its progress and a table at the end."""

import argparse
import datetime
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any

from airflow.api_fastapi.execution_api.versions import bundle
from airflow.dag_processing.dagbag import DagBag
from airflow.listeners import hookimpl
from airflow.sdk.definitions.param import process_params
from airflow.sdk.exceptions import ParamValidationError
from airflow.sdk.listener import get_listener_manager
from airflow.utils.db import initdb

from maxairesources.deployed import ObjectiveConfigs
from maxairesources.errors import InputError, raise_all
from maxairesources.launches import SPARK
from maxairesources.testing.dag_checks import mistakes_in, mistakes_in_launches
from maxairesources.tree import nearest
from maxaitools.local.airflow_server import VARIABLES
from maxaitools.local.run_page import page
from maxaitools.local.task_facts import Facts, Memory, outputs, shown, table
from maxaitools.steps import paint, say

# Errors whose message is complete, without a traceback.
_PLAIN = re.compile(r"[\w.]*(?:InputError|PolicyViolation): (.*?): (.*); (.*)")
_COLORS = {"error": "red", "warning": "yellow"}
_NO_VARIABLE = re.compile("VARIABLE_NOT_FOUND: .*Variable (.+) not found")


class Progress:
    """An Airflow listener that prints the progress.

    Attributes:
        facts: those of each task that ran, by its name in the table.
        reasons: why tasks failed, likewise.
    """

    def __init__(self, data: Path) -> None:
        self.facts: dict[str, Facts] = {}
        self.reasons: dict[str, str] = {}
        self._data, self._start = data, time.monotonic()
        self._began: float | None = None

    @hookimpl
    def on_task_instance_running(self, task_instance: Any) -> None:
        self._began, sys.tracebacklimit = time.monotonic() - self._start, 1000
        # Airflow's own handler would not end the container.
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
        say(f"{name_of(task_instance)}: started")

    @hookimpl
    def on_task_instance_success(self, task_instance: Any) -> None:
        now = time.monotonic() - self._start
        # A task whose template fails does not begin.
        began, self._began = self._began, None
        seconds = None if began is None else now - began
        name, task = name_of(task_instance), task_instance.task
        state = task_instance.state.value
        memory = getattr(task, "local_memory", Memory())
        written = (*outputs(task, self._data),) if state == "success" else ()
        self.facts[name] = Facts(name, state, began or now, seconds, memory, written)
        say(f"{name}: {state}, {shown(seconds)} s")

    on_task_instance_skipped = on_task_instance_success

    @hookimpl
    def on_task_instance_failed(self, task_instance: Any, error: Any) -> None:
        if error is not None:
            self.reasons[name_of(task_instance)] = reason(error)
        self.on_task_instance_success(task_instance)


def name_of(task_instance: Any) -> str:
    """Return the name of a task, with its index if it is mapped."""
    index = task_instance.map_index
    return task_instance.task_id + (f"[{index}]" if index >= 0 else "")


def reason(error: object) -> str:
    """Return why a task failed, in one line."""
    line = str(error).strip().partition("\n")[0]
    if missing := _NO_VARIABLE.search(line):
        remedy = f"set AIRFLOW_VAR_{missing[1].upper()}, or add it to {VARIABLES}"
        return f"the Variable {missing[1]!r} is missing; {remedy}"
    return f"{type(error).__name__}: {line}".removesuffix(": ")


def load(file: Path) -> Any:
    """Return the DAG of a dag.py.

    Raises:
        InputError: it cannot be loaded, or a task of it cannot run here.
    """
    bag = DagBag(file)
    for text in bag.import_errors.values():
        lines = text.strip().splitlines()
        last = next((each for each in lines[::-1] if _PLAIN.match(each)), lines[-1])
        if found := _PLAIN.match(last):
            where, problem, remedy = found.groups()
            raise InputError(problem, remedy, where)
        if _NO_VARIABLE.search(last):
            raise InputError("Airflow cannot load it", reason(last), file)
        print(text, file=sys.stderr)
        raise InputError("Airflow cannot load it", "fix the error above", file)
    if len(bag.dags) != 1:
        raise InputError(f"defines {len(bag.dags)} DAGs", "define one", file)
    return next(iter(bag.dags.values()))


def select(dag: Any, task: str | None, first: str | None) -> Any:
    """Return the DAG with one task alone, or with a first one and all tasks after it.

    Raises:
        InputError: it has no such task.
    """
    if (name := task or first) is None:
        return dag
    if name not in dag.task_ids:
        option = "--task" if task else "--from"
        problem = f"the DAG has no task {name!r}"
        raise InputError(problem, nearest(name, dag.task_ids), option)
    return dag.partial_subset(
        [name], include_upstream=False, include_downstream=name == first
    )


def check_date(dag: Any, date: datetime.datetime) -> datetime.datetime:
    """Return the date of a DAG's run, in the DAG's time zone if it names none.

    Raises:
        InputError: Airflow would run no task, because the date is in the future or before
            the DAG's start_date.
    """
    date = date if date.tzinfo else date.replace(tzinfo=dag.timezone)
    if not (dag.start_date or date) <= date <= datetime.datetime.now(datetime.UTC):
        raise InputError(
            f"Airflow runs no task of {date:%Y-%m-%d %H:%M %Z}",
            f"use a date after the DAG's start_date ({dag.start_date}) and before now",
            "--date",
        )
    return date


def turn_off_retries(dag: Any) -> None:
    """Let each task fail the first time, and print which tasks have retries."""
    retried = [task for task in dag.tasks if task.retries]
    for task in retried:
        task.retries = 0
    if retried:
        names = ", ".join(task.task_id for task in retried)
        print(f"retries are off ({names}); --retries turns them on")


def warning(facts: Facts, configs: ObjectiveConfigs, file: Path) -> str | None:
    """Return a line about the memory limit of a task if it is low.

    It names the launch config; a task that has none has its limit in the dag.py, the `file`.
    """
    if (wanted := facts.memory.wanted) is None:
        return None
    # In a table, a task has its group before its name, and its index after it.
    name = facts.name.partition("[")[0].rpartition(".")[2]
    launch = configs.launches.get(name)
    is_spark = launch is not None and launch.operator == SPARK
    key = "spark.driver.memory" if is_spark else "the memory limit"
    problem = f"task {facts.name!r} used {facts.memory}"
    remedy = f"raise {key} to {wanted}{'m' if is_spark else 'Mi'} or more"
    return f"warning: {InputError(problem, remedy, launch.file if launch else file)}"


def run(options: argparse.Namespace, data: Path, configs: ObjectiveConfigs) -> int:
    """Run the DAG of an objective, and return the exit code.

    Args:
        options: the command line.
        data: the data root.
        configs: the objective's, which are valid.
    """
    raise_all(mistakes_in_launches(configs))
    file = options.folder / "dag.py"
    initdb()
    mistakes = [*mistakes_in(whole := load(file), configs, str(file))]
    for mistake in mistakes:
        print(f"error: {mistake}", file=sys.stderr)
    if mistakes:
        return 1
    dag = select(whole, options.task, options.first)
    if not options.retries:
        turn_off_retries(dag)
    when = {"logical_date": check_date(dag, options.date)} if options.date else {}
    # Tasks use the newest version of Airflow's API; making all nine takes a second.
    bundle.versions = bundle.versions[:2]
    progress = Progress(data)
    get_listener_manager().add_listener(progress)
    # Before a task begins, Airflow's frames explain nothing, such as in a template.
    sys.tracebacklimit = 0
    try:
        for task in dag.tasks:
            process_params(dag, task, options.conf, suppress_exception=False)
        dag_run = dag.test(run_conf=options.conf, **when)
    except ParamValidationError as error:
        remedy = """set it, as in --conf '{"country": "de"}'"""
        raise InputError(str(error).partition("\n")[0], remedy, file) from error
    finally:
        sys.tracebacklimit = 1000
    order = [task.task_id for task in dag.topological_sort()]
    facts, errors = [], []
    instances = dag_run.get_task_instances()
    for each in sorted(instances, key=lambda i: (order.index(i.task_id), i.map_index)):
        name, state = name_of(each), str(each.state or "not run")
        facts.append(progress.facts.get(name, Facts(name, ""))._replace(state=state))
        if state not in ("success", "skipped", "upstream_failed"):
            errors.append(f"error: task {name!r}: {progress.reasons.get(name, state)}")
    if dag_run.state != "success" and not errors:
        errors = ["error: the DAG's run failed"]
    notes = [*filter(None, (warning(each, configs, file) for each in facts)), *errors]
    print(f"\n{table(facts)}")
    # Not on stderr, which Pants may show before the table.
    print(end="\n" if notes else "")
    for line in notes:
        print(paint(line, _COLORS[line.partition(":")[0]]))
    if options.report:
        title, deployment = "/".join(file.parts[1:-1]), options.deployment or "none"
        about = f"{dag_run.state}, deployment {deployment}, data in {data}"
        # Until now, it has the page of an earlier run.
        options.report.truncate(0)
        options.report.write(page(title, about, notes, facts))
        options.report.close()
        print(f"\nreport: {options.report.name}")
    return 1 if errors else 0
