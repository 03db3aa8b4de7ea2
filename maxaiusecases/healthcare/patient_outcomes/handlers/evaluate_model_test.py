from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lifelines.datasets import load_gbsg2

from maxairesources.testing.handlers import (
    call_handler,
    check_bad_input,
    port,
    py_config,
)
from maxaiusecases.healthcare.patient_outcomes.handlers.evaluate_model import (
    execute,
    stratified_folds,
)

TASK = "evaluate_model"
CONFIG = py_config(
    TASK,
    [port(1, "patients.parquet")],
    [port(1, "metrics.csv"), port(2, "calibration.csv")],
    folds=5,
    repeats=1,
    seed=7,
    horizon_days=1826,
)


@pytest.fixture(scope="module")
def patients() -> pd.DataFrame:
    """Return all patients of the study."""
    frame = load_gbsg2()
    frame.insert(0, "patient_id", range(1, len(frame) + 1))
    return frame


def test_the_model_beats_the_baseline_in_cross_validation(
    patients: pd.DataFrame, tmp_path: Path
) -> None:
    patients.to_parquet(tmp_path / "patients.parquet")
    written = []
    for _ in range(2):
        assert call_handler(execute, CONFIG, TASK, tmp_path) == 0
        files = ("metrics.csv", "calibration.csv")
        written.append([(tmp_path / name).read_bytes() for name in files])
    assert written[0] == written[1]
    metrics = pd.read_csv(tmp_path / "metrics.csv", index_col="metric")
    assert metrics.index.tolist() == ["concordance", "concordance_sd_of_folds"]
    concordance = metrics.loc["concordance"]
    assert concordance["model"] > concordance["baseline"] + 0.03
    groups = pd.read_csv(tmp_path / "calibration.csv")
    assert groups["patients"].sum() == 686
    assert groups["observed"].is_monotonic_increasing
    assert (groups["predicted"] - groups["observed"]).abs().max() < 0.1


def test_each_fold_has_the_same_number_of_events() -> None:
    events = np.repeat([0.0, 1.0], [30, 20])
    numbers = stratified_folds(events, 5, np.random.default_rng(1))
    for fold in range(5):
        assert events[numbers == fold].tolist() == [0.0] * 6 + [1.0] * 4
    other = stratified_folds(events, 5, np.random.default_rng(2))
    assert (numbers != other).any()


@pytest.mark.parametrize(
    ("change", "args", "expected"),
    [
        (lambda t: t.drop(columns="pnodes"), {}, "no column 'pnodes'"),
        (lambda t: t.assign(tgrade="IV"), {}, "contains 'IV'; valid: I, II, III"),
        (lambda t: t.assign(cens=2), {}, "column 'cens' contains 2; valid: 0, 1"),
        (lambda t: t.assign(time=0), {}, "column 'time' has values below 1"),
        (lambda t: t.assign(progrec=-1), {}, "column 'progrec' has values below 0"),
        (lambda t: t.assign(cens=0), {}, "0 of 686 patients have an event"),
        (lambda t: t, {"folds": 200}, "for 200 folds; add patients or use fewer"),
        (lambda t: t, {"horizon_days": 9999}, "the longest observation is 2659 days"),
        (lambda t: t, {"folds": 1}, "args.folds is 1; it should be greater than or"),
        (lambda t: t, {"fold": 5}, "unknown key 'fold'; did you mean folds?"),
    ],
)
def test_bad_input_is_reported_in_one_line(
    change: Any,
    args: dict[str, Any],
    expected: str,
    patients: pd.DataFrame,
    tmp_path: Path,
) -> None:
    change(patients).to_parquet(tmp_path / "patients.parquet")
    check_bad_input(execute, CONFIG, tmp_path, expected, **args)
