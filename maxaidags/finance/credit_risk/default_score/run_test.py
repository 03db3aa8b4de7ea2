"""Test of a run of finance.credit_risk.default_score with all sample data."""

from pathlib import Path

from maxaitools.local.testing import Tree, figures, run_objective


def test_results_match_the_readme(tmp_path: Path) -> None:
    results = run_objective(Tree(tmp_path), __file__)
    metrics = figures(results / "metrics.csv", metric="roc_auc")
    assert (metrics["model"], metrics["baseline"]) == ("0.682", "0.616")
