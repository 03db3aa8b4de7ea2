"""Recency, frequency and monetary value of each household, computed by Spark.

Reads (port 1) transactions: household_id, basket_id, sales_value (dollars),
transaction_timestamp (UTC). Writes (port 1) one row a household: recency_days,
frequency (baskets), monetary (dollars).
"""

import datetime
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from maxairesources.config_store import config, task
from maxairesources.errors import InputError
from maxairesources.logging.logger import get_logger
from maxairesources.utilities import data_connectors, ports, spark_connectors
from maxairesources.utilities.tables import Kind, read_table

COLUMNS: dict[str, Kind] = {
    "household_id": "number",
    "basket_id": "number",
    "sales_value": "number",
    "transaction_timestamp": "date",
}

logger = get_logger(__name__)


class Arguments(task.Arguments):
    """What the task is told.

    Attributes:
        as_of: the day that looks back; purchases from it on do not count.
        time_zone: that of the shops, in which a day begins and ends.
    """

    as_of: task.Date
    time_zone: task.TimeZone


def rfm_features(
    transactions: DataFrame, as_of: datetime.date, time_zone: str
) -> DataFrame:
    """Return recency, frequency and monetary value of each household.

    Args:
        transactions: one row a purchased product, with `COLUMNS`; times in UTC.
        as_of: the day that looks back; purchases from it on do not count.
        time_zone: the time zone in which a day begins and ends.

    Returns:
        household_id, recency_days (from the last purchase to `as_of`, days), frequency
        (baskets), monetary (dollars); one partition, ordered by household_id.
    """
    day = F.to_date(F.from_utc_timestamp("transaction_timestamp", time_zone))
    # A sum of decimals is the same in any order, one of doubles is not.
    dollars = F.sum(F.col("sales_value").cast("decimal(18,2)")).cast("double")
    return (
        transactions.withColumn("day", day)
        .where(F.col("day") < F.lit(as_of))
        .groupBy("household_id")
        .agg(
            F.date_diff(F.lit(as_of), F.max("day")).alias("recency_days"),
            F.count_distinct("basket_id").alias("frequency"),
            dollars.alias("monetary"),
        )
        .coalesce(1)
        .sortWithinPartitions("household_id")
    )


@config.main()
def execute(**kwargs: Any) -> None:
    """Run the task; see the module's text."""
    told = task.read_task(kwargs["config"], kwargs["task"], Arguments)
    as_of = told.args.as_of
    transactions = read_table(told.input, COLUMNS, port_type="spark")
    features = rfm_features(transactions, as_of, told.args.time_zone).cache()
    totals = features.agg(
        F.count("*"), F.sum("frequency"), F.round(F.sum("monetary"), 2)
    )
    households, baskets, dollars = totals.first() or (0, 0, 0.0)
    if not households:
        source = ports.find_port(told.input).address
        raise InputError(f"no sale before {as_of}", "give a later as_of", source)
    data_connectors.DataFrame().write(features, told.output)
    logger.info(
        "%d households, %d baskets, %.2f dollars before %s (Spark master: %s)",
        *(households, baskets, dollars, as_of),
        spark_connectors.session().sparkContext.master,
    )


if __name__ == "__main__":
    execute()
