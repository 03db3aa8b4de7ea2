"""Runs an objective by the local runner, in the image that Pants has built for the test.

The variable OBJECTIVE names it: domain/usecase/objective.
"""

import csv
import json
import os
from pathlib import Path

from local_runner.containers import built_image
from local_runner.tree import Tree, states

OBJECTIVE = os.environ["OBJECTIVE"]
NAMES = OBJECTIVE.split("/")

# What the domains' READMEs say: in which file, in which row, which values.
FIGURES = {
    "finance/credit_risk/default_score": [
        ("metrics.csv", {"metric": "roc_auc"}, {"model": "0.682", "baseline": "0.616"}),
    ],
    "healthcare/patient_outcomes/recurrence_risk": [
        (
            "metrics.csv",
            {"metric": "concordance"},
            {"model": "0.700", "baseline": "0.646"},
        ),
    ],
    "retail/customer360/segmentation": [
        (
            "segment_metrics.csv",
            {"metric": "silhouette"},
            {"model": "0.519", "baseline": "0.165"},
        ),
        ("segment_profiles.csv", {"segment": "1"}, {"households": "973.000"}),
    ],
    "retail/demand_forecast/weekly_units": [
        (
            "backtest.csv",
            {"department": "all departments"},
            {"mase": "0.805", "baseline_mase": "1.016"},
        ),
    ],
}


def test_objective_runs_and_has_the_figures_of_the_readme(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    done = tree.run(*NAMES, "--image", built_image(NAMES[0], Path()))
    assert done.returncode == 0
    found = states(done.stdout)
    config = json.loads(Path("maxaiconfigs", *NAMES, "py_config.json").read_text())
    config.pop("$schema")
    for task, part in config.items():
        assert found[task] == "success"
        for port in part["output"]:
            path = port["sourceDetails"]["filePath"]
            assert (tree.data / path).exists()
            assert f"data/{path} (" in done.stdout
    results = tree.data / NAMES[0] / NAMES[1]
    for name, where, expected in FIGURES[OBJECTIVE]:
        (row,) = rows(results / name, where)
        assert {key: f"{float(row[key]):.3f}" for key in expected} == expected


def rows(path: Path, where: dict[str, str]) -> list[dict[str, str]]:
    """Return the rows of a csv file that have these values."""
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if where.items() <= row.items()]
