"""Segments of households that buy alike, by k-means in Spark ML.

Reads (port 1) the features of task rfm_features. Writes (port 1) each household with
its segment, (port 2) a profile of each segment, and (port 3) the silhouette beside the
baseline's: groups of equal size by monetary value alone. Segment 1 spends most.
"""

from itertools import chain
from typing import Annotated, Any

import pandas as pd
from pydantic import Field
from pyspark.ml.clustering import KMeans
from pyspark.ml.evaluation import ClusteringEvaluator
from pyspark.ml.feature import StandardScaler, VectorAssembler
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from maxairesources.config_store import config, task
from maxairesources.errors import InputError
from maxairesources.logging.logger import get_logger
from maxairesources.utilities import data_connectors, ports, spark_connectors
from maxairesources.utilities.tables import Kind, read_table

FEATURES = ("recency_days", "frequency", "monetary")
COLUMNS: dict[str, Kind] = dict.fromkeys(("household_id", *FEATURES), "number")

logger = get_logger(__name__)


class Arguments(task.Arguments):
    """What the task is told.

    Attributes:
        segments: how many.
        seed: of the first centres.
        starts: k-means begins that often, with seed, seed + 1 and so on, and the
            tightest result counts.
    """

    segments: Annotated[int, Field(ge=2)]
    seed: task.Seed
    starts: task.Count


def with_segments(
    features: DataFrame, segments: int, seed: int, starts: int
) -> DataFrame:
    """Return the households with their segment.

    k-means on the standardized logarithms log(1 + x) of the three features, which are
    skewed: a few households buy a great deal.

    Args:
        features: household_id and `FEATURES`, none of them negative.
        segments: the number of segments.
        seed: of k-means' first centres.
        starts: the number of seeds to try, for k-means ends in a local optimum; the
            result with the least squared distance to the centres counts.

    Returns:
        `COLUMNS`, `scaled` (the vector that was clustered), `segment` (from 1 on, by
        falling median of monetary) and `baseline` (as many groups of equal size by
        monetary alone, from 0 on), in one partition ordered by household_id.
    """
    logs = [F.log1p(name).alias(f"log_{name}") for name in FEATURES]
    # One ordered partition, because k-means draws its first centres by partition and
    # sums in the order of the rows: so the same input gives the same segments. A row a
    # household is small.
    rows = features.coalesce(1).sortWithinPartitions("household_id")
    logs_of = VectorAssembler(
        inputCols=[f"log_{name}" for name in FEATURES], outputCol="logs"
    )
    scale = StandardScaler(withMean=True, inputCol="logs", outputCol="scaled")
    table = logs_of.transform(rows.select("*", *logs))
    table = scale.fit(table).transform(table).cache()
    kmeans = KMeans(k=segments, featuresCol="scaled", maxIter=100)
    fits = [kmeans.copy({kmeans.seed: seed + i}).fit(table) for i in range(starts)]
    clustered = min(fits, key=lambda fit: fit.summary.trainingCost).transform(table)
    medians = clustered.groupBy("prediction").agg(F.median("monetary").alias("m"))
    order = [row.prediction for row in medians.orderBy(F.desc("m")).collect()]
    number = F.create_map(
        *(F.lit(x) for x in chain(*((p, i + 1) for i, p in enumerate(order))))
    )
    by_money = Window.orderBy("monetary", "household_id")
    return clustered.select(
        *COLUMNS,
        "scaled",
        number[F.col("prediction")].alias("segment"),
        (F.ntile(segments).over(by_money) - 1).alias("baseline"),
    ).sort("household_id")


def silhouette(segmented: DataFrame, column: str) -> float:
    """Return the mean silhouette (squared Euclidean distance) of a grouping.

    From -1 to 1; higher means tighter groups, further apart. Rousseeuw (1987),
    "Silhouettes: a graphical aid to the interpretation and validation of cluster
    analysis", Journal of Computational and Applied Mathematics 20.
    """
    evaluator = ClusteringEvaluator(featuresCol="scaled", predictionCol=column)
    return float(evaluator.evaluate(segmented))


def profile(segmented: DataFrame) -> pd.DataFrame:
    """Return one row a segment: its size, medians, share of sales, and a sentence."""
    summary = segmented.groupBy("segment").agg(
        F.count("*").alias("households"),
        *(F.median(name).alias(f"median_{name}") for name in FEATURES),
        F.round(F.sum("monetary"), 2).alias("sales"),
    )
    table = pd.DataFrame(summary.orderBy("segment").toPandas())
    table["household_share"] = table["households"] / table["households"].sum()
    table["sales_share"] = table["sales"] / table["sales"].sum()
    table["description"] = [
        f"{row.household_share:.0%} of households, {row.sales_share:.1%} of sales; the "
        f"median one bought {row.median_recency_days:.0f} days ago, "
        f"{row.median_frequency:.0f} baskets for {row.median_monetary:.0f} dollars"
        for row in table.itertuples()
    ]
    return table


@config.main()
def execute(**kwargs: Any) -> None:
    """Run the task; see the module's text."""
    told = task.read_task(kwargs["config"], kwargs["task"], Arguments)
    args = told.args
    features = read_table(told.input, COLUMNS, port_type="spark")
    _check(features, args.segments, ports.find_port(told.input).address)
    segmented = with_segments(features, args.segments, args.seed, args.starts).cache()
    profiles = profile(segmented)
    scores = {name: silhouette(segmented, name) for name in ("segment", "baseline")}
    metrics = pd.DataFrame(
        {
            "metric": ["silhouette"],
            "model": [scores["segment"]],
            "baseline": [scores["baseline"]],
        }
    )
    connector = data_connectors.DataFrame()
    connector.write(segmented.select(*COLUMNS, "segment"), told.output, 1)
    connector.write(profiles, told.output, 2)
    connector.write(metrics, told.output, 3)
    logger.info(
        "silhouette %.3f, of equal groups by monetary value %.3f (Spark master: %s)",
        *(scores["segment"], scores["baseline"]),
        spark_connectors.session().sparkContext.master,
    )
    for row in profiles.itertuples():
        logger.info("segment %d: %s", row.segment, row.description)


def _check(features: DataFrame, segments: int, source: object) -> None:
    """Raise an InputError where the features cannot give that many segments."""
    negative = " OR ".join(f"{name} < 0" for name in FEATURES)
    if not features.where(negative).isEmpty():
        raise InputError("a feature is negative", "mend those rows", source)
    distinct = features.select(*FEATURES).distinct().count()
    if distinct < segments:
        raise InputError(
            f"only {distinct} different households for {segments} segments",
            "ask for fewer segments",
            source,
        )


if __name__ == "__main__":
    execute()
