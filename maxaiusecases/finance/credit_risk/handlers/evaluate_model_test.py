from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from causaldata import credit_cards

from maxairesources.testing.handlers import (
    call_handler,
    check_bad_input,
    port,
    py_config,
)
from maxaiusecases.finance.credit_risk.handlers.evaluate_model import (
    calibration,
    execute,
    late_again,
)

TASK = "evaluate_model"
CONFIG = py_config(
    TASK,
    [port(1, "clients.parquet")],
    [port(1, "metrics.csv"), port(2, "calibration.csv")],
    held_out_share=0.3,
    bins=5,
    seed=7,
)


@pytest.fixture(scope="module")
def clients() -> pd.DataFrame:
    """Return every third client of the data set."""
    frame = credit_cards.load_pandas().data
    frame.insert(0, "client_id", range(1, len(frame) + 1))
    return frame[::3].reset_index(drop=True)


def test_the_model_beats_the_baseline_on_held_out_clients(
    clients: pd.DataFrame, tmp_path: Path
) -> None:
    clients.to_parquet(tmp_path / "clients.parquet")
    written = []
    for _ in range(2):
        assert call_handler(execute, CONFIG, TASK, tmp_path) == 0
        files = ("metrics.csv", "calibration.csv")
        written.append([(tmp_path / name).read_bytes() for name in files])
    assert written[0] == written[1]
    metrics = pd.read_csv(tmp_path / "metrics.csv", index_col="metric")
    auc, brier = metrics.loc["roc_auc"], metrics.loc["brier"]
    assert auc["model"] > auc["baseline"] + 0.03
    assert brier["model"] < brier["baseline"]
    table = pd.read_csv(tmp_path / "calibration.csv")
    assert table["clients"].sum() == 3000
    assert (table["predicted"] - table["observed"]).abs().max() < 0.06


def test_baseline_is_the_share_of_late_payers_with_the_same_april_value() -> None:
    train = pd.DataFrame({"LateApril": [0, 0, 1, 1], "LateSept": [0, 1, 1, 1]})
    test = pd.DataFrame({"LateApril": [1, 0]})
    assert late_again(train, test).tolist() == [1.0, 0.5]
    assert late_again(train[:2], test).tolist() == [0.5, 0.5]


def test_calibration() -> None:
    truth, predicted = pd.Series([1, 0, 1, 0]), pd.Series([0.8, 0.1, 0.6, 0.3])
    table = calibration(truth, predicted, 2)
    assert table["bin"].tolist() == [1, 2]
    assert table["clients"].tolist() == [2, 2]
    assert table["predicted"].tolist() == pytest.approx([0.2, 0.7])
    assert table["observed"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("change", "args", "expected"),
    [
        (lambda t: t.drop(columns="AGE"), {}, "no column 'AGE'"),
        (
            lambda t: t.assign(LateApril=2),
            {},
            "column 'LateApril' contains 2; valid: 0",
        ),
        (lambda t: t.assign(LateSept=0), {}, "column 'LateSept' has only one value"),
        (lambda t: t[:2].assign(LateSept=[0, 1]), {}, "2 clients, 1 with the rarer t"),
        (lambda t: t, {"bins": 3001}, "are too few for held_out_share 0.3 and 3001"),
        (lambda t: t, {"held_out_share": 1}, "is 1; it should be less than 1"),
        (lambda t: t, {"sed": 1}, "unknown key 'sed'; did you mean seed?"),
    ],
)
def test_bad_input_is_reported_in_one_line(
    change: Any,
    args: dict[str, Any],
    expected: str,
    clients: pd.DataFrame,
    tmp_path: Path,
) -> None:
    change(clients).to_parquet(tmp_path / "clients.parquet")
    check_bad_input(execute, CONFIG, tmp_path, expected, **args)
