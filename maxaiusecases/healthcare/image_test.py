"""Tests of the image maxai/healthcare."""

from pathlib import Path

from lifelines.datasets import load_gbsg2

from maxairesources.testing.handlers import port, py_config
from maxairesources.testing.images import (
    check_content,
    check_handlers_start,
    check_image,
)
from maxaiusecases.healthcare.patient_outcomes.handlers import (
    evaluate_model,
    score_patients,
)

PATIENTS = [port(1, "patients.parquet")]
EVALUATE = py_config(
    "evaluate_model",
    PATIENTS,
    [port(1, "metrics.csv"), port(2, "calibration.csv")],
    folds=3,
    repeats=1,
    seed=7,
    horizon_days=1826,
)
SCORE = py_config(
    "score_patients", PATIENTS, [port(1, "out/scores.parquet")], horizon_days=1826
)


def write_inputs(folder: Path) -> None:
    patients = load_gbsg2()
    patients.insert(0, "patient_id", range(len(patients)))
    patients.to_parquet(folder / "patients.parquet", index=False)


def test_handlers_write_the_same_output_in_the_image(tmp_path: Path) -> None:
    runs = [(evaluate_model, EVALUATE), (score_patients, SCORE)]
    check_image("healthcare", runs, write_inputs, tmp_path)


def test_handlers_start_in_the_image() -> None:
    check_handlers_start("healthcare")


def test_image_contains_only_code_and_packages() -> None:
    check_content("healthcare")
