"""Creates the Airflow DAG of an objective from its dag.py and its configs."""

import functools
import inspect
import json
import os
import pkgutil  # noqa: TID251
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow.sdk import DAG, Asset, AssetAll, BaseOperator
from jinja2 import pass_context
from pydantic import TypeAdapter, ValidationError

from maxairesources.configs.document import has_template
from maxairesources.deployed import Deployed
from maxairesources.domains import read_owners
from maxairesources.errors import InputError, raise_all
from maxairesources.launches import KUBEPOD, SPARK, Launch
from maxairesources.lineage import find_uses
from maxairesources.tree import CONFIGS, DAG_FILE, DAGS, DOMAIN_CONFIG, LAUNCHED_FROM
from maxairesources.tree import PY_CONFIG, json_path, nearest, path_of

ROOT = "root"

# The class of each operator. The modules take seconds to import, so a DAG imports only those
# that it uses. DummyOperator is the older name of EmptyOperator.
_STANDARD = "airflow.providers.standard.operators"
OPERATORS = {
    "BashOperator": f"{_STANDARD}.bash:BashOperator",
    "BranchPythonOperator": f"{_STANDARD}.python:BranchPythonOperator",
    "DummyOperator": f"{_STANDARD}.empty:EmptyOperator",
    "EmptyOperator": f"{_STANDARD}.empty:EmptyOperator",
    KUBEPOD: f"airflow.providers.cncf.kubernetes.operators.pod:{KUBEPOD}",
    "PostgresOperator": "maxairesources.dags.postgres:PostgresOperator",
    "PythonOperator": f"{_STANDARD}.python:PythonOperator",
    "SQLExecuteQueryOperator": "airflow.providers.common.sql.operators.sql:SQLExecuteQueryOperator",
    "ShortCircuitOperator": f"{_STANDARD}.python:ShortCircuitOperator",
    SPARK: f"airflow.providers.apache.spark.operators.spark_submit:{SPARK}",
}

# The annotation of an argument that is only an object of the Kubernetes client, or a list. The
# resources may stay JSON, in which quantities may be numbers.
_OBJECT = re.compile(r"((?:list\[)?)k8s\.(V1(?!Resource)\w+\]?) \| None")
# Arguments that are a timedelta in Python.
_DURATIONS = ("execution_timeout", "max_retry_delay", "retry_delay")
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
            domain_name: the domain. Like the next two, it repeats a folder of the dag.py.
            usecase: the usecase.
            obj: the objective.
            schedule_interval: the `schedule` of Airflow's DAG: None, a cron expression,
                a timedelta, a timetable or assets. `schedule` is the same.
            default_args: default arguments of all operators. Unless they name the owner, the
                domain.json does, or else it is the domain.
            dag_kwargs: further arguments of Airflow's DAG. The tags domain, usecase and
                objective are added to given ones.

        Raises:
            InputError: the dag.py is in a folder with other names, Airflow rejects an
                argument, or a config cannot be read.
        """
        root, self._file, names = _find_dag_file((domain_name, usecase, obj))
        self._deployed = Deployed.read(root)
        self._configs = self._deployed.read_objective(root, names)
        self._usecase_configs = path_of(CONFIGS, names[:2])
        self._assets = _read_assets(self._configs.py_config)
        self._labels = dict(zip(("domain", "usecase", "objective"), names))
        domain_file = root / path_of(CONFIGS, names[:1], DOMAIN_CONFIG)
        owners = read_owners(domain_file.read_bytes() if domain_file.is_file() else b"")
        self._added: list[tuple[Any, Sequence[str]]] = []
        tags = dag_kwargs.pop("tags", None) or ()
        macros = dag_kwargs.pop("user_defined_macros", None) or {}
        dag_kwargs.setdefault("is_paused_upon_creation", self._deployed.paused)
        links = {owner: link for owner, link in owners.items() if link}
        dag_kwargs.setdefault("owner_links", links)
        own: dict[str, Any] = {
            "dag_id": dag_id or ".".join(names),
            "default_args": {
                "owner": ", ".join(owners) or names[0],
                **(default_args or {}),
            },
            "tags": {*names, *([tags] if isinstance(tags, str) else tags)},
            "user_defined_macros": {**macros, "maxai_config": self._render_config},
        }
        if schedule_interval is not None:
            own["schedule"] = schedule_interval
        with _explaining(self._file, DAG, dag_kwargs):
            self.dag = DAG(**dag_kwargs, **own)

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
        where = f"{self._file}: task {task_id!r}"
        if task_id == ROOT:
            problem = "is reserved: it marks a task without a parent"
            raise InputError(problem, "rename the task", where)
        if isinstance(parent, str) or not isinstance(parent, Sequence) or not parent:
            remedy = 'use a list of task ids, or ["root"] for a first task'
            raise InputError(f"has the parent {parent!r}", remedy, where)
        kind = operator_class(operator, where)
        expand = dict(operator_kwargs.pop("expand", {}))
        arguments, launch = operator_kwargs, self._configs.launches.get(task_id)
        launched_by = launcher(kind)
        if launch and launch.operator == launched_by:
            key, own = _PASSES_CONFIG[launched_by], to_python(launch)
            own[key] = [*(own.get(key) or ()), "--config", _CONFIG, "--task", task_id]
            for name in own.keys() & {*arguments, *expand}:
                remedy = "keep one of them; to map a task, use env_vars"
                problem = f"{name} is given here and in {launch.file}"
                raise InputError(problem, remedy, where)
            arguments = own | arguments
        # A subclass of an operator that a launch config is for needs no launch.
        elif config := LAUNCHED_FROM.get(kind.__name__):
            known = {*self._configs.launches} - {task_id}
            problem = f"is not in {self._usecase_configs}/{config}"
            remedy = nearest(task_id, known, "add it there, or remove it here")
            raise InputError(problem, remedy, where)
        if launched_by == KUBEPOD and self._deployed.data_root:
            self._pass_data_root(arguments, expand)
        self._set_labels(task_id, launched_by, arguments, expand)
        with _explaining(where, kind, arguments, launch):
            for name, assets in self._assets.get(task_id, {}).items():
                arguments[name] = [*(arguments.get(name) or ()), *assets]
            make = kind.partial if expand else kind
            task = make(**arguments, task_id=task_id, dag=self.dag)
            task = task.expand(**expand) if expand else task
        self._added.append((task, parent))
        return task

    def _pass_data_root(self, arguments: Any, expand: dict[str, Any]) -> None:
        add = self._deployed.with_data_root
        # The result of another task is not known yet.
        if isinstance(expand.get("env_vars"), list):
            expand["env_vars"] = [*map(add, expand["env_vars"])]
        elif "env_vars" not in expand:
            arguments["env_vars"] = add(arguments.get("env_vars"))

    def _set_labels(
        self, task_id: str, launched_by: str | None, arguments: Any, expand: Any
    ) -> None:
        """Label the pods of a task; labels that it has of the same names are kept."""
        labels = {
            # Kubernetes allows no other characters, and no more of them.
            key: re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)[:63].strip("-_.")
            for key, name in {**self._labels, "task": task_id}.items()
        }
        name = "conf" if launched_by == SPARK else "labels"
        given = arguments.get(name) or {}
        # The result of another task is not known yet.
        if launched_by is None or name in expand or not isinstance(given, dict):
            return
        if launched_by == SPARK:
            prefixes = [f"spark.kubernetes.{e}.label." for e in ("driver", "executor")]
            labels = {p + key: labels[key] for p in prefixes for key in labels}
        # Airflow prefers the argument to the labels in there.
        pod = getattr(arguments.get("full_pod_spec"), "metadata", None)
        arguments[name] = labels | (getattr(pod, "labels", None) or {}) | given

    def create_dag(self) -> DAG:
        """Connect the tasks with their parents, which must exist now, and return the DAG."""
        # Those that were made without this factory, too. In a group, an id has a prefix.
        tasks = {**self.dag.task_dict, **{task.label: task for task, _ in self._added}}
        for task, parents in self._added:
            for parent in parents:
                if parent in tasks:
                    task.set_upstream(tasks[parent])
                elif parent != ROOT:
                    remedy = nearest(str(parent), (*tasks, ROOT))
                    where = f"{self._file}: task {task.label!r}"
                    raise InputError(f"unknown parent {parent!r}", remedy, where)
        return self.dag

    @pass_context
    def _render_config(self, context: Any) -> str:
        """Return the argument --config of a handler, for the macro `maxai_config`.

        It renders each string of the py_config, so that no value can change the JSON around it.
        """
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


def after(*objectives: str) -> AssetAll:
    """Return a `schedule` that starts a DAG after all runs of other objectives.

    It waits until each of their tables was written since the last run of this DAG.

    Args:
        objectives: each a domain, a usecase and an objective: retail/customer360/segmentation.

    Raises:
        InputError: an objective does not exist, or none of its tasks writes a table.
    """
    root, file, _ = _find_dag_file((None, None, None))
    tables: list[Asset] = []
    for objective in objectives:
        names = objective.split("/")
        configs = Deployed.read(root).read_objective(root, names)
        assets = _read_assets(configs.py_config).values()
        if not any(each["outlets"] for each in assets):
            folders = root.glob(f"{CONFIGS}/*/*/*/{PY_CONFIG}")
            known = ("/".join(path.parts[-4:-1]) for path in folders)
            remedy = nearest(objective, known, "use <domain>/<usecase>/<objective>")
            raise InputError(f"no task of {objective!r} writes a table", remedy, file)
        tables += (asset for each in assets for asset in each["outlets"])
    return AssetAll(*tables)


def _read_assets(py_config: Mapping[str, Any]) -> dict[str, dict[str, list[Asset]]]:
    """Return the arguments `inlets` and `outlets` of each task: the tables of its ports."""
    assets: dict[str, dict[str, list[Asset]]] = {}
    for use in find_uses("", py_config):
        own = assets.setdefault(use.task, {"inlets": [], "outlets": []})
        own["outlets" if use.writes else "inlets"].append(Asset(use.address))
    return assets


def operator_class(operator: Any, subject: object = None) -> Any:
    """Return the class of an operator: it is a key of `OPERATORS`, or the class itself.

    Raises:
        InputError: it is neither; the error is about `subject`.
    """
    if isinstance(operator, type) and issubclass(operator, BaseOperator):
        return operator
    if operator not in OPERATORS:
        remedy = nearest(str(operator), OPERATORS, "use the class of the operator")
        raise InputError(f"unknown operator {operator!r}", remedy, subject)
    return pkgutil.resolve_name(OPERATORS[operator])


def launcher(kind: Any) -> str | None:
    """Return which operator of `LAUNCHED_FROM` a class is, or derives from; None for others."""
    names = (base.__name__ for base in kind.__mro__)
    return next((name for name in names if name in LAUNCHED_FROM), None)


@functools.cache
def parameters(kind: type) -> dict[str, str]:
    """Return the arguments of a DAG or an operator, and their annotations.

    The id and the DAG are not included, because `DAGFactory` passes them.
    """
    bases: tuple[Any, ...] = kind.__mro__
    return {
        name: str(parameter.annotation)
        for base in reversed(bases)
        for name, parameter in inspect.signature(base.__init__).parameters.items()
        if name not in ("self", "args", "kwargs", "dag", "dag_id", "task_id")
    }


def to_python(launch: Launch) -> dict[str, Any]:
    """Return the arguments of a launch as its operator needs them.

    Durations become timedeltas, and parts of a pod objects of the Kubernetes client.
    """
    converted, mistakes = dict(launch.arguments), list[InputError]()
    types = operator_class(launch.operator).__init__.__annotations__
    for name, value in launch.arguments.items():
        try:
            if name in _DURATIONS and value is not None:
                remedy = "use a number of seconds, or ISO 8601 such as PT1H30M"
                converted[name] = TypeAdapter(timedelta).validate_python(value)
            elif kind := _OBJECT.fullmatch(types.get(name, "")):
                remedy = f"use the fields of Kubernetes' {kind[1]}{kind[2]}"
                converted[name] = _kubernetes_object(value, kind[1] + kind[2])
        except (AttributeError, OverflowError, TypeError, ValueError) as error:
            problem = f"{launch.place_of(name)} is {value!r}"
            if not isinstance(error, ValidationError):
                problem += f" ({error})"
            mistakes.append(InputError(problem, remedy, launch.file))
    raise_all(mistakes)
    return converted


def _kubernetes_object(value: Any, kind: str) -> Any:
    """Return an object of the Kubernetes client from JSON."""
    # The import takes a second. The operator has already imported it.
    from kubernetes.client import ApiClient

    if unknown := ", ".join(_unknown_keys(value, kind)):
        raise ValueError(f"unknown key {unknown}")
    client = ApiClient()
    found = client.deserialize(SimpleNamespace(data=json.dumps(value)), kind)
    # The client silently removes what does not fit.
    if client.sanitize_for_serialization(found) != value:
        raise ValueError("with a key that Kubernetes lacks")
    return found


def _unknown_keys(value: Any, kind: str) -> Iterator[str]:
    """Yield each key of some JSON that a type of the Kubernetes client lacks, with advice."""
    from kubernetes import client

    if inner := re.fullmatch(r"list\[(\w+)\]", kind):
        for item in value if isinstance(value, list) else ():
            yield from _unknown_keys(item, inner[1])
    elif isinstance(value, dict) and kind.startswith("V1"):
        model = getattr(client, kind)
        names = {key: name for name, key in model.attribute_map.items()}
        for key, item in value.items():
            if key in names:
                yield from _unknown_keys(item, model.openapi_types[names[key]])
            else:
                yield f"{key!r}: {nearest(key, names)}"


@contextmanager
def _explaining(
    where: str, kind: Any, arguments: Mapping[str, Any], launch: Launch | None = None
) -> Iterator[None]:
    """Convert Airflow's error about the arguments of a DAG or an operator."""
    try:
        yield
    except Exception as error:
        problem, remedy = f"Airflow rejects it ({error})", "correct its arguments"
        problem += f"; see {launch.file}, {json_path(launch.path)}" if launch else ""
        raise_all(unknown_arguments(where, kind, arguments, launch))
        raise InputError(problem, remedy, where) from error


def unknown_arguments(
    where: str, kind: Any, arguments: Iterable[str], launch: Launch | None = None
) -> Iterator[InputError]:
    """Yield an error for each argument that a DAG or an operator does not have."""
    known = parameters(kind)
    for name in (each for each in arguments if each not in known):
        problem, otherwise = f"{kind.__name__} has no argument {name!r}", "remove it"
        if launch and name in launch.arguments:
            if name.startswith("spark."):
                otherwise = f"move it to {launch.place_of('conf')}"
            problem = f"{launch.place_of(name)}: {problem}"
        file = launch.file if launch and name in launch.arguments else where
        yield InputError(problem, nearest(name, known, otherwise), file)


def _find_dag_file(given: Sequence[str | None]) -> tuple[Path, str, tuple[str, ...]]:
    """Return the marketplace's folder, and the name and objective of the dag.py that runs.

    A helper module may create the factory for a dag.py. The given names must be its folder's.
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
    raise InputError("DAGFactory is called outside of a dag.py", remedy, file)
