"""Creates the Airflow DAG of an objective from its dag.py and its configs."""

import graphlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import DAG

from maxairesources.configs.document import Wrong
from maxairesources.configs.objective import (
    KUBEPOD,
    SPARK,
    Launch,
    ObjectiveConfigs,
    in_json,
    read_objective,
    to_argument,
)
from maxairesources.dags.operators import (
    mistake_in_template,
    mistake_in_value,
    operator_class,
    parameters,
    to_durations,
    to_objects,
    with_new_names,
)
from maxairesources.deployed import Deployed
from maxairesources.errors import InputError
from maxairesources.tree import (
    CONFIGS,
    DAGS,
    LAUNCHED_FROM,
    json_path,
    nearest,
    path_of,
)

ROOT = "root"

# The argument of each operator that passes --config and --task to the handler.
_PASSES_CONFIG = {SPARK: "application_args", KUBEPOD: "arguments"}


class DAGFactory:
    """Collects the tasks of an objective and connects them to a DAG.

    It reads the configs in the folder maxaiconfigs beside maxaidags. In a deployment it
    merges the deployment's overlays, and sets the images and the data root; see `Deployed`.

    Attributes:
        dag: Airflow's DAG, for everything else that Airflow offers: an operator or a
            sensor made with `dag=factory.dag`, which may be a parent, or a
            `TaskGroup(..., dag=factory.dag)` for the argument `task_group` of `add`.
    """

    def __init__(
        self,
        dag_id: str,
        domain_name: str,
        usecase: str,
        obj: str,
        schedule_interval: Any = None,
        default_args: Mapping[str, Any] | None = None,
        **dag_kwargs: Any,
    ) -> None:
        """Create the DAG of an objective, without tasks.

        Args:
            dag_id: the DAG's id.
            domain_name: the domain's name.
            usecase: the usecase's name.
            obj: the objective's name.
            schedule_interval: the `schedule` of Airflow's DAG: None, a cron expression,
                a timedelta, a timetable or assets. `schedule` is the same.
            default_args: default arguments of all operators; the owner is the domain
                unless they name another.
            dag_kwargs: further arguments of Airflow's DAG. The tags domain, usecase and
                objective are added to given ones.

        Raises:
            InputError: the dag.py is in a folder with other names, DAG has no such
                argument, or a config is missing or wrong.
        """
        path = Path(sys._getframe(1).f_code.co_filename).resolve()
        names = (domain_name, usecase, obj)
        root = next((p.parent for p in path.parents if p.name == DAGS), None)
        if root is None or path.parts[len(root.parts) + 1 : -1] != names:
            raise InputError(
                f"is the DAG of {'/'.join(names)}, but it is in another folder",
                f"move it to {path_of(DAGS, names)}/, or correct the names",
                path if root is None else path.relative_to(root),
            )
        self._file = str(path.relative_to(root))
        self._usecase_configs = path_of(CONFIGS, names[:2])
        self._deployed = Deployed.read(root)
        dag_kwargs.setdefault("is_paused_upon_creation", self._deployed.paused)
        self._configs: ObjectiveConfigs = read_objective(root, *names, self._deployed)
        self._parents: dict[str, list[str]] = {}
        self._operators: dict[str, Any] = {}
        self._default_args = dict(default_args or {})
        self.dag = self._create(dag_id, names, schedule_interval, dag_kwargs)
        self._environment = self.dag.get_template_env()
        self._check_templates(
            self._configs.py_config, "$", self._configs.py_config_file
        )

    def _create(
        self,
        dag_id: str,
        names: Sequence[str],
        schedule: Any,
        dag_kwargs: dict[str, Any],
    ) -> DAG:
        """Return Airflow's DAG, without tasks."""
        self._check_arguments("the DAG", DAG, dag_kwargs, self._file)
        if schedule is not None and "schedule" in dag_kwargs:
            problem = "schedule and schedule_interval are the same"
            raise self._wrong(problem, "keep one of them")
        schedule = dag_kwargs.pop("schedule", schedule)
        tags = dag_kwargs.pop("tags", ())
        filters = dag_kwargs.pop("user_defined_filters", None) or {}
        if isinstance(tags, str):
            raise self._wrong(f"the tags are {tags!r}", "use a list of strings")
        try:
            return DAG(
                dag_id,
                schedule=schedule,
                default_args={"owner": names[0], **self._default_args},
                tags={*names, *tags},
                user_defined_filters={"in_json": in_json, **filters},
                **dag_kwargs,
            )
        except Exception as error:
            problem = f"Airflow rejects the DAG ({error})"
            raise self._wrong(problem, "correct its arguments") from error

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
            InputError: the operator is unknown or has no such argument, the id is
                defined twice, the parents are not a list, or a config lacks the task.
        """
        where = f"task {task_id!r}"
        self._check_task(task_id, parent)
        try:
            taker = operator_class(operator)
        except Wrong as wrong:
            raise self._wrong(f"{where} {wrong.problem}", wrong.remedy) from None
        launcher = self._launcher(task_id, taker)
        expand = operator_kwargs.pop("expand", None)
        if expand is not None and (not isinstance(expand, Mapping) or not expand):
            raise self._wrong(
                f"{where}: expand is {expand!r}", "use a dict of arguments and lists"
            )
        given = {**operator_kwargs, **(expand or {})}
        arguments = {
            **self._configured(task_id, launcher, taker, given),
            **operator_kwargs,
        }
        try:
            arguments = with_new_names(operator, arguments, self._default_args)
        except Wrong as wrong:
            raise self._wrong(f"{where}: {wrong.problem}", wrong.remedy) from None
        self._check_arguments(where, taker, {**arguments, **(expand or {})}, self._file)
        arguments.update(task_id=task_id, dag=self.dag)
        try:
            if self._deployed.data_root and launcher:
                arguments, expand = self._with_data_root(launcher, arguments, expand)
            if expand is None:
                task = taker(**arguments)
            else:
                task = taker.partial(**arguments).expand(**expand)
        except Exception as error:
            problem = f"{where}: Airflow rejects it ({error})"
            if launch := self._configs.launches.get(task_id):
                problem += f", with arguments from {launch.file}, {launch.place}"
            raise self._wrong(problem, "correct its arguments") from error
        self._parents[task_id] = list(parent)
        self._operators[task_id] = task
        return task

    def _launcher(self, task_id: str, taker: type) -> str | None:
        """Return the operator whose launch config has the task; None for any other class.

        A subclass of such an operator has the arguments of the config, if there are any.
        """
        launcher = next(
            (base.__name__ for base in taker.__mro__ if base.__name__ in LAUNCHED_FROM),
            None,
        )
        is_subclass = launcher != taker.__name__
        return (
            None if is_subclass and task_id not in self._configs.launches else launcher
        )

    def _check_task(self, task_id: str, parent: Any) -> None:
        """Raise an InputError for a wrong id or parent of a new task."""
        where = f"task {task_id!r}"
        if task_id in self._operators:
            raise self._wrong(f"{where} is defined twice", "rename or remove one")
        if task_id == ROOT:
            problem = f"{where} is reserved: it marks a task without a parent"
            raise self._wrong(problem, "rename the task")
        if (
            not isinstance(parent, Sequence)
            or isinstance(parent, str)
            or not parent
            or not all(isinstance(name, str) for name in parent)
        ):
            raise self._wrong(
                f"{where} has the parent {parent!r}",
                'use a list of task ids, or ["root"] for a first task',
            )

    def create_dag(self) -> DAG:
        """Connect the tasks and return the DAG.

        Raises:
            InputError: a parent is unknown, the tasks form a cycle, the order of
                the ids in a launch config is another one, or the py_config has a task
                that the DAG lacks.
        """
        # Those that were made without this factory, too.
        tasks = {**self.dag.task_dict, **self._operators}
        for task_id, parents in self._parents.items():
            for parent in parents:
                if parent != ROOT and parent not in tasks:
                    raise self._wrong(
                        f"task {task_id!r} has an unknown parent {parent!r}",
                        nearest(parent, (*tasks, ROOT)),
                    )
        try:
            graphlib.TopologicalSorter(self._parents).prepare()
        except graphlib.CycleError as error:
            circle = " -> ".join(reversed(error.args[1]))
            raise self._wrong(
                f"the tasks form a cycle: {circle}", "remove one parent"
            ) from None
        for task_id, parents in self._parents.items():
            real = [tasks[parent] for parent in parents if parent != ROOT]
            self._operators[task_id].set_upstream(real)
            for parent in parents:
                self._check_order(parent, task_id)
        for name in self._configs.py_config:
            if name not in self._operators:
                raise InputError(
                    f"$.{name}: {self._file} has no task {name!r}",
                    nearest(name, self._operators),
                    self._configs.py_config_file,
                )
        self._check_default_args()
        try:
            # A dag.py may add dependencies with Airflow's own `>>`.
            self.dag.check_cycle()
        except Exception as error:
            raise self._wrong(str(error), "remove one dependency") from error
        return self.dag

    def _configured(
        self,
        task_id: str,
        launcher: str | None,
        taker: type,
        given: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return the arguments that the configs give to the operator of a task."""
        launch = self._configs.launches.get(task_id)
        if launcher is None:
            if launch:
                raise self._wrong(
                    f"task {task_id!r} is not a {launch.operator}, but {launch.file} "
                    "launches it with one",
                    "use that operator, or remove it there",
                )
            return {}
        config = LAUNCHED_FROM[launcher]
        if launch is None or launch.operator != launcher:
            problem = f"task {task_id!r} is not in {self._usecase_configs}/{config}"
            if launch:
                problem += f", but in {launch.file}"
            names = [
                name
                for name, other in self._configs.launches.items()
                if other.operator == launcher
            ]
            raise self._wrong(problem, nearest(task_id, names, "add it there"))
        if task_id not in self._configs.py_config:
            raise self._wrong(
                f"task {task_id!r} is not in {self._configs.py_config_file}",
                nearest(task_id, self._configs.py_config, "add it there"),
            )
        self._check_arguments(launch.place, taker, launch.arguments, launch.file)
        for name, value in launch.arguments.items():
            place = f"{launch.place}.{name}"
            if mistake := mistake_in_value(taker, name, value):
                raise InputError(f"{place} {mistake[0]}", mistake[1], launch.file)
            rendered = name in taker.template_fields  # type: ignore[attr-defined]
            self._check_templates(value, place, launch.file, rendered)
        handed = self._with_py_config(task_id, launch, taker)
        for name in given:
            if name == _PASSES_CONFIG[launcher]:
                raise self._wrong(
                    f"task {task_id!r}: {name} passes the config to the handler",
                    f"set it in {launch.file}, or use env_vars to map a task",
                )
            if name in launch.arguments:
                problem = f"{name} is given here and in {launch.file}"
                raise self._wrong(f"task {task_id!r}: {problem}", "keep one of them")
        return handed

    def _with_py_config(
        self, task_id: str, launch: Launch, taker: type
    ) -> dict[str, Any]:
        """Return the arguments of a launch, with --config and --task for the handler."""
        key = _PASSES_CONFIG[launch.operator]
        config = to_argument(self._configs.py_config)
        handed = [*launch.arguments.get(key, []), "--config", config, "--task", task_id]
        try:
            arguments = to_durations(taker, {**launch.arguments, key: handed})
            return arguments if launch.operator == SPARK else to_objects(arguments)
        except Wrong as wrong:
            problem = f"{launch.place}.{wrong.path[0]} {wrong.problem}"
            raise InputError(problem, wrong.remedy, launch.file) from None

    def _with_data_root(
        self, launcher: str, arguments: dict[str, Any], expand: dict[str, Any] | None
    ) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Return the arguments of a task with the data root of the deployment."""
        if launcher == SPARK:
            conf = self._deployed.with_spark_data_root(arguments.get("conf") or {})
            return {**arguments, "conf": conf}, expand
        add, key = self._deployed.with_data_root, "env_vars"
        if expand and key in expand:
            return arguments, {**expand, key: [add(each) for each in expand[key]]}
        return {**arguments, key: add(arguments.get(key))}, expand

    def _check_order(self, parent: str, task_id: str) -> None:
        before = self._configs.launches.get(parent)
        after = self._configs.launches.get(task_id)
        if before and after and before.file == after.file and before.id >= after.id:
            raise self._wrong(
                f"task {task_id!r} (id {after.id}) follows {parent!r} (id {before.id})",
                f"number them in their order in {after.file}",
            )

    def _check_templates(
        self,
        value: Any,
        place: str,
        file: str,
        rendered: bool = True,
    ) -> None:
        """Raise an InputError for a string in a config that Airflow cannot render."""
        if isinstance(value, dict):
            for key, item in value.items():
                at = place + json_path([key])[1:]
                self._check_templates(key, at, file, rendered)
                self._check_templates(item, at, file, rendered)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                at = f"{place}[{index}]"
                self._check_templates(item, at, file, rendered)
        elif isinstance(value, str):
            if not rendered and ("{{" in value or "{%" in value):
                raise InputError(
                    f"{place} is a template, but Airflow does not render this argument",
                    "use the value itself",
                    file,
                )
            if mistake := mistake_in_template(self._environment, value):
                raise InputError(f"{place}: {mistake[0]}", mistake[1], file)

    def _check_default_args(self) -> None:
        """Raise an InputError for a default argument that no operator of the DAG has.

        Airflow silently ignores it.
        """
        known = {"postgres_conn_id"}
        for task in self.dag.tasks:
            # A mapped task has its class in an attribute.
            known |= parameters(getattr(task, "operator_class", type(task)))
        for name in self._default_args:
            if self.dag.tasks and name not in known:
                raise self._wrong(
                    f"default_args: no operator has an argument {name!r}",
                    nearest(name, known, otherwise="remove it"),
                )

    def _check_arguments(
        self, where: str, taker: type, arguments: Mapping[str, Any], file: str
    ) -> None:
        """Raise an InputError for an argument that a DAG or an operator does not have."""
        known = parameters(taker)
        for name in arguments:
            if name not in known:
                raise InputError(
                    f"{where}: {taker.__name__} has no argument {name!r}",
                    nearest(name, known, otherwise="remove it"),
                    file,
                )

    def _wrong(self, problem: str, remedy: str) -> InputError:
        return InputError(problem, remedy, self._file)
