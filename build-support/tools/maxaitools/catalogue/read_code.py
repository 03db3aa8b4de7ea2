"""Reads DAGs and handlers without running them."""

import ast
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

# Stands for what only running a dag.py would show.
SEE_DAG = "see dag.py"
# The first parameters of DAGFactory.
_PARAMETERS = ("dag_id", "domain_name", "usecase", "obj", "schedule_interval")


class Step(NamedTuple):
    """The operator of a task, and the tasks before it; None if they cannot be read."""

    operator: str = SEE_DAG
    parents: list[str] | None = None


@dataclass
class Dag:
    """What a dag.py shows.

    Attributes:
        about: its docstring.
        id: the id of the DAG as written; empty for the default one.
        schedule: the schedule as written.
        steps: the tasks by name.
        is_complete: False if the DAG may have more tasks or edges than these.
    """

    about: str
    id: str = SEE_DAG
    schedule: str = SEE_DAG
    steps: dict[str, Step] = field(default_factory=dict)
    is_complete: bool = False


class Handler(NamedTuple):
    """The docstring of a handler, and the type, default and text of each argument by name."""

    about: str
    arguments: dict[str, tuple[str, str, str]]


def read_dag(source: str) -> Dag:
    """Return what a dag.py shows by calls of DAGFactory and `add` at the top level."""
    module = _parse(source)
    dag = Dag(ast.get_docstring(module) or "")
    # The names of the factory, and of the tasks that it returned.
    own: set[str] = set()
    for statement in module.body:
        call: Any = getattr(statement, "value", None)
        function = ast.unparse(call.func) if isinstance(call, ast.Call) else ""
        names = [each for each in ast.walk(statement) if isinstance(each, ast.Name)]
        used = {each.id for each in names}
        stored = {each.id for each in names if isinstance(each.ctx, ast.Store)}
        if function == "DAGFactory":
            dag.is_complete = bool(stored) and not own
            given = _arguments(call, *_PARAMETERS)
            if "**" not in given:
                schedule = given.get("schedule", given.get("schedule_interval"))
                dag.schedule = _text(schedule) or "none"
                dag.id = _text(given.get("dag_id"))
        elif used & own and function.endswith(".add"):
            given = _arguments(call, "task_id", "operator", "parent")
            name = _literal(given.get("task_id"))
            parents = _literal(given.get("parent"))
            before = None
            if isinstance(parents, list):
                before = [str(each) for each in parents if each != "root"]
            if isinstance(name, str):
                dag.steps[name] = Step(_text(given.get("operator")) or SEE_DAG, before)
            dag.is_complete &= before is not None and isinstance(name, str)
        elif used & own:
            dag.is_complete &= function.endswith(".create_dag")
            continue
        else:
            continue
        own |= stored
    return dag


def read_handler(source: str) -> Handler:
    """Return what a handler shows by its docstring and its class Arguments."""
    module, arguments = _parse(source), {}
    for node in module.body:
        if isinstance(node, ast.ClassDef) and node.name == "Arguments":
            documented = (ast.get_docstring(node) or "").partition("Attributes:\n")[2]
            entry = r"^    (\w+)(?: \(.*\))?: *(.*(?:\n {5,}.*)*)"
            texts = dict(re.findall(entry, documented, re.M))
            for each in node.body:
                if isinstance(each, ast.AnnAssign):
                    name, kind = ast.unparse(each.target), ast.unparse(each.annotation)
                    default = ast.unparse(each.value) if each.value else ""
                    text = " ".join(texts.get(name, "").split())
                    arguments[name] = (kind, default, text)
    return Handler(ast.get_docstring(module) or "", arguments)


def _parse(source: str) -> ast.Module:
    """Return the syntax tree of a module; an empty one if it is not valid."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def _arguments(call: ast.Call, *names: str) -> dict[str, ast.expr]:
    """Return the arguments of a call by name; "**" stands for those in `*` or `**`."""
    given = {}
    for name, value in zip(names, call.args):
        given["**" if isinstance(value, ast.Starred) else name] = value
    return given | {each.arg or "**": each.value for each in call.keywords}


def _literal(node: ast.expr | None) -> Any:
    """Return the value of a string, or of a list of them; None for anything else."""
    if isinstance(node, ast.List | ast.Tuple):
        values = [_literal(each) for each in node.elts]
        return None if None in values else values
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def _text(node: ast.expr | None) -> str:
    """Return a string as it is, and other code as it is written; empty for None."""
    if isinstance(node, ast.Constant):
        return str(node.value or "")
    return ast.unparse(node) if node else ""
