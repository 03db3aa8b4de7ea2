"""Compute the recency, frequency and monetary value of each household with Spark.

Input port 1: one row per purchased product: household_id, basket_id, sales_value
(dollars), transaction_timestamp (UTC).
Output port 1: one row per household: household_id, recency_days (days since the last
purchase), frequency (baskets), monetary (dollars).
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
    """The arguments of the task.

    Attributes:
        as_of: the day for which to compute; only earlier purchases count.
        time_zone: the time zone of the shops, in which days begin and end.
    """

    as_of: task.Date
    time_zone: task.TimeZone


def rfm_features(
    transactions: DataFrame, as_of: datetime.date, time_zone: str
) -> DataFrame:
    """Return recency, frequency and monetary value of each household.

    Args:
        transactions: one row per purchased product, with `COLUMNS`; times in UTC.
        as_of: the day for which to compute; only earlier purchases count.
        time_zone: the time zone in which days begin and end.

    Returns:
        One row per household: household_id, recency_days (days from the last purchase to
        `as_of`), frequency (baskets), monetary (dollars). The rows are in one partition,
        ordered by household_id.
    """
    day = F.to_date(F.from_utc_timestamp("transaction_timestamp", time_zone))
    # The sum of decimals does not depend on their order; the sum of doubles does.
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
    """Run the task."""
    settings = task.read_task(kwargs["config"], kwargs["task"], Arguments)
    as_of = settings.args.as_of
    transactions = read_table(settings.input, COLUMNS, port_type="spark")
    features = rfm_features(transactions, as_of, settings.args.time_zone).cache()
    totals = features.agg(
        F.count("*"), F.sum("frequency"), F.round(F.sum("monetary"), 2)
    )
    households, baskets, dollars = totals.first() or (0, 0, 0.0)
    if not households:
        source = ports.find_port(settings.input).address
        raise InputError(f"no sales before {as_of}", "use a later as_of", source)
    data_connectors.DataFrame().write(features, settings.output)
    logger.info(
        "%d households, %d baskets, %.2f dollars before %s (on %s)",
        *(households, baskets, dollars, as_of),
        spark_connectors.session().sparkContext.master,
    )


if __name__ == "__main__":
    execute()
