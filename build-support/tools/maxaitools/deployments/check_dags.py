"""Load the DAGs of a folder as Airflow would, and print the mistakes as JSON.

This runs in a process of its own: Airflow can be set up only once, and the folder has its
own maxairesources. Arguments: the folder, and the ids of the DAGs that it must define.
"""

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path


def find_mistakes(folder: Path, expected: set[str]) -> Iterator[str]:
    """Yield a line for each mistake.

    Args:
        folder: the folder that Airflow would read.
        expected: the ids of all DAGs.
    """
    spec = importlib.util.find_spec("maxairesources")
    assert spec and spec.submodule_search_locations
    (own,) = spec.submodule_search_locations
    sys.path.insert(0, str(folder))
    # A release may lack these modules; then they come from this clone. They load lazily,
    # since Airflow must be set up before its first import.
    for name in ("testing/__init__", "launches", "dags/pods", "dags/check"):
        if Path(folder, "maxairesources", f"{name}.py").exists():
            continue
        module = f"maxairesources.{name.removesuffix('/__init__').replace('/', '.')}"
        part = importlib.util.spec_from_file_location(module, Path(own, f"{name}.py"))
        assert part and part.loader
        part.loader = importlib.util.LazyLoader(part.loader)
        sys.modules[module] = importlib.util.module_from_spec(part)
        part.loader.exec_module(sys.modules[module])
    # This module sets Airflow up, so it must be the first one that imports Airflow.
    from maxairesources.testing.dags import (
        DagBag,
        DagSerialization,
        advice_for,
        mistakes_in,
    )

    bag = DagBag(folder)
    for file, error in sorted(bag.import_errors.items()):
        problem = advice_for(error) or error.strip().splitlines()[-1]
        yield f"{Path(file).relative_to(folder)}: {problem}"
    for dag_id in sorted(expected - {*bag.dags}):
        yield f"DAG {dag_id} is missing: its dag.py must define it and mention Airflow"
    for dag_id in sorted({*bag.dags} - expected):
        yield f"unexpected DAG {dag_id}: an id must be <domain>.<usecase>.<objective>"
    for dag_id, dag in sorted(bag.dags.items()):
        try:
            DagSerialization.from_dict(DagSerialization.to_dict(dag))
        except Exception as error:
            yield f"{dag_id}: Airflow cannot serialize it ({error})"
        for mistake in mistakes_in(dag):
            yield f"{dag_id}: {mistake}"


if __name__ == "__main__":
    # The result is the last line; Airflow and the DAGs may print other lines before it.
    print(json.dumps([*find_mistakes(Path(sys.argv[1]), {*sys.argv[2:]})]))
