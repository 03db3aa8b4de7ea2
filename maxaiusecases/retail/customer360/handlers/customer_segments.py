"""Group households with similar purchases into segments, by k-means in Spark ML.

Input port 1: one row per household, see rfm_features.
Output port 1: one row per household: the input columns and segment (from 1; segment 1 has
the highest median of monetary).
Output port 2: one row per segment: its size, medians, sales (dollars) and shares.
Output port 3: the silhouette of the segments and of the baseline.

The baseline forms groups of equal size by monetary value alone.
"""

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
    """The arguments of the task.

    Attributes:
        segments: the number of segments.
        seed: the seed of the first run of k-means, which draws the initial centres.
        starts: the number of runs, with the seeds seed, seed + 1 and so on. A run may end
            in a local optimum, so the run with the lowest cost is used.
    """

    segments: Annotated[int, Field(ge=2)]
    seed: task.Seed
    starts: task.Count


def with_segments(features: DataFrame, args: Arguments) -> DataFrame:
    """Assign each household to a segment.

    k-means clusters the standardized logarithms log(1 + x) of the three features. The
    logarithm is needed because the features are skewed: a few households buy very much.

    Args:
        features: household_id and `FEATURES`, which are not negative.
        args: the arguments of the task.

    Returns:
        `COLUMNS`, `scaled` (the clustered vector), `segment` (from 1, by decreasing
        median of monetary) and `baseline` (from 0, the same number of groups, of equal
        size, by monetary alone), ordered by household_id.
    """
    logs = [F.log1p(name).alias(f"log_{name}") for name in FEATURES]
    # k-means draws its initial centres by partition and sums in the order of the rows, so
    # only one ordered partition gives the same segments every time. One row per household
    # is small enough for one partition.
    rows = features.coalesce(1).sortWithinPartitions("household_id")
    logs_of = VectorAssembler(
        inputCols=[f"log_{name}" for name in FEATURES], outputCol="logs"
    )
    scale = StandardScaler(withMean=True, inputCol="logs", outputCol="scaled")
    table = logs_of.transform(rows.select("*", *logs))
    table = scale.fit(table).transform(table).cache()
    kmeans = KMeans(k=args.segments, featuresCol="scaled", maxIter=100)
    seeds = range(args.seed, args.seed + args.starts)
    fits = [kmeans.copy({kmeans.seed: seed}).fit(table) for seed in seeds]
    clustered = min(fits, key=lambda fit: fit.summary.trainingCost).transform(table)
    medians = clustered.groupBy("prediction").agg(F.median("monetary").alias("m"))
    order = [row.prediction for row in medians.orderBy(F.desc("m")).collect()]
    by_money = Window.orderBy("monetary", "household_id")
    return clustered.select(
        *COLUMNS,
        "scaled",
        F.array_position(F.lit(order), F.col("prediction"))
        .cast("int")
        .alias("segment"),
        (F.ntile(args.segments).over(by_money) - 1).alias("baseline"),
    ).sort("household_id")


def silhouette(segmented: DataFrame, column: str) -> float:
    """Return the mean silhouette of a grouping, with squared Euclidean distances.

    A higher silhouette means more compact and more distant groups. See Rousseeuw (1987),
    "Silhouettes: a graphical aid to the interpretation and validation of cluster
    analysis", Journal of Computational and Applied Mathematics 20.

    Args:
        segmented: see `with_segments`.
        column: the column with the groups: segment or baseline.

    Returns:
        A value from -1 to 1.
    """
    evaluator = ClusteringEvaluator(featuresCol="scaled", predictionCol=column)
    return float(evaluator.evaluate(segmented))


def profile(segmented: DataFrame) -> pd.DataFrame:
    """Return one row per segment: its size, medians, sales (dollars) and shares.

    Args:
        segmented: see `with_segments`.
    """
    summary = segmented.groupBy("segment").agg(
        F.count("*").alias("households"),
        *(F.median(name).alias(f"median_{name}") for name in FEATURES),
        F.round(F.sum("monetary"), 2).alias("sales"),
    )
    table = pd.DataFrame(summary.orderBy("segment").toPandas())
    table["household_share"] = table["households"] / table["households"].sum()
    table["sales_share"] = table["sales"] / table["sales"].sum()
    return table


@config.main()
def execute(**kwargs: Any) -> None:
    """Run the task."""
    settings = task.read_task(kwargs["config"], kwargs["task"], Arguments)
    features = read_table(settings.input, COLUMNS, port_type="spark")
    _check(features, settings.args.segments, ports.find_port(settings.input).address)
    segmented = with_segments(features, settings.args).cache()
    model, baseline = (silhouette(segmented, name) for name in ("segment", "baseline"))
    metrics = {"metric": "silhouette", "model": model, "baseline": baseline}
    connector = data_connectors.DataFrame()
    connector.write(segmented.select(*COLUMNS, "segment"), settings.output, 1)
    connector.write(profile(segmented), settings.output, 2)
    connector.write(pd.DataFrame([metrics]), settings.output, 3)
    master = spark_connectors.session().sparkContext.master
    logger.info("silhouette: %.3f, baseline %.3f (on %s)", model, baseline, master)


def _check(features: DataFrame, segments: int, source: object) -> None:
    """Raise an InputError if the features cannot form this number of segments."""
    negative = " OR ".join(f"{name} < 0" for name in FEATURES)
    if not features.where(negative).isEmpty():
        raise InputError("a feature is negative", "fix those rows", source)
    distinct = features.select(*FEATURES).distinct().count()
    if distinct < segments:
        raise InputError(
            f"only {distinct} different households for {segments} segments",
            "use fewer segments",
            source,
        )


if __name__ == "__main__":
    execute()
