"""Measures how long Airflow takes to load each dag.py, in seconds.

The first column is the time in a new process that has imported Airflow but no operators, like
Airflow's DAG processor. The second column is the time to load the same file again, which is the
cost of the DAG itself. Run it from the root: ./pants run build-support/checks/bench/parse_dags.py
"""

import time
from multiprocessing import get_context
from pathlib import Path

# This module must be the first that imports Airflow.
from maxairesources.testing.dags import load_dags


def seconds(file: Path) -> float:
    start = time.perf_counter()
    bag = load_dags(file)
    assert len(bag.dags) == 1, bag.import_errors
    return time.perf_counter() - start


if __name__ == "__main__":
    print("first   again   DAG")
    for dag_file in sorted(Path.cwd().glob("maxaidags/*/*/*/dag.py")):
        # The forked process has Airflow imported, but no operators.
        with get_context("fork").Pool(1) as pool:
            first, again = pool.map(seconds, [dag_file] * 2, chunksize=1)
        print(f"{first:5.3f}   {again:5.3f}   {'.'.join(dag_file.parts[-4:-1])}")
