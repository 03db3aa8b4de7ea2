"""Test of a run of retail.customer360.segmentation with all sample data."""

from pathlib import Path

from maxaitools.local.testing import Tree, figures, run_objective


def test_results_match_the_readme(tmp_path: Path) -> None:
    results = run_objective(Tree(tmp_path), __file__)
    metrics = figures(results / "segment_metrics.csv", metric="silhouette")
    assert (metrics["model"], metrics["baseline"]) == ("0.519", "0.165")
    profile = figures(results / "segment_profiles.csv", segment="1")
    assert profile["households"] == "973.000"
