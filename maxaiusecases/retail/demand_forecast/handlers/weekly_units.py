"""Count the units that each department sells per week.

Input port 1: one row per purchased product: product_id, quantity (units),
transaction_timestamp (UTC).
Input port 2: one row per product: product_id, department, product_type.
Output port 1: one row per department and week: department, week_start (a Monday), units.

Products sold by volume, such as petrol, are not counted: their `quantity` is in thousandths
of a gallon, not in units. Incomplete weeks at the start and at the end are not counted,
either. A week is complete if there are sales on each of its seven days.
"""

from typing import Any

import pandas as pd

from maxairesources.config_store import config, task
from maxairesources.errors import InputError
from maxairesources.logging.logger import get_logger
from maxairesources.utilities import data_connectors, ports
from maxairesources.utilities.tables import Kind, read_table

TRANSACTIONS: dict[str, Kind] = {
    "product_id": "number",
    "quantity": "number",
    "transaction_timestamp": "date",
}
PRODUCTS: dict[str, Kind] = {
    "product_id": "number",
    "department": "text",
    "product_type": "text",
}

logger = get_logger(__name__)


class Arguments(task.Arguments):
    """The arguments of the task.

    Attributes:
        time_zone: the time zone of the shops, in which days begin and end.
        volume_product_types: the values of product_type that are sold by volume.
    """

    time_zone: task.TimeZone
    volume_product_types: list[str]


def whole_weeks(days: "pd.Series[pd.Timestamp]") -> pd.DatetimeIndex:
    """Return the Mondays of all weeks from the first to the last complete week.

    Args:
        days: the days with sales, in any order, with or without duplicates.
    """
    different = pd.Series(days.unique())
    counts = different.groupby(_monday(different)).size()
    full = counts.index[counts == 7]
    if full.empty:
        return pd.DatetimeIndex([])
    return pd.date_range(full.min(), full.max(), freq="W-MON")


def weekly_units(
    sales: pd.DataFrame, time_zone: str
) -> tuple[pd.DataFrame, pd.DatetimeIndex]:
    """Return the units by department and week, and the weeks.

    Args:
        sales: one row per purchased product: department, quantity (units) and
            transaction_timestamp (UTC).
        time_zone: the time zone in which days begin and end.

    Returns:
        department, week_start and units, ordered by department and week, and the Mondays
        of the weeks. A department without sales in a week has 0 units.
    """
    local = (
        sales["transaction_timestamp"].dt.tz_localize("UTC").dt.tz_convert(time_zone)
    )
    days = local.dt.tz_localize(None).dt.normalize()
    weeks = whole_weeks(days)
    table = sales.assign(week_start=_monday(days)).pivot_table(
        index="week_start", columns="department", values="quantity", aggfunc="sum"
    )
    table = table.reindex(weeks).fillna(0).astype("int64")
    table.index = weeks.rename("week_start").astype("datetime64[us]")
    units = table.melt(ignore_index=False, value_name="units").reset_index()
    units = units.sort_values(["department", "week_start"], ignore_index=True)
    units = units[["department", "week_start", "units"]]
    return units, weeks


@config.main()
def execute(**kwargs: Any) -> None:
    """Run the task."""
    settings = task.read_task(kwargs["config"], kwargs["task"], Arguments)
    transactions = read_table(settings.input, TRANSACTIONS, 1)
    products = read_table(settings.input, PRODUCTS, 2, may_be_missing=["product_type"])
    if not products["product_id"].is_unique:
        source = ports.find_port(settings.input, 2).address
        raise InputError("duplicate product_id", "keep one row for each", source)
    sales = transactions.merge(products, on="product_id")
    counted = sales[~sales["product_type"].isin(settings.args.volume_product_types)]
    units, weeks = weekly_units(counted, settings.args.time_zone)
    if units.empty:
        source = ports.find_port(settings.input, 1).address
        raise InputError("no complete week of sales", "add more days", source)
    data_connectors.DataFrame().write(units, settings.output)
    logger.info(
        "%d units in %d departments and %d weeks from %s to %s",
        *(units["units"].sum(), units["department"].nunique(), len(weeks)),
        *(weeks[0].date(), weeks[-1].date()),
    )


def _monday(days: "pd.Series[pd.Timestamp]") -> "pd.Series[pd.Timestamp]":
    return days - pd.to_timedelta(days.dt.dayofweek, unit="D")


if __name__ == "__main__":
    execute()
