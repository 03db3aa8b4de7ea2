"""Tests that the trees of the DAGs and of the configs have the same objectives."""

import os
from pathlib import Path


def objectives(tree: str, file: str) -> set[str]:
    """Returns the folders of objectives in a tree that hold the file."""
    return {str(path.parent.relative_to(tree)) for path in Path(tree).rglob(file)}


def test_each_objective_has_configs_a_dag_and_a_test_of_it() -> None:
    configured = objectives("maxaiconfigs", "py_config.json")
    assert configured
    assert objectives("maxaidags", "dag.py") == configured
    assert objectives("maxaidags", "dag_test.py") == configured


def test_each_objective_is_run_by_a_test() -> None:
    """The list is OBJECTIVES in build-support/macros.py."""
    assert objectives("maxaidags", "dag.py") == {*os.environ["OBJECTIVES"].split(",")}
