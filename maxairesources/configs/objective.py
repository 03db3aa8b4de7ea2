"""Reads the configs of one objective, with the overlays of a deployment."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from maxairesources.configs.document import (
    ConfigModel,
    Wrong,
    has_template,
    parse,
    validate,
)
from maxairesources.configs.launch_config import KubepodConfig, SparkConfig
from maxairesources.configs.py_config import PyConfig
from maxairesources.deployed import Deployed
from maxairesources.errors import InputError
from maxairesources.launches import merge, named_tasks
from maxairesources.tree import PY_CONFIG, json_path, nearest

Model = TypeVar("Model", bound=ConfigModel)

# The name of an overlay contains the name of the deployment.
_DEPLOYMENT = r"\.([a-z][a-z0-9_]*)"
_OVERLAY = re.compile(rf"(?:kubepod|py|spark)_config{_DEPLOYMENT}\.json")

SPARK, KUBEPOD = "SparkSubmitOperator", "KubernetesPodOperator"


# The largest argument of a Linux process, in bytes: 32 pages of 4 KiB.
_LARGEST_ARGUMENT = 128 * 1024


@dataclass(frozen=True)
class Launch:
    """The launch of a task.

    Attributes:
        id: its position in the order of the tasks.
        operator: the name of the operator that launches it.
        arguments: the operator's arguments.
        file: the launch config.
        place: the place of the arguments in that file, as a JSON path.
    """

    id: int
    operator: str
    arguments: dict[str, Any]
    file: str
    place: str


@dataclass(frozen=True)
class ObjectiveConfigs:
    """The configs of an objective.

    Attributes:
        py_config: the complete py_config, as the handlers get it.
        py_config_file: the name of its file.
        launches: the launches of the usecase's tasks, by task name.
    """

    py_config: dict[str, Any]
    py_config_file: str
    launches: dict[str, Launch]


def _check_overlay(base: dict[str, Any], patch: dict[str, Any]) -> None:
    """Raise a Wrong for a key or a task in an overlay that its base does not have."""
    parts: list[tuple[Any, Any, tuple[Any, ...]]] = [(base, patch, ())]
    if isinstance(patch.get("tasks"), list) and "tasks" in base:
        tasks = {
            name: task for name, task in named_tasks(base) if isinstance(name, str)
        }
        for index, task in enumerate(patch["tasks"]):
            name = task.get("name") if isinstance(task, dict) else task
            if not isinstance(name, str) or not isinstance(task, dict):
                problem, remedy = "is missing", "add the name of a task"
                raise Wrong(problem, remedy, ("tasks", index, "name"))
            if name not in tasks:
                problem = f"is {name!r}, which is not the name of a task"
                raise Wrong(problem, nearest(name, tasks), ("tasks", index, "name"))
            parts.append((tasks[name], task, ("tasks", index)))
    for part in parts:
        for place, siblings in _not_in_base(*part):
            raise Wrong("is missing", nearest(place[-1], siblings), place)


def find_deployments(folder: Path) -> Iterator[str]:
    """Yield the deployment of each overlay in a folder of configs and below.

    Only the root BUILD file knows all deployments; `lint` compares the two.
    """
    # `_check_names` reports files with other names.
    for path in folder.rglob("*_config.*.json"):
        if overlay := _OVERLAY.fullmatch(path.name):
            yield overlay[1]


def read_config(
    model: type[Model], root: Path, path: Path, deployment: str | None
) -> tuple[dict[str, Any], Model, str]:
    """Read a config with the deployment's overlay beside it, if there is one.

    Args:
        model: the model of the config.
        root: the marketplace's folder, to which the file names in errors are relative.
        path: the config's file.
        deployment: the deployment's name; None means the config alone.

    Returns:
        The merged config, its model, and the name of the file for errors.

    Raises:
        InputError: a file cannot be read, or the result does not match the model.
    """
    name = str(path.relative_to(root))
    data = parse(_read(path, name), name)
    overlay = path.with_suffix(f".{deployment}.json")
    if deployment and overlay.exists():
        patch_name = str(overlay.relative_to(root))
        patch = parse(_read(overlay, patch_name), patch_name)
        try:
            _check_overlay(data, patch)
        except Wrong as wrong:
            problem = f"{json_path(wrong.path)} {wrong.problem} in {path.name}"
            raise InputError(problem, wrong.remedy, patch_name) from None
        data = merge(data, patch)
        name += f" with {overlay.name}"
    checked = validate(model, data, name)
    data = {key: value for key, value in data.items() if not key.startswith("$")}
    return data, checked, name


def read_objective(
    root: Path,
    domain: str,
    usecase: str,
    objective: str,
    deployed: Deployed = Deployed(),
) -> ObjectiveConfigs:
    """Read the configs of one objective.

    Args:
        root: the marketplace's folder, which holds maxaiconfigs.
        domain: the domain's name.
        usecase: the usecase's name.
        objective: the objective's name.
        deployed: the deployment whose overlays and images apply.

    Raises:
        InputError: a config is missing or wrong, or a task has two launches.
    """
    folder = root / "maxaiconfigs" / domain / usecase
    _check_names(root, folder, "spark_config", "kubepod_config")
    _check_names(root, folder / objective, "py_config")
    path = folder / objective / PY_CONFIG
    data: dict[str, Any] = {}
    py_name = str(path.relative_to(root))
    # An objective whose tasks run no handler needs none.
    if path.exists() or any(path.parent.glob("*.json")):
        data, _, py_name = read_config(PyConfig, root, path, deployed.name)
    if len(to_argument(data).encode()) >= _LARGEST_ARGUMENT:
        raise InputError(
            f"has more than {_LARGEST_ARGUMENT // 1024} KiB, too large for an argument",
            "move large values into a table that the handlers read",
            py_name,
        )
    launches = _read_launches(root, folder, domain, deployed)
    for name in data.keys() - launches.keys():
        problem = f"$.{name}: no launch config has a task {name!r}"
        raise InputError(problem, nearest(name, launches, "add it there"), py_name)
    return ObjectiveConfigs(data, py_name, launches)


def to_argument(py_config: dict[str, Any]) -> str:
    """Return a py_config as the --config argument of a handler.

    Each string with a template becomes a Jinja block. The filter `in_json` escapes its
    result, so that a rendered value cannot change the JSON around it. If a DAG renders native
    objects, Jinja evaluates text that is a Python literal; the space at the beginning of the
    argument, and the bar at the beginning of each block, prevent that.
    """
    templates: list[str] = []

    def hold(value: Any) -> Any:
        """Replace each template with a mark, because JSON would escape it."""
        if isinstance(value, dict):
            return {hold(key): hold(item) for key, item in value.items()}
        if isinstance(value, list):
            return [hold(item) for item in value]
        if has_template(value):
            templates.append(value)
            return f"\0{len(templates) - 1}\0"
        return value

    text = _without_dollars(json.dumps(hold(py_config), separators=(",", ":")))
    return " " + re.sub(
        r"\\u0000(\d+)\\u0000",
        lambda mark: (
            f"{{% filter in_json %}}|{templates[int(mark[1])]}{{% endfilter %}}"
        ),
        text,
    )


def in_json(value: str) -> str:
    """Return the text of a block of `to_argument` as the inside of a JSON string."""
    return _without_dollars(json.dumps(value[1:])[1:-1])


def _without_dollars(text: str) -> str:
    """Return JSON text with escaped dollar signs.

    Kubernetes replaces $(NAME) in arguments with a variable, and $$ with a single $.
    """
    return text.replace("$", "\\u0024")


def _read(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
        missing = isinstance(error, FileNotFoundError)
        remedy = "add the file" if missing else "make it a file that can be read"
        raise InputError(problem, remedy, name) from error
    except UnicodeDecodeError as error:
        problem = f"is not UTF-8 ({error.reason})"
        raise InputError(problem, "save it as UTF-8", name) from error


def _read_launches(
    root: Path, folder: Path, domain: str, deployed: Deployed
) -> dict[str, Launch]:
    launches: dict[str, Launch] = {}
    found: list[tuple[str, Launch]] = []
    spark_path, kubepod_path = (
        folder / f"{kind}_config.json" for kind in ("spark", "kubepod")
    )
    # An overlay needs a base.
    if any(folder.glob("spark_config*.json")):
        _, spark, name = read_config(SparkConfig, root, spark_path, deployed.name)
        common = deployed.with_images(spark.conf, domain, name, ("conf",))
        for index, task in enumerate(spark.tasks):
            path = ("tasks", index, "spark_submit_conf")
            submit = deployed.with_images(task.spark_submit_conf, domain, name, path)
            arguments = {**submit, "conf": {**common, **submit.get("conf", {})}}
            place = f"$.tasks[{index}].spark_submit_conf"
            found.append((task.name, Launch(task.id, SPARK, arguments, name, place)))
    if any(folder.glob("kubepod_config*.json")):
        _, kubepod, name = read_config(KubepodConfig, root, kubepod_path, deployed.name)
        common = deployed.with_images(kubepod.conf, domain, name, ("conf",))
        for index, pod in enumerate(kubepod.tasks):
            path = ("tasks", index, "conf")
            conf = deployed.with_images(pod.conf, domain, name, path)
            arguments = {**common, **conf}
            place = f"$.tasks[{index}].conf"
            found.append((pod.name, Launch(pod.id, KUBEPOD, arguments, name, place)))
    for task_name, launch in found:
        if task_name in launches:
            raise InputError(
                f"task {task_name!r} is in {launches[task_name].file} too",
                "keep it in one of them",
                launch.file,
            )
        launches[task_name] = launch
    return launches


def _not_in_base(
    base: Any, patch: dict[str, Any], path: tuple[Any, ...] = ()
) -> Iterator[tuple[tuple[Any, ...], set[str]]]:
    """Yield the keys that a patch removes, or the arguments that it sets, in vain.

    RFC 7386 allows it, but here the key is misspelt or the overlay is out of date.

    Yields:
        The place of the key, and the keys that the base has there.
    """
    siblings = base if isinstance(base, dict) else {}
    for key, value in patch.items():
        # The models know all other keys, except those of Spark and Kubernetes.
        is_argument = path[1:3] == ("function", "args")
        if key not in siblings and (value is None or is_argument):
            yield (*path, key), set(siblings)
        elif isinstance(value, dict):
            yield from _not_in_base(siblings.get(key), value, (*path, key))


def _check_names(root: Path, folder: Path, *kinds: str) -> None:
    """Raise an InputError for a file that nothing reads, such as a misspelt config."""
    known = re.compile(rf"(?:{'|'.join(kinds)})(?:{_DEPLOYMENT})?\.json")
    for path in sorted(folder.glob("*.json")):
        if not known.fullmatch(path.name):
            deployments = {*find_deployments(root / "maxaiconfigs")}
            ends = ("", *(f".{deployment}" for deployment in deployments))
            raise InputError(
                "is not the name of a config or an overlay",
                nearest(path.name, (f"{k}{end}.json" for k in kinds for end in ends)),
                path.relative_to(root),
            )
