"""Measures how long Airflow takes to load each dag.py, in seconds.

The first column is that of a process of its own, in which Airflow is imported and the
operators are not, as in Airflow's DAG processor. The second is the same file once more:
what the DAG itself costs. Run it from the root: ./pants run build-support/checks/bench/parse_dags.py
"""

import multiprocessing
import time
from pathlib import Path

# It has to be the first to import Airflow.
from maxairesources.testing.dags import load_dags


def seconds(file: Path) -> tuple[float, float]:
    times = []
    for _ in range(2):
        start = time.perf_counter()
        bag = load_dags(file)
        times.append(time.perf_counter() - start)
        assert len(bag.dags) == 1, bag.import_errors
    return times[0], times[1]


def main() -> None:
    print("first   again   DAG")
    for file in sorted(Path.cwd().glob("maxaidags/*/*/*/dag.py")):
        # The fork has all that this process has imported: Airflow, but no operator.
        with multiprocessing.get_context("fork").Pool(1) as pool:
            first, again = pool.apply(seconds, (file,))
        print(f"{first:5.3f}   {again:5.3f}   {'.'.join(file.parts[-4:-1])}")


if __name__ == "__main__":
    main()
