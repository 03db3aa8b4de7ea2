"""Run of the objective retail.demand_forecast.weekly_units on the whole sample data."""

from pathlib import Path

from maxaitools.local.testing import Tree, figures, run_objective


def test_objective_has_the_figures_of_the_readme(tmp_path: Path) -> None:
    results = run_objective(Tree(tmp_path), __file__)
    backtest = figures(results / "backtest.csv", department="all departments")
    assert (backtest["mase"], backtest["baseline_mase"]) == ("0.805", "1.016")
