"""Checks the DAG of an objective without running it, for tests.

Airflow reads its settings when it is first imported, so this module must be the first to
import it.
"""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from unittest import mock

_FOLDER = tempfile.TemporaryDirectory(prefix="airflow-", ignore_cleanup_errors=True)
_HOME = _FOLDER.name
os.environ.update(
    AIRFLOW_HOME=_HOME,
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__UNIT_TEST_MODE="True",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{_HOME}/airflow.db",
    # Airflow logs each error that `check_dag` reports, with a traceback.
    AIRFLOW__LOGGING__LOGGING_LEVEL="CRITICAL",
)

from airflow.dag_processing.dagbag import DagBag  # noqa: E402
from airflow.serialization.serialized_objects import DagSerialization  # noqa: E402

from maxairesources.deployed import Deployed, find_deployments  # noqa: E402
from maxairesources.errors import InputError  # noqa: E402
from maxairesources.testing.config_checks import mistakes_in_configs  # noqa: E402
from maxairesources.testing.dag_checks import mistakes_in  # noqa: E402
from maxairesources.testing.dag_checks import mistakes_in_launches  # noqa: E402
from maxairesources.tree import CONFIGS, DAGS, path_of  # noqa: E402


def load_dags(file: Path, deployment: str | None = None) -> DagBag:
    """Return what Airflow loads from a dag.py with the overlays of a deployment."""
    with mock.patch.dict(os.environ, MAXAI_DEPLOYMENT=deployment or ""):
        return DagBag(file)


def check_dag(test_file: str) -> None:
    """Assert that the dag.py beside a test is valid, with the overlays of each deployment.

    The configs are valid, it loads, has the id `<domain>.<usecase>.<objective>`, Airflow can
    serialize it, and Kubernetes would accept each of its pods. `test_file` is `__file__`.
    """
    # The test runner has it, but not `./pants run`.
    import pytest

    file = Path(test_file).resolve().with_name("dag.py")
    configs = Path(file.parents[4], CONFIGS, *file.parts[-4:-2])
    for deployment in (None, *sorted({*find_deployments(configs)})):
        if mistakes := "\n".join(map(str, _find_mistakes(file, deployment))):
            pytest.fail(mistakes, pytrace=False)


def _find_mistakes(file: Path, deployment: str | None) -> Iterable[object]:
    """Return the mistakes that the first failing check of a dag.py finds."""
    root, names = file.parents[4], file.parts[-4:-1]
    mistakes = [*mistakes_in_configs(root, names, deployment)]
    # A config that cannot be read is one of these mistakes.
    with contextlib.suppress(InputError):
        found = Deployed(deployment).read_objective(root, names)
        # In a file with others, these may be a consequence.
        wrong = {each.subject for each in mistakes}
        launches = mistakes_in_launches(found)
        mistakes += [each for each in launches if each.subject not in wrong]
    if mistakes:
        return dict.fromkeys("\n".join(map(str, mistakes)).splitlines())
    bag = load_dags(file, deployment)
    if errors := "\n".join(bag.import_errors.values()).strip():
        if missing := re.search(r"module named 'airflow\.(providers\.[\w.]+)'", errors):
            package = f"apache-airflow-{missing[1]}".replace(".", "-")
            errors += f"\nAirflow lacks a provider: add its package, such as {package},"
            errors += " to 3rdparty/python/airflow.txt, and run ./pants lock airflow"
        # The traceback of an error of the library helps nobody.
        _, *own = re.split(r"^\S*\bInputError: ", errors, flags=re.MULTILINE)
        return own[-1:] or [errors]
    # Airflow silently ignores a file without the words airflow and dag.
    if list(bag.dags) != [".".join(names)]:
        return [
            f"{path_of(DAGS, names, 'dag.py')}: has the DAGs {list(bag.dags)}, not "
            f"{'.'.join(names)}; use this dag_id, write Airflow in its docstring, and assign "
            "the result of create_dag() to a variable"
        ]
    (dag,) = bag.dags.values()
    stored = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    assert stored.task_ids == dag.task_ids
    assert {*names} <= dag.tags
    return mistakes_in(dag, found, path_of(DAGS, names, "dag.py"))
