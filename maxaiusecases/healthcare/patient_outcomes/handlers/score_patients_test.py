from pathlib import Path
from typing import Any

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
from maxaiusecases.healthcare.patient_outcomes.handlers import score_patients
from maxaiusecases.healthcare.patient_outcomes.handlers.score_patients import score

TASK = "score_patients"


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
        [port(1, folder / "scores.parquet")],
        **{"horizon_days": 1826, **args},
    )


def test_groups_follow_the_risks(patients: pd.DataFrame) -> None:
    scores = score(patients, 1826)
    assert scores["patient_id"].tolist() == patients["patient_id"].tolist()
    assert scores["risk"].between(0, 1).all()
    assert scores["group"].value_counts().to_dict() == {
        "low": 229,
        "middle": 229,
        "high": 228,
    }
    events = patients["cens"].groupby(scores["group"]).mean()
    assert events["low"] < events["middle"] < events["high"]


def test_a_longer_horizon_increases_the_risk(patients: pd.DataFrame) -> None:
    assert (score(patients, 365)["risk"] < score(patients, 1826)["risk"]).all()


def test_more_nodes_increase_the_risk(patients: pd.DataFrame) -> None:
    first = patients.iloc[[0]].assign(patient_id=687)
    more = pd.concat([patients, first.assign(pnodes=9), first], ignore_index=True)
    risks = score(more, 1826)["risk"]
    assert risks.iloc[-2] > risks.iloc[-1]


def test_command_writes_the_scores(patients: pd.DataFrame, tmp_path: Path) -> None:
    patients.to_parquet(tmp_path / "patients.parquet")
    result = run_handler(score_patients, config(tmp_path), TASK, tmp_path)
    assert result.returncode == 0, result.stderr
    assert "686 patients, mean risk within 1826 days: low 0." in result.stderr
    written = pd.read_parquet(tmp_path / "scores.parquet")
    pd.testing.assert_frame_equal(written, score(patients, 1826), check_dtype=False)


def test_unknown_task_is_reported_in_one_line(tmp_path: Path) -> None:
    result = run_handler(score_patients, config(tmp_path), "scores", tmp_path)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    check_error(result.stderr, "no task 'scores'")


@pytest.mark.parametrize(
    ("change", "args", "expected"),
    [
        (lambda t: t.assign(cens=0), {}, "fewer than 3 patients have an event"),
        (lambda t: t.drop(columns="patient_id"), {}, "no column 'patient_id'"),
        (lambda t: t, {"horizon_days": 0}, "it should be greater than or equal to 1"),
        (lambda t: t, {"horizon": 1}, "unknown key 'horizon'; did you mean hori"),
        (
            lambda t: t,
            {"horizon_days": 9999},
            "but the longest observation is 2659 days",
        ),
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
    assert call_handler(score_patients.execute, bad, TASK, tmp_path) == 1
    check_error(capsys.readouterr().err, expected)
    assert not (tmp_path / "scores.parquet").exists()
