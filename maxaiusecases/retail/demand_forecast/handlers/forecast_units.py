"""Forecast of the weekly units of each department, backtested.

Reads (port 1) the weekly units of task weekly_units. Writes (port 1) the forecast of
the weeks ahead and (port 2) the backtest, one row a department and one for all.

The model is a local level with one regressor, the share of a week's days that are
among the first seven of a month, on the logarithm of the units; it is fitted anew at
each origin of the backtest. The baseline is the seasonal naive forecast: the units of
one season before. A year of data cannot show a yearly season; sales peak at the turn
of the month, and a season of four weeks is the whole number of weeks nearest to it.
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
    """What the task is told.

    Attributes:
        horizon: how many weeks ahead.
        season: of how many weeks.
        origins: how many of the last possible starts the backtest uses.
        minimum_weekly_units: departments that sell fewer in the mean week are left out.
    """

    horizon: task.Count
    season: task.Count
    origins: task.Count
    minimum_weekly_units: task.Count


def month_starts(weeks: pd.DatetimeIndex) -> Floats:
    """Return the share of each week's days that are the first to seventh of a month.

    Args:
        weeks: the first days of n weeks.

    Returns:
        n shares from 0 to 1.
    """
    days = [weeks + pd.Timedelta(days=i) for i in range(7)]
    early = np.array([day.day <= 7 for day in days], dtype=np.float64)
    return np.asarray(early.mean(axis=0))


def forecast(units: Floats, regressor: Floats) -> Floats:
    """Forecast the weeks that follow.

    Args:
        units: n weekly units, none negative.
        regressor: n + h values, for these weeks and for h weeks ahead.

    Returns:
        h forecasts (units), the medians of the predictive distributions. Harvey
        (1989), "Forecasting, structural time series models and the Kalman filter",
        chapter 4: the local level model.
    """
    seen = len(units)
    model = UnobservedComponents(
        np.log1p(units), "local level", exog=regressor[:seen, np.newaxis]
    )
    with warnings.catch_warnings():
        # Where the level hardly moves, the optimizer wanders along a flat likelihood:
        # the forecast is the same, and the backtest judges it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = model.fit(disp=False)
    ahead = regressor[seen:, np.newaxis]
    logs = fitted.forecast(len(ahead), exog=ahead)
    return np.asarray(np.clip(np.expm1(logs), 0, None))


def seasonal_naive(units: Floats, season: int, horizon: int) -> Floats:
    """Return the last season's units, repeated over `horizon` weeks."""
    return np.resize(units[-season:], horizon)


def backtest(
    units: Floats, regressor: Floats, season: int, horizon: int, origins: int
) -> dict[str, float]:
    """Return the errors of the model and of the baseline over the last weeks.

    At each of `origins` successive weeks both see the weeks before only and forecast
    `horizon` weeks. MASE divides a mean absolute error by that of the one-season-ahead
    naive forecast within the weeks seen: Hyndman and Koehler (2006), "Another look at
    measures of forecast accuracy", International Journal of Forecasting 22.

    Returns:
        mae and baseline_mae (units a week), mase and baseline_mase.
    """
    rows = []
    for end in range(len(units) - horizon - origins + 1, len(units) - horizon + 1):
        seen, truth = units[:end], units[end : end + horizon]
        scale = np.abs(seen[season:] - seen[:-season]).mean()
        mae = np.abs(forecast(seen, regressor[: end + horizon]) - truth).mean()
        naive = np.abs(seasonal_naive(seen, season, horizon) - truth).mean()
        rows.append((mae, naive, mae / scale, naive / scale))
    names = ("mae", "baseline_mae", "mase", "baseline_mase")
    return dict(zip(names, np.mean(rows, axis=0).tolist(), strict=True))


def to_matrix(units: pd.DataFrame, minimum: int, source: object) -> pd.DataFrame:
    """Return the units with a row a week and a column a department that sells enough.

    Raises:
        InputError: a week is missing or stands there twice, a value is negative, or
            no department sells enough.
    """
    if units.duplicated(["department", "week_start"]).any():
        raise InputError("a department's week stands there twice", "keep one", source)
    table = units.pivot(index="week_start", columns="department", values="units")
    steps = table.index.to_series().diff().iloc[1:]
    if table.isna().to_numpy().any() or (steps != pd.Timedelta(days=7)).any():
        raise InputError("a department lacks a week", "write 0 units there", source)
    if (table < 0).to_numpy().any():
        raise InputError("column 'units' holds negative values", "mend them", source)
    table = table.loc[:, table.mean() >= minimum].astype(float)
    if table.empty:
        raise InputError(
            f"no department sells {minimum} units in the mean week",
            "lower minimum_weekly_units",
            source,
        )
    return table


@config.main()
def execute(**kwargs: Any) -> None:
    """Run the task; see the module's text."""
    told = task.read_task(kwargs["config"], kwargs["task"], Arguments)
    horizon, season, origins = told.args.horizon, told.args.season, told.args.origins
    source = ports.find_port(told.input).address
    units = read_table(told.input, COLUMNS)
    table = to_matrix(units, told.args.minimum_weekly_units, source)
    needed = 3 * season + horizon + origins - 1
    if len(table) < needed:
        raise InputError(
            f"{len(table)} weeks, but the backtest needs {needed}",
            "give more weeks, or a smaller season, horizon or origins",
            source,
        )
    # The first origin sees least: where its scale is above 0, all later ones are.
    first = table[: len(table) - horizon - origins + 1]
    for name, scale in first.diff(season).abs().mean().items():
        if scale == 0:
            raise InputError(
                f"department {name!r} sells the same as {season} weeks before in all "
                f"of its first {len(first)} weeks, so it has no MASE",
                "leave it out, or change season or origins",
                source,
            )
    errors = _backtests(table, season, horizon, origins)
    connector = data_connectors.DataFrame()
    connector.write(_ahead(table, season, horizon), told.output, 1)
    connector.write(errors, told.output, 2)
    overall = errors.iloc[-1]
    logger.info(
        "%d departments, %d origins, %d weeks ahead: MASE %.3f, seasonal naive %.3f",
        *(len(errors) - 1, origins, horizon, overall.mase, overall.baseline_mase),
    )


def _backtests(
    table: pd.DataFrame, season: int, horizon: int, origins: int
) -> pd.DataFrame:
    """Return a row of errors for each department, and their means."""
    regressor = month_starts(pd.DatetimeIndex(table.index))
    errors = pd.DataFrame(
        {
            name: backtest(column.to_numpy(), regressor, season, horizon, origins)
            for name, column in table.items()
        }
    ).T
    errors.insert(0, "mean_weekly_units", table.mean())
    errors.loc[ALL] = errors.mean()
    return errors.rename_axis("department").reset_index()


def _ahead(table: pd.DataFrame, season: int, horizon: int) -> pd.DataFrame:
    """Return the forecast and the baseline for the weeks after the last one."""
    ahead = pd.date_range(table.index[-1], periods=horizon + 1, freq="7D")[1:]
    regressor = month_starts(pd.DatetimeIndex(table.index.append(ahead)))
    forecasts = [
        pd.DataFrame(
            {
                "department": name,
                "week_start": ahead.astype("datetime64[us]"),
                "units": forecast(column.to_numpy(), regressor),
                "baseline_units": seasonal_naive(column.to_numpy(), season, horizon),
            }
        )
        for name, column in table.items()
    ]
    return pd.concat(forecasts, ignore_index=True)


if __name__ == "__main__":
    execute()
