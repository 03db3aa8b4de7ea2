"""Test of a run of retail.demand_forecast.weekly_units with all sample data."""

from pathlib import Path

from maxaitools.local.testing import Tree, figures, run_objective


def test_results_match_the_readme(tmp_path: Path) -> None:
    results = run_objective(Tree(tmp_path), __file__)
    backtest = figures(results / "backtest.csv", department="all departments")
    assert (backtest["mase"], backtest["baseline_mase"]) == ("0.805", "1.016")
