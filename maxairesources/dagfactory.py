"""Creates the Airflow DAG of an objective from its dag.py and its configs."""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import DAG
from jinja2 import pass_context

from maxairesources.configs.document import has_template
from maxairesources.configs.objective import KUBEPOD, SPARK, read_objective
from maxairesources.dags.operators import operator_class, parameters, to_python
from maxairesources.deployed import Deployed
from maxairesources.errors import InputError
from maxairesources.tree import (
    CONFIGS,
    DAG_FILE,
    DAGS,
    LAUNCHED_FROM,
    json_path,
    nearest,
    path_of,
)

ROOT = "root"

# The argument of each operator that passes --config and --task to the handler.
_PASSES_CONFIG = {SPARK: "application_args", KUBEPOD: "arguments"}
# If a DAG renders native objects, Jinja evaluates text that is a Python literal; the space in
# front prevents that.
_CONFIG = " {{ maxai_config() }}"


class DAGFactory:
    """Collects the tasks of an objective and connects them to a DAG.

    It reads the configs in the folder maxaiconfigs beside maxaidags. In a deployment it
    merges the deployment's overlays, and sets the images and the data root; see `Deployed`.
    `testing.dags.check_dag` finds more mistakes than this does.

    Attributes:
        dag: Airflow's DAG, for everything else that Airflow offers: an operator or a
            sensor made with `dag=factory.dag`, which may be a parent, or a
            `TaskGroup(..., dag=factory.dag)` for the argument `task_group` of `add`.
    """

    def __init__(
        self,
        dag_id: str | None = None,
        domain_name: str | None = None,
        usecase: str | None = None,
        obj: str | None = None,
        schedule_interval: Any = None,
        default_args: Mapping[str, Any] | None = None,
        **dag_kwargs: Any,
    ) -> None:
        """Create the DAG of an objective, without tasks.

        Args:
            dag_id: the DAG's id; <domain>.<usecase>.<objective> by default.
            domain_name: the domain's name; the folder of the dag.py has it too.
            usecase: the usecase's name, likewise.
            obj: the objective's name, likewise.
            schedule_interval: the `schedule` of Airflow's DAG: None, a cron expression,
                a timedelta, a timetable or assets. `schedule` is the same.
            default_args: default arguments of all operators; the owner is the domain
                unless they name another.
            dag_kwargs: further arguments of Airflow's DAG. The tags domain, usecase and
                objective are added to given ones.

        Raises:
            InputError: the dag.py is in a folder with other names, Airflow rejects an
                argument, or a config cannot be read.
        """
        root, self._file, names = _find_dag_file((domain_name, usecase, obj))
        self._deployed = Deployed.read(root)
        self._configs = read_objective(root, names, self._deployed)
        self._usecase_configs = path_of(CONFIGS, names[:2])
        self._parents: dict[str, Sequence[str]] = {}
        self._operators: dict[str, Any] = {}
        self._default_args = {"owner": names[0], **(default_args or {})}
        tags = dag_kwargs.pop("tags", None) or ()
        macros = dag_kwargs.pop("user_defined_macros", None) or {}
        dag_kwargs.setdefault("is_paused_upon_creation", self._deployed.paused)
        own = {
            "dag_id": dag_id or ".".join(names),
            "default_args": self._default_args,
            "tags": {*names, *([tags] if isinstance(tags, str) else tags)},
            "user_defined_macros": {**macros, "maxai_config": self._render_config()},
        }
        if schedule_interval is not None:
            own["schedule"] = schedule_interval
        self.dag: DAG = self._call("the DAG", DAG, dag_kwargs, {}, **own)

    def add(
        self, task_id: str, operator: Any, parent: Sequence[str], **operator_kwargs: Any
    ) -> Any:
        """Add a task.

        Args:
            task_id: the task's id, and its name in the configs.
            operator: the operator's name, a key of `OPERATORS`, or its class.
            parent: the ids of the tasks before it, which may be added later, or made
                with `dag=factory.dag`; ["root"] for a first task.
            operator_kwargs: the operator's further arguments. `expand`, a dict, maps the
                task over lists, as `expand` does in Airflow.

        Returns:
            Airflow's operator.

        Raises:
            InputError: the operator or an argument is unknown, the parents are not a list,
                or no launch config has the task.
        """
        where = f"task {task_id!r}"
        if task_id == ROOT:
            problem = f"{where} is reserved: it marks a task without a parent"
            raise self._wrong(problem, "rename the task")
        if isinstance(parent, str) or not isinstance(parent, Sequence) or not parent:
            remedy = 'use a list of task ids, or ["root"] for a first task'
            raise self._wrong(f"{where} has the parent {parent!r}", remedy)
        try:
            taker = operator_class(operator)
        except InputError as error:
            raise self._wrong(f"{where}: {error.problem}", error.remedy) from None
        expand = dict(operator_kwargs.pop("expand", {}))
        arguments = self._with_launch(task_id, taker, operator_kwargs, expand)
        own = {"task_id": task_id, "dag": self.dag}
        task = self._call(where, taker, arguments, expand, **own)
        self._parents[task_id] = parent
        self._operators[task_id] = task
        return task

    def create_dag(self) -> DAG:
        """Connect the tasks and return the DAG.

        Raises:
            InputError: a parent is unknown.
        """
        # Those that were made without this factory, too.
        tasks = {**self.dag.task_dict, **self._operators}
        for task_id, parents in self._parents.items():
            for parent in (each for each in parents if each != ROOT):
                if parent not in tasks:
                    problem = f"task {task_id!r} has an unknown parent {parent!r}"
                    raise self._wrong(problem, nearest(str(parent), (*tasks, ROOT)))
                self._operators[task_id].set_upstream(tasks[parent])
        return self.dag

    def _render_config(self) -> Callable[..., str]:
        """Return the macro whose result is the argument --config of a handler.

        It renders each string of the py_config, so that no value can change the JSON around it.
        """

        @pass_context
        def render_config(context: Any) -> str:
            environment = self.dag.get_template_env(force_sandboxed=True)
            templates = environment.overlay(keep_trailing_newline=True)
            variables = context.get_all()

            def render(value: Any) -> Any:
                if isinstance(value, dict):
                    return {render(key): render(item) for key, item in value.items()}
                if isinstance(value, list):
                    return [render(item) for item in value]
                if has_template(value):
                    return templates.from_string(value).render(variables)
                return value

            text = json.dumps(render(self._configs.py_config), separators=(",", ":"))
            # Kubernetes replaces $(NAME) in arguments with a variable, and $$ with $.
            return text.replace("$", "\\u0024")

        return render_config

    def _with_launch(
        self,
        task_id: str,
        taker: Any,
        given: dict[str, Any],
        expand: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return the arguments of a task with those of its launch, if it has one.

        A subclass of an operator that a launch config is for needs none.
        """
        launch = self._configs.launches.get(task_id)
        if not launch or launch.operator not in _names(taker):
            if config := LAUNCHED_FROM.get(taker.__name__):
                problem = f"task {task_id!r} is not in {self._usecase_configs}/{config}"
                known = {*self._configs.launches} - {task_id}
                raise self._wrong(problem, nearest(task_id, known, "add it there"))
            return given
        key, arguments = _PASSES_CONFIG[launch.operator], to_python(launch)
        own = arguments.get(key) or []
        arguments[key] = [*own, "--config", _CONFIG, "--task", task_id]
        for name in arguments.keys() & {*given, *expand}:
            problem = f"task {task_id!r}: {name} is given here and in {launch.file}"
            remedy = "keep one of them; to map a task, use env_vars"
            raise self._wrong(problem, remedy)
        return {**arguments, **given}

    def _call(
        self,
        where: str,
        taker: Any,
        arguments: dict[str, Any],
        expand: dict[str, Any],
        **own: Any,
    ) -> Any:
        """Return a new DAG or operator; the error of Airflow becomes an InputError."""
        try:
            if KUBEPOD in _names(taker) and self._deployed.data_root:
                add = self._deployed.with_data_root
                if "env_vars" in expand:
                    expand["env_vars"] = [*map(add, expand["env_vars"])]
                else:
                    arguments["env_vars"] = add(arguments.get("env_vars"))
            if expand:
                return taker.partial(**arguments, **own).expand(**expand)
            return taker(**arguments, **own)
        except Exception as error:
            problem, remedy = f"Airflow rejects it ({error})", "correct its arguments"
            for name in arguments:
                if name not in (known := parameters(taker)):
                    problem = f"{taker.__name__} has no argument {name!r}"
                    remedy = nearest(name, known, "remove it")
            launch = self._configs.launches.get(str(own.get("task_id")))
            if launch:
                problem += f"; see {launch.file}, {json_path(launch.path)}"
            raise self._wrong(f"{where}: {problem}", remedy) from error

    def _wrong(self, problem: str, remedy: str) -> InputError:
        return InputError(problem, remedy, self._file)


def _names(taker: type) -> list[str]:
    """Return the name of a class, and those of its bases."""
    return [base.__name__ for base in taker.__mro__]


def _find_dag_file(
    given: Sequence[str | None],
) -> tuple[Path, str, tuple[str, ...]]:
    """Return the marketplace's folder, and the name and objective of the dag.py that runs.

    A helper module may create the factory for a dag.py.

    Raises:
        InputError: there is none, or its folder differs from the given names.
    """
    frame = sys._getframe(2)
    file = frame.f_code.co_filename
    while frame:
        path = Path(os.path.realpath(frame.f_code.co_filename))
        if match := DAG_FILE.fullmatch("/".join(path.parts[-5:])):
            names = match.groups()
            wanted = tuple(one or other for one, other in zip(given, names))
            if wanted == names:
                return path.parents[4], match[0], names
            problem = f"is the DAG of {'/'.join(wanted)}, but it is in another folder"
            remedy = f"move it to {path_of(DAGS, wanted)}/, or correct the names"
            raise InputError(problem, remedy, match[0])
        frame = frame.f_back  # type: ignore[assignment]
    remedy = f"call it in {DAGS}/<domain>/<usecase>/<objective>/dag.py"
    raise InputError("calls DAGFactory, but is no dag.py there", remedy, file)
