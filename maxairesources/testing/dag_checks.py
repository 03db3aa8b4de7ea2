"""Finds mistakes in a DAG and its pods that would appear only in a cluster."""

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Any

import kubernetes_validate
from airflow.sdk import DAG, Context
from airflow.sdk.definitions._internal.mixins import ResolveMixin
from airflow.sdk.definitions.mappedoperator import MappedOperator
from jinja2 import TemplateSyntaxError, meta
from kubernetes.client import ApiClient
from kubernetes.utils.quantity import parse_quantity
from pydantic import TypeAdapter, ValidationError

from maxairesources.configs.document import has_template, shown
from maxairesources.dagfactory import launcher, operator_class, parameters
from maxairesources.dagfactory import to_python, unknown_arguments
from maxairesources.deployed import ObjectiveConfigs
from maxairesources.errors import InputError
from maxairesources.launches import KUBEPOD, SPARK, Launch
from maxairesources.tree import SPARK_IMAGES, json_path, nearest, walk

# Variables of Airflow 2, and those of Airflow 3:
# https://airflow.apache.org/docs/apache-airflow/stable/installation/upgrading_to_airflow3.html
_OF_AIRFLOW_2 = {
    "conf": "dag_run.conf",
    "execution_date": "logical_date",
    "next_ds": "data_interval_end | ds",
    "next_ds_nodash": "data_interval_end | ds_nodash",
    "next_execution_date": "data_interval_end",
    "prev_ds": "prev_data_interval_start_success | ds",
    "prev_ds_nodash": "prev_data_interval_start_success | ds_nodash",
    "prev_execution_date": "prev_data_interval_start_success",
    "prev_execution_date_success": "prev_data_interval_start_success",
    "tomorrow_ds": "macros.ds_add(ds, 1)",
    "tomorrow_ds_nodash": "macros.ds_add(ds, 1) | replace('-', '')",
    "triggering_dataset_events": "triggering_asset_events",
    "yesterday_ds": "macros.ds_add(ds, -1)",
    "yesterday_ds_nodash": "macros.ds_add(ds, -1) | replace('-', '')",
}

# The types of arguments that JSON can have as they are.
_PLAIN = {"None", "bool", "float", "int", "list[Any]", "list[str]", "str"}
# RFC 1123: a label, as the names of containers are, and labels with dots between, as
# those of pods are, of at most 253 characters.
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_NAME = rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*"
_RFC_1123 = "use at most 63 lowercase letters, digits and '-', as RFC 1123 says"
# A label's value, which may be empty, and a label's key.
_VALUE = r"([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?"
_KEY = rf"({_NAME}/)?(?=.){_VALUE}"
_LABELS = (
    "use at most 63 letters, digits, '-', '_' and '.'; a letter or digit at each end"
)
# What Kubernetes' schema leaves open: a place in the pod, the pattern of its value or of its
# keys, and the rule; without a rule, the pattern lists the values.
_PLACES = (
    (r"metadata\.name", _NAME, _RFC_1123),
    (r"metadata\.namespace", _LABEL, _RFC_1123),
    (r"spec\.(volumes|containers|initContainers)\.\d+\.name", _LABEL, _RFC_1123),
    (r"metadata\.labels|spec\.nodeSelector", _KEY, _LABELS),
    (r"(metadata\.labels|spec\.nodeSelector)\..+", _VALUE, _LABELS),
    (r"spec\.\w+\.\d+\.imagePullPolicy", "(Always|IfNotPresent|Never)?", ""),
    (r"spec\.tolerations\.\d+\.effect", "(NoExecute|NoSchedule|PreferNoSchedule)?", ""),
    (r"spec\.tolerations\.\d+\.operator", "(Equal|Exists)?", ""),
)
# What a container may ask for without the name of a vendor, and how much makes sense: another
# amount has a wrong suffix, such as 500M processors.
_RESOURCES = {"cpu": (0.0009, 4096), "memory": (6 * 2**20, 2**50)}


def mistakes_in_launches(configs: ObjectiveConfigs) -> Iterator[InputError]:
    """Yield the mistakes in launch configs for which a dag.py does not load."""
    for launch in configs.launches.values():
        kind = operator_class(launch.operator)
        yield from unknown_arguments(launch.file, kind, launch.arguments, launch)
        try:
            to_python(launch)
        except InputError as error:
            yield error


def mistakes_in(dag: DAG, configs: ObjectiveConfigs, file: str) -> Iterator[object]:
    """Yield a message for each mistake in the DAG of a `file` and in its objective's configs."""
    tasks: dict[str, Any] = {str(task.label): task for task in dag.tasks}
    py_config, py_config_file = configs.py_config, configs.py_config_file
    launched = tasks.keys() & configs.launches.keys()
    for name in py_config.keys() - launched:
        problem = f"$.{name}: {file} launches no task {name!r}"
        yield InputError(problem, nearest(name, launched), py_config_file)
    yield from _mistakes_in_templates(dag, py_config, "$", py_config_file)
    known = {name for task in dag.tasks for name in parameters(_kind(task))}
    # Airflow ignores a default argument that no operator has.
    for name in dag.default_args.keys() - known if tasks else ():
        problem = f"default_args: no operator has an argument {name!r}"
        yield InputError(problem, nearest(name, known, "remove it"), file)
    for name, task in tasks.items():
        launch = configs.launches.get(name)
        if launch:
            yield from _mistakes_in_launch(dag, task, launch, configs, file)
        where = f"{launch.file if launch else file}: task {name}"
        yield from (f"{where}: {mistake}" for mistake in _mistakes_in_task(task))


def _mistakes_in_launch(
    dag: DAG, task: Any, launch: Launch, configs: ObjectiveConfigs, file: str
) -> Iterator[InputError]:
    """Yield the mistakes of a task that a launch config has."""
    name = launch.task
    if launch.operator != launcher(_kind(task)):
        problem = f"task {name!r} is not a {launch.operator}, but {launch.file} "
        remedy = "use that operator, or remove it there"
        yield InputError(f"{problem}launches it with one", remedy, file)
        return
    if name not in configs.py_config:
        problem = f"task {name!r} is not in {configs.py_config_file}"
        remedy = nearest(name, configs.py_config, "add it there")
        yield InputError(problem, remedy, file)
    # They may be in the common conf.
    for key in ("image", "arguments") if launch.operator == KUBEPOD else ():
        if not launch.arguments.get(key):
            problem = f"{launch.place_of(key)} is missing"
            yield InputError(problem, "add it", launch.file)
    for key, value in launch.arguments.items():
        place = launch.place_of(key)
        for problem, remedy in _mistakes_in_argument(task, key, value):
            yield InputError(f"{place} {problem}", remedy, launch.file)
        if key in task.template_fields:
            yield from _mistakes_in_templates(dag, value, place, launch.file)


def _mistakes_in_argument(task: Any, key: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield the problem and the remedy of each mistake in an operator's argument."""
    annotation = parameters(_kind(task)).get(key, "")
    if value is not None and re.search("Callable|Callback", annotation):
        yield "is a function in Python", "remove it, and pass it to add() in dag.py"
    elif {*annotation.split(" | ")} <= _PLAIN:
        try:
            TypeAdapter(eval(annotation)).validate_python(value, strict=True)
        except ValidationError:
            yield f"is {shown(value)}", f"use a value of the type {annotation}"
    if key not in task.template_fields and any(has_template(v) for _, v in walk(value)):
        problem = f"is {shown(value)}, but Airflow renders no template in this argument"
        yield problem, "use the value itself"


def _mistakes_in_templates(
    dag: DAG, config: Any, start: str, file: str
) -> Iterator[InputError]:
    """Yield the strings in a part of a config that Airflow cannot render."""
    environment = dag.get_template_env()
    known = {*Context.__annotations__, *environment.globals} - _OF_AIRFLOW_2.keys()
    for place, text in walk(config):
        if not has_template(text):
            continue
        where, names = f"{start}{json_path(place)[1:]}: {shown(text)}", set()
        try:
            environment.compile(text)
            names = meta.find_undeclared_variables(environment.parse(text)) - known
        except TemplateSyntaxError as error:
            problem = f"{where} is not a valid template ({error.message})"
            yield InputError(problem, "fix the syntax", file)
        for name in sorted(names):
            remedy = nearest(name, known)
            if name in _OF_AIRFLOW_2:
                remedy = f"Airflow 3 has {_OF_AIRFLOW_2[name]} instead"
            yield InputError(f"{where} has an unknown variable {name!r}", remedy, file)


def _mistakes_in_task(task: Any) -> Iterator[str]:
    """Yield the mistakes of a task that would fail in a cluster."""
    operator = launcher(_kind(task))
    for each in unmapped(task) if operator else ():
        if operator == SPARK:
            (both, *others), keys = SPARK_IMAGES, {*(each.conf or {})}
            if both not in keys and not keys.issuperset(others):
                yield f"{both} is missing"
            continue
        for name in each.template_fields:
            if isinstance(getattr(each, name, None), ResolveMixin):
                setattr(each, name, None)
        # Airflow would look for the connection, the file or the context of a cluster.
        for name in (
            "cluster_context",
            "config_file",
            "in_cluster",
            "kubernetes_conn_id",
        ):
            setattr(each, name, None)
        each.namespace = each.namespace or "default"
        try:
            built = each.build_pod_request_obj(dry_run=True)
        except Exception as error:
            yield f"Airflow cannot build its pod ({error})"
            continue
        yield from mistakes_in_pod(_Client().sanitize_for_serialization(built))


def _kind(task: Any) -> Any:
    """Return the class of a task's operator."""
    return task.operator_class if isinstance(task, MappedOperator) else type(task)


def unmapped(task: Any) -> Iterator[Any]:
    """Yield the operator of a task, or one for each combination of its literal lists."""
    if not isinstance(task, MappedOperator):
        # The original must not change.
        yield task.prepare_for_execution()
        return
    value: Any = task.expand_input.value
    lists: Iterable[Any] = value.values() if isinstance(value, dict) else ()
    if not lists or not all(isinstance(items, list) for items in lists):
        # The result of another task is known, and checked, only when the task runs.
        return
    for items in itertools.product(*lists):
        yield task.unmap(dict(zip(value, items)))


class _Client(ApiClient):
    """Replaces values that are known only at run time, such as the result of another task."""

    def sanitize_for_serialization(self, obj: Any) -> Any:
        if isinstance(obj, ResolveMixin):
            return "{{ known at run time }}"
        return super().sanitize_for_serialization(obj)


def mistakes_in_pod(pod: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each mistake in a pod, given as the JSON that Kubernetes gets."""
    version = kubernetes_validate.latest_version()
    try:
        kubernetes_validate.validate(pod, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        place, remedy = ".".join(str(key) for key in error.path), ""
        known = error.schema.get("properties", {})
        for name in error.instance if error.validator == "additionalProperties" else ():
            remedy += f"; {nearest(name, known)}" if name not in known else ""
        yield f"the pod's {place or 'top level'}: {error.message}{remedy}"
        return
    for path, value in walk(pod):
        place = ".".join(map(str, path))
        for pattern, valid, rule in _PLACES:
            # A value with a template is known only at run time.
            if "{{" in str(value) or not re.fullmatch(pattern, place):
                continue
            if not re.fullmatch(valid, str(value)):
                advice = rule or nearest(str(value), re.findall(r"\w+", valid))
                yield f"the pod's {place}: {value!r} is not valid; {advice}"
    spec = pod["spec"]
    containers = [*spec["containers"], *(spec.get("initContainers") or ())]
    volumes = spec.get("volumes") or []
    for container in containers:
        for mount in container.get("volumeMounts") or ():
            # Airflow adds the volume of its sidecar itself.
            known = [*(volume["name"] for volume in volumes), "xcom"]
            if mount["name"] not in known and "{{" not in mount["name"]:
                remedy = nearest(mount["name"], known[:-1], "add it to volumes")
                yield f"the pod mounts a volume {mount['name']!r} that it lacks; {remedy}"
        yield from _mistakes_in_resources(container.get("resources") or {})


def _mistakes_in_resources(resources: dict[str, Any]) -> Iterator[str]:
    limits = resources.get("limits") or {}
    for kind in sorted(resources.keys() & {"limits", "requests"}):
        for name, quantity in (resources[kind] or {}).items():
            place = f"the pod's resources.{kind}.{name} is {quantity}"
            least, most = _RESOURCES.get(name, (0, 2**60))
            known = [*_RESOURCES, "ephemeral-storage"]
            if name not in known and not re.search("/|^hugepages-", name):
                yield f"{place}, but it is unknown; {nearest(name, known)}"
            if "{{" in f"{quantity}{limits.get(name)}":
                continue
            try:
                if re.search(r"\s", str(quantity)):
                    raise ValueError
                size = parse_quantity(str(quantity))
                limit = parse_quantity(str(limits.get(name, size)))
            except ValueError:
                yield f"{place}; use a quantity such as 500m or 2Gi"
                continue
            if not least <= size <= most and size:
                yield f"{place}, which no machine has; check its suffix"
            if size > limit:
                yield f"{place}, which is above its limit"
