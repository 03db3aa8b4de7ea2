"""Loads the DAGs of a folder as Airflow will see it, and prints what is wrong, as JSON.

A process of its own, since Airflow is set up once and the folder brings a maxairesources of
its own. Arguments: the folder, and the ids of the DAGs that have to be in it.
"""

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path


def find_mistakes(folder: Path, expected: set[str]) -> Iterator[str]:
    """Yield a line for each mistake.

    Args:
        folder: what the bundle shows to Airflow.
        expected: the ids of all DAGs.
    """
    spec = importlib.util.find_spec("maxairesources")
    assert spec and spec.submodule_search_locations
    (own,) = spec.submodule_search_locations
    sys.path.insert(0, str(folder))
    # What checks the DAGs is no part of a release, so these come from here. They are run
    # when they are used, since Airflow's settings have to come before its import.
    for name in ("testing/__init__", "launches", "dags/pods"):
        module = f"maxairesources.{name.removesuffix('/__init__').replace('/', '.')}"
        part = importlib.util.spec_from_file_location(module, Path(own, f"{name}.py"))
        assert part and part.loader
        part.loader = importlib.util.LazyLoader(part.loader)
        sys.modules[module] = importlib.util.module_from_spec(part)
        part.loader.exec_module(sys.modules[module])
    # It sets Airflow up, and so has to be the first to import it.
    from maxairesources.testing.dags import DagBag, DagSerialization, mistakes_in

    bag = DagBag(folder)
    for file, error in sorted(bag.import_errors.items()):
        yield f"{Path(file).relative_to(folder)}: {error.strip().splitlines()[-1]}"
    for dag_id in sorted(expected - {*bag.dags}):
        yield f"DAG {dag_id} is missing: its dag.py must say Airflow and define it"
    for dag_id in sorted({*bag.dags} - expected):
        yield f"unexpected DAG {dag_id}: an id must be <domain>.<usecase>.<objective>"
    for dag_id, dag in sorted(bag.dags.items()):
        try:
            DagSerialization.from_dict(DagSerialization.to_dict(dag))
        except Exception as error:
            yield f"{dag_id}: Airflow cannot store it ({error})"
        for mistake in mistakes_in(dag):
            yield f"{dag_id}: {mistake}"


if __name__ == "__main__":
    # In the last line: whatever else is printed comes from Airflow and the DAGs.
    print(json.dumps([*find_mistakes(Path(sys.argv[1]), {*sys.argv[2:]})]))
