"""Measures how long Airflow takes to load each dag.py, in seconds.

The first column is the time in a new process that has imported Airflow but no operators, like
Airflow's DAG processor. The second column is the time to load the same file again, which is the
cost of the DAG itself. Run it from the root: ./pants run build-support/checks/bench/parse_dags.py
"""

import multiprocessing
import time
from pathlib import Path

# This module must be the first that imports Airflow.
from maxairesources.testing.dags import load_dags


def seconds(file: Path) -> tuple[float, float]:
    """Return the seconds of loading a file for the first and the second time."""
    times = []
    for _ in range(2):
        start = time.perf_counter()
        bag = load_dags(file)
        times.append(time.perf_counter() - start)
        assert len(bag.dags) == 1, bag.import_errors
    return times[0], times[1]


if __name__ == "__main__":
    print("first   again   DAG")
    for dag_file in sorted(Path.cwd().glob("maxaidags/*/*/*/dag.py")):
        # The forked process has Airflow imported, but no operators.
        with multiprocessing.get_context("fork").Pool(1) as pool:
            first, again = pool.apply(seconds, (dag_file,))
        print(f"{first:5.3f}   {again:5.3f}   {'.'.join(dag_file.parts[-4:-1])}")
