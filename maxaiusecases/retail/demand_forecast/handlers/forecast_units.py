"""Forecast the units that each department sells per week, and backtest the forecast.

Input port 1: one row per department and week, see weekly_units.
Output port 1: the forecast, one row per department and week: department, week_start,
units (model) and baseline_units.
Output port 2: the backtest, one row per department and one row for all departments:
mean_weekly_units, mae (units per week) and mase of the model and of the baseline.

The model is a local level model of the logarithm of the units. Its only regressor is the
share of the week's days that are among the first seven days of a month. The baseline is
the seasonal naive forecast, which repeats the units of the last season.

One year of data cannot show a yearly season. Sales peak at the start of each month, so the
season is four weeks, the whole number of weeks nearest to a month.
"""

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from statsmodels.tools.sm_exceptions import ConvergenceWarning
from statsmodels.tsa.statespace.structural import UnobservedComponents

from maxairesources.config_store import config, task
from maxairesources.errors import InputError
from maxairesources.logging.logger import get_logger
from maxairesources.utilities import data_connectors, ports
from maxairesources.utilities.tables import Kind, read_table

COLUMNS: dict[str, Kind] = {
    "department": "text",
    "week_start": "date",
    "units": "number",
}
ALL = "all departments"

Floats = npt.NDArray[np.float64]

logger = get_logger(__name__)


class Arguments(task.Arguments):
    """The arguments of the task.

    Attributes:
        horizon: the number of weeks to forecast.
        season: the length of a season in weeks.
        origins: the number of forecasts in the backtest, in successive weeks.
        minimum_weekly_units: the mean units per week that a department must reach.
    """

    horizon: task.Count
    season: task.Count
    origins: task.Count
    minimum_weekly_units: task.Count


def month_starts(weeks: pd.DatetimeIndex) -> Floats:
    """Return the share of each week's days that are among the first seven of a month.

    Args:
        weeks: the first days of n weeks.

    Returns:
        n shares, 0 to 1.
    """
    days = [weeks + pd.Timedelta(days=i) for i in range(7)]
    early = np.array([day.day <= 7 for day in days], dtype=np.float64)
    return np.asarray(early.mean(axis=0))


def next_weeks(units: "pd.Series[float]", horizon: int) -> pd.DatetimeIndex:
    """Return the first days of the weeks that follow those of the units."""
    return pd.date_range(units.index[-1], periods=horizon + 1, freq="7D")[1:]


def forecast(units: "pd.Series[float]", horizon: int) -> Floats:
    """Forecast the units of the next weeks.

    For the local level model, see Harvey (1989), "Forecasting, structural time series
    models and the Kalman filter", chapter 4.

    Args:
        units: the units by week, not negative.
        horizon: the number of weeks to forecast.

    Returns:
        The forecasts (units), which are the medians of the predictive distributions.
    """
    weeks = pd.DatetimeIndex(units.index).append(next_weeks(units, horizon))
    regressor = month_starts(weeks)[:, np.newaxis]
    seen, ahead = np.split(regressor, [len(units)])
    model = UnobservedComponents(np.log1p(units.to_numpy()), "local level", exog=seen)
    with warnings.catch_warnings():
        # If the level is almost constant, the likelihood is flat and the optimizer does not
        # converge. The forecast is the same, and the backtest measures its error.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = model.fit(disp=False)
    return np.asarray(np.clip(np.expm1(fitted.forecast(horizon, exog=ahead)), 0, None))


def seasonal_naive(units: Floats, season: int, horizon: int) -> Floats:
    """Repeat the units of the last `season` weeks over the next `horizon` weeks."""
    return np.resize(units[-season:], horizon)


def backtest(units: "pd.Series[float]", args: Arguments) -> dict[str, float]:
    """Compute the errors of past forecasts by the model and by the baseline.

    In each of `origins` successive weeks, both forecast `horizon` weeks from the earlier
    weeks only. The MASE is the mean absolute error, divided by the mean absolute error of
    the one-season naive forecast in those earlier weeks. See Hyndman and Koehler (2006),
    "Another look at measures of forecast accuracy", International Journal of
    Forecasting 22.

    Args:
        units: the units by week.
        args: the arguments of the task.

    Returns:
        mae and baseline_mae (units per week), mase and baseline_mase (no unit).
    """
    horizon, rows = args.horizon, []
    last = len(units) - horizon
    for end in range(last - args.origins + 1, last + 1):
        seen, truth = units.iloc[:end], units.iloc[end : end + horizon].to_numpy()
        scale = seen.diff(args.season).abs().mean()
        mae = np.abs(forecast(seen, horizon) - truth).mean()
        naive = np.abs(
            seasonal_naive(seen.to_numpy(), args.season, horizon) - truth
        ).mean()
        rows.append((mae, naive, mae / scale, naive / scale))
    names = ("mae", "baseline_mae", "mase", "baseline_mase")
    return dict(zip(names, np.mean(rows, axis=0).tolist(), strict=True))


def to_matrix(units: pd.DataFrame, minimum: int, source: object) -> pd.DataFrame:
    """Return the units with one row per week and one column per department.

    Args:
        units: one row per department and week, with `COLUMNS`.
        minimum: the mean units per week that a department must reach to be included.
        source: the file that errors name.

    Raises:
        InputError: a week is missing or duplicate, a value is negative, or no department
            reaches the minimum.
    """
    if units.duplicated(["department", "week_start"]).any():
        raise InputError("duplicate week of a department", "keep one row", source)
    table = units.pivot(index="week_start", columns="department", values="units")
    steps = table.index.to_series().diff().iloc[1:]
    if table.isna().to_numpy().any() or (steps != pd.Timedelta(days=7)).any():
        raise InputError("a department lacks a week", "add it with 0 units", source)
    if (table < 0).to_numpy().any():
        raise InputError("column 'units' has negative values", "fix them", source)
    table = table.loc[:, table.mean() >= minimum].astype(float)
    if table.empty:
        raise InputError(
            f"no department sells {minimum} units per week on average",
            "decrease minimum_weekly_units",
            source,
        )
    return table


@config.main()
def execute(**kwargs: Any) -> None:
    """Run the task."""
    settings = task.read_task(kwargs["config"], kwargs["task"], Arguments)
    args, source = settings.args, ports.find_port(settings.input).address
    units = read_table(settings.input, COLUMNS)
    table = to_matrix(units, args.minimum_weekly_units, source)
    needed = 3 * args.season + args.horizon + args.origins - 1
    if len(table) < needed:
        raise InputError(
            f"{len(table)} weeks, but the backtest needs {needed}",
            "add more weeks, or decrease season, horizon or origins",
            source,
        )
    # If the first forecast has a MASE, which needs a scale above 0, all later ones have one.
    first = table[: len(table) - args.horizon - args.origins + 1]
    for name, scale in first.diff(args.season).abs().mean().items():
        if scale == 0:
            raise InputError(
                f"department {name!r} has no MASE, because its units repeat every "
                f"{args.season} weeks in the first {len(first)} weeks",
                "remove the department, or change season or origins",
                source,
            )
    errors = _backtests(table, args)
    connector = data_connectors.DataFrame()
    connector.write(_ahead(table, args), settings.output, 1)
    connector.write(errors, settings.output, 2)
    overall = errors.iloc[-1]
    logger.info(
        "%d departments, %d origins, %d weeks ahead: MASE %.3f, baseline %.3f",
        *(len(errors) - 1, args.origins, args.horizon),
        *(overall.mase, overall.baseline_mase),
    )


def _backtests(table: pd.DataFrame, args: Arguments) -> pd.DataFrame:
    """Return one row of errors per department, and one row with their means."""
    errors = pd.DataFrame({name: backtest(table[name], args) for name in table}).T
    errors.insert(0, "mean_weekly_units", table.mean())
    errors.loc[ALL] = errors.mean()
    return errors.rename_axis("department").reset_index()


def _ahead(table: pd.DataFrame, args: Arguments) -> pd.DataFrame:
    """Return the forecasts of the model and of the baseline for the next weeks."""
    forecasts = [
        pd.DataFrame(
            {
                "department": name,
                "week_start": next_weeks(units, args.horizon).astype("datetime64[us]"),
                "units": forecast(units, args.horizon),
                "baseline_units": seasonal_naive(
                    units.to_numpy(), args.season, args.horizon
                ),
            }
        )
        for name, units in table.items()
    ]
    return pd.concat(forecasts, ignore_index=True)


if __name__ == "__main__":
    execute()
