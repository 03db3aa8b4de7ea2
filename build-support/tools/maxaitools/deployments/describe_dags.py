"""Print the schedule and the tasks of DAGs as JSON, by dag.py and deployment.

This runs in a process of its own, in a folder with the trees of one commit: they have their own
maxairesources. The arguments are the names of the deployments, `--`, and the paths of the files.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def describe_in_each(file: Path, deployments: Sequence[str]) -> dict[str, Any]:
    """Return the description of the DAG in a dag.py by deployment; see `describe`."""
    # This module sets Airflow up, so it must be the first one that imports Airflow.
    from maxairesources.testing.dags import objective

    root, names = file.parents[4], file.parts[-4:-1]
    overlays = {
        *objective.find_deployments(root / "maxaiconfigs" / names[0] / names[1])
    }
    # All deployments without an overlay have the same DAG.
    loaded_as = {name: name if name in overlays else None for name in deployments}
    described = {each: describe(file, each) for each in {*loaded_as.values()}}
    return {name: described[each] for name, each in loaded_as.items()}


def describe(file: Path, deployment: str | None) -> Any:
    """Return the schedule and the tasks of the DAG in a file, or why Airflow cannot load it.

    Args:
        file: the dag.py.
        deployment: the deployment whose overlays apply.
    """
    from maxairesources.testing.dags import DagSerialization, load_dags

    bag = load_dags(file, deployment)
    for error in bag.import_errors.values():
        return f"Airflow cannot load it: {error.strip().splitlines()[-1]}"
    dags = {}
    for dag_id, dag in bag.dags.items():
        # Airflow stores every kind of schedule as the fields of a timetable.
        timetable = DagSerialization.to_dict(dag)["dag"]["timetable"]
        kind = timetable["__type"].rpartition(".")[2]
        dags[dag_id] = {
            "schedule": {"kind": kind, **timetable["__var"]},
            "tasks": {
                task.task_id: {
                    "operator": task.task_type,
                    "parents": sorted(task.upstream_task_ids),
                }
                for task in dag.tasks
            },
        }
    # A file has one DAG, but nothing refuses another one here.
    return next(iter(dags.values()), "it has no DAG") if len(dags) < 2 else dags


def main() -> None:
    split = sys.argv.index("--")
    deployments, files = sys.argv[1:split], sys.argv[split + 1 :]
    sys.path.insert(0, str(Path.cwd()))
    described = {
        file: describe_in_each(Path(file).resolve(), deployments)
        for file in files
        if Path(file).exists()
    }
    # The result is the last line; Airflow and the DAGs may print other lines before it.
    print(json.dumps(described))


if __name__ == "__main__":
    main()
