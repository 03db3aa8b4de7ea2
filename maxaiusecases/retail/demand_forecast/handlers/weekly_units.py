"""Units sold by week and department.

Reads (port 1) transactions: product_id, quantity, transaction_timestamp (UTC), and
(port 2) products: product_id, department, product_type. Writes (port 1) one row a
department and week: week_start (a Monday), units.

Products that are sold by volume, such as petrol, count thousandths of a gallon in
`quantity`, eighty times all units together: they are left out. So are the first
and last weeks without sales on each of their seven days.
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
    """What the task is told.

    Attributes:
        time_zone: that of the shops, in which a day begins and ends.
        volume_product_types: the values of product_type to leave out.
    """

    time_zone: task.TimeZone
    volume_product_types: list[str]


def whole_weeks(days: "pd.Series[pd.Timestamp]") -> pd.DatetimeIndex:
    """Return the Mondays of the weeks, without the incomplete ones at both ends.

    Args:
        days: the days with sales, in any order, repeated or not.
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
        sales: department, quantity and transaction_timestamp (UTC), a row a purchase.
        time_zone: the time zone in which a day begins and ends.

    Returns:
        department, week_start and units, ordered by both; a week without a sale of a
        department has 0 units.
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
    """Run the task; see the module's text."""
    told = task.read_task(kwargs["config"], kwargs["task"], Arguments)
    transactions = read_table(told.input, TRANSACTIONS, 1)
    products = read_table(told.input, PRODUCTS, 2, may_be_missing=["product_type"])
    if not products["product_id"].is_unique:
        source = ports.find_port(told.input, 2).address
        raise InputError("a product_id stands there twice", "keep one row", source)
    sales = transactions.merge(products, on="product_id")
    counted = sales[~sales["product_type"].isin(told.args.volume_product_types)]
    units, weeks = weekly_units(counted, told.args.time_zone)
    if units.empty:
        source = ports.find_port(told.input, 1).address
        raise InputError("no complete week of sales", "give more days", source)
    data_connectors.DataFrame().write(units, told.output)
    logger.info(
        "left out: %d rows without a known product, %d rows sold by volume",
        *(len(transactions) - len(sales), len(sales) - len(counted)),
    )
    logger.info(
        "%d units in %d departments and %d weeks from %s to %s",
        *(units["units"].sum(), units["department"].nunique(), len(weeks)),
        *(weeks[0].date(), weeks[-1].date()),
    )


def _monday(days: "pd.Series[pd.Timestamp]") -> "pd.Series[pd.Timestamp]":
    return days - pd.to_timedelta(days.dt.dayofweek, unit="D")


if __name__ == "__main__":
    execute()
