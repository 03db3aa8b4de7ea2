from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from lifelines.datasets import load_gbsg2

from maxairesources.testing.handlers import (
    call_handler,
    check_bad_input,
    port,
    py_config,
)
from maxaiusecases.healthcare.patient_outcomes.handlers.score_patients import (
    execute,
    score,
)

TASK = "score_patients"
CONFIG = py_config(
    TASK,
    [port(1, "patients.parquet")],
    [port(1, "scores.parquet")],
    horizon_days=1826,
)


@pytest.fixture(scope="module")
def patients() -> pd.DataFrame:
    """Return all patients of the study."""
    frame = load_gbsg2()
    frame.insert(0, "patient_id", range(1, len(frame) + 1))
    return frame


def test_groups_follow_the_risks(patients: pd.DataFrame) -> None:
    scores = score(patients, 1826)
    assert scores["patient_id"].tolist() == patients["patient_id"].tolist()
    assert scores["risk"].between(0, 1).all()
    sizes = {"low": 229, "middle": 229, "high": 228}
    assert scores["group"].value_counts().to_dict() == sizes
    events = patients["cens"].groupby(scores["group"]).mean()
    assert events["low"] < events["middle"] < events["high"]


def test_a_longer_horizon_increases_the_risk(patients: pd.DataFrame) -> None:
    assert (score(patients, 365)["risk"] < score(patients, 1826)["risk"]).all()


def test_more_nodes_increase_the_risk(patients: pd.DataFrame) -> None:
    first = patients.iloc[[0]].assign(patient_id=687)
    more = pd.concat([patients, first.assign(pnodes=9), first], ignore_index=True)
    risks = score(more, 1826)["risk"]
    assert risks.iloc[-2] > risks.iloc[-1]


def test_two_runs_write_the_same_scores(patients: pd.DataFrame, tmp_path: Path) -> None:
    patients.to_parquet(tmp_path / "patients.parquet")
    assert call_handler(execute, CONFIG, TASK, tmp_path) == 0
    written = pd.read_parquet(tmp_path / "scores.parquet")
    pd.testing.assert_frame_equal(written, score(patients, 1826), check_dtype=False)


@pytest.mark.parametrize(
    ("change", "args", "expected"),
    [
        (lambda t: t.assign(cens=0), {}, "fewer than 3 patients have an event"),
        (lambda t: t, {"horizon_days": 9999}, "the longest observation is 2659 days"),
        (lambda t: t, {"horizon": 1}, "unknown key 'horizon'; did you mean hori"),
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
