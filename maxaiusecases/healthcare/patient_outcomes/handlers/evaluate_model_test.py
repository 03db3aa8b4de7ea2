from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lifelines.datasets import load_gbsg2

from maxairesources.testing.handlers import (
    call_handler,
    check_error,
    port,
    py_config,
    run_handler,
)
from maxaiusecases.healthcare.patient_outcomes.handlers import evaluate_model
from maxaiusecases.healthcare.patient_outcomes.handlers.evaluate_model import (
    calibration,
    cross_validate,
    stratified_folds,
)
from maxaiusecases.healthcare.patient_outcomes.handlers.recurrence_model import (
    covariates,
)

TASK = "evaluate_model"
ARGS = {"folds": 5, "repeats": 1, "seed": 7, "horizon_days": 1826}


@pytest.fixture(scope="module")
def patients() -> pd.DataFrame:
    """Return all patients of the study."""
    frame = load_gbsg2()
    frame.insert(0, "patient_id", range(1, len(frame) + 1))
    return frame


def config(folder: Path, **args: Any) -> dict[str, Any]:
    return py_config(
        TASK,
        [port(1, folder / "patients.parquet")],
        [port(1, folder / "metrics.csv"), port(2, folder / "calibration.csv")],
        **{**ARGS, **args},
    )


def test_model_beats_baseline_in_cross_validation(
    patients: pd.DataFrame,
) -> None:
    table = covariates(patients)
    indices, risks = cross_validate(table, folds=5, repeats=2, seed=7, horizon=1826)
    assert indices.shape == (10, 2)
    assert indices["model"].mean() > indices["baseline"].mean() + 0.03
    assert indices["baseline"].mean() > 0.6
    assert risks.between(0, 1).all()
    groups = calibration(table, risks, 1826)
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


def test_two_runs_write_the_same_files(patients: pd.DataFrame, tmp_path: Path) -> None:
    patients.to_parquet(tmp_path / "patients.parquet")
    written = []
    for _ in range(2):
        assert (
            call_handler(evaluate_model.execute, config(tmp_path), TASK, tmp_path) == 0
        )
        files = ("metrics.csv", "calibration.csv")
        written.append([(tmp_path / name).read_bytes() for name in files])
    assert written[0] == written[1]
    metrics = pd.read_csv(tmp_path / "metrics.csv", float_precision="round_trip")
    assert metrics["metric"].tolist() == ["concordance", "concordance_sd_of_folds"]
    assert metrics.columns.tolist() == ["metric", "model", "baseline"]
    result = evaluate_model.execute(config=config(tmp_path), task=TASK)
    assert result == metrics.set_index("metric").to_dict("index")
    assert result["concordance"]["model"] > result["concordance"]["baseline"]


def test_missing_file_is_reported_in_one_line(tmp_path: Path) -> None:
    result = run_handler(evaluate_model, config(tmp_path), TASK, tmp_path)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    check_error(result.stderr, "patients.parquet: no such file")


@pytest.mark.parametrize(
    ("change", "args", "expected"),
    [
        (lambda t: t.drop(columns="pnodes"), {}, "no column 'pnodes'"),
        (lambda t: t[:0], {}, "the table is empty"),
        (lambda t: t.assign(tgrade=2), {}, "column 'tgrade' is of type int64"),
        (lambda t: t.assign(tgrade="IV"), {}, "contains 'IV'; valid: I, II, III"),
        (lambda t: t.assign(cens=2), {}, "column 'cens' contains 2; valid: 0, 1"),
        (lambda t: t.assign(time=0), {}, "column 'time' has values below 1"),
        (lambda t: t.assign(pnodes=0), {}, "column 'pnodes' has values below 1"),
        (lambda t: t.assign(progrec=-1), {}, "column 'progrec' has values below 0"),
        (lambda t: t.assign(cens=0), {}, "0 of 686 patients have an event"),
        (lambda t: t, {"folds": 1}, "args.folds is 1; it should be greater than or"),
        (lambda t: t, {"folds": 200}, "for 200 folds; add patients or use fewer"),
        (
            lambda t: t,
            {"horizon_days": 9999},
            "but the longest observation is 2659 days",
        ),
        (lambda t: t, {"repeats": 0}, "args.repeats is 0; it should be greater than"),
        (lambda t: t, {"seed": 2**32}, "should be less than or equal to 4294967295"),
        (lambda t: t, {"fold": 5}, "unknown key 'fold'; did you mean folds?"),
        (lambda t: t, {"horizon_days": "5y"}, "function.args.horizon_days is '5y'"),
    ],
)
def test_bad_input_is_reported_in_one_line(
    change: Any,
    args: dict[str, Any],
    expected: str,
    patients: pd.DataFrame,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change(patients).to_parquet(tmp_path / "patients.parquet")
    bad = config(tmp_path, **args)
    assert call_handler(evaluate_model.execute, bad, TASK, tmp_path) == 1
    check_error(capsys.readouterr().err, expected)
    assert not (tmp_path / "metrics.csv").exists()
