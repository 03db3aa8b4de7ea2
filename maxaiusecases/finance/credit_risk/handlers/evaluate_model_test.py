from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from causaldata import credit_cards

from maxairesources.testing.handlers import (
    call_handler,
    check_error,
    port,
    py_config,
    run_handler,
)
from maxaiusecases.finance.credit_risk.handlers import evaluate_model
from maxaiusecases.finance.credit_risk.handlers.evaluate_model import (
    calibration,
    evaluate,
    late_again,
)

TASK = "evaluate_model"
ARGS = {"held_out_share": 0.3, "bins": 5, "seed": 7}


@pytest.fixture(scope="module")
def clients() -> pd.DataFrame:
    """Return every third client of the data set."""
    frame = credit_cards.load_pandas().data
    frame.insert(0, "client_id", range(1, len(frame) + 1))
    return frame[::3].reset_index(drop=True)


def config(folder: Path, **args: Any) -> dict[str, Any]:
    return py_config(
        TASK,
        [port(1, folder / "clients.parquet")],
        [port(1, folder / "metrics.csv"), port(2, folder / "calibration.csv")],
        **{**ARGS, **args},
    )


def test_model_beats_baseline_on_held_out_clients(
    clients: pd.DataFrame,
) -> None:
    metrics, table = evaluate(clients, 0.3, 5, 7)
    by_name = metrics.set_index("metric")
    assert by_name.index.tolist() == ["roc_auc", "brier"]
    auc, brier = by_name.loc["roc_auc"], by_name.loc["brier"]
    assert auc["model"] > auc["baseline"] + 0.03
    assert auc["baseline"] > 0.58
    assert brier["model"] < brier["baseline"]
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


def test_two_runs_write_the_same_files(clients: pd.DataFrame, tmp_path: Path) -> None:
    clients.to_parquet(tmp_path / "clients.parquet")
    written = []
    for _ in range(2):
        assert (
            call_handler(evaluate_model.execute, config(tmp_path), TASK, tmp_path) == 0
        )
        files = ("metrics.csv", "calibration.csv")
        written.append([(tmp_path / name).read_bytes() for name in files])
    assert written[0] == written[1]
    metrics = pd.read_csv(tmp_path / "metrics.csv", float_precision="round_trip")
    result = evaluate_model.execute(config=config(tmp_path), task=TASK)
    assert result == metrics.set_index("metric").to_dict("index")
    assert result["roc_auc"]["model"] > result["roc_auc"]["baseline"]
    assert len(pd.read_csv(tmp_path / "calibration.csv")) == 5


def test_missing_file_is_reported_in_one_line(tmp_path: Path) -> None:
    result = run_handler(evaluate_model, config(tmp_path), TASK, tmp_path)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    check_error(result.stderr, "clients.parquet: no such file")


@pytest.mark.parametrize(
    ("change", "args", "expected"),
    [
        (lambda t: t.drop(columns="AGE"), {}, "no column 'AGE'"),
        (lambda t: t[:0], {}, "the table is empty"),
        (lambda t: t.assign(AGE="x"), {}, "column 'AGE' is of type"),
        (lambda t: t.assign(AGE=None), {}, "column 'AGE' is of type"),
        (
            lambda t: t.assign(BillApril=float("inf")),
            {},
            "contains 10000 missing or inf",
        ),
        (
            lambda t: t.assign(LateApril=2),
            {},
            "column 'LateApril' contains 2; valid: 0",
        ),
        (lambda t: t.assign(LateSept=0), {}, "column 'LateSept' has only one value"),
        (lambda t: t[:2].assign(LateSept=[0, 1]), {}, "2 clients, 1 with the rarer t"),
        (lambda t: t, {"bins": 0}, "args.bins is 0; it should be greater than"),
        (lambda t: t, {"bins": 3001}, "are too few for held_out_share 0.3 and 3001"),
        (lambda t: t, {"held_out_share": 1}, "is 1; it should be less than 1"),
        (lambda t: t, {"seed": -1}, "$.evaluate_model.function.args.seed is -1; it sh"),
        (lambda t: t, {"sed": 1}, "unknown key 'sed'; did you mean seed?"),
    ],
)
def test_bad_input_is_reported_in_one_line(
    change: Any,
    args: dict[str, Any],
    expected: str,
    clients: pd.DataFrame,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change(clients).to_parquet(tmp_path / "clients.parquet")
    bad = config(tmp_path, **args)
    assert call_handler(evaluate_model.execute, bad, TASK, tmp_path) == 1
    check_error(capsys.readouterr().err, expected)
    assert not (tmp_path / "metrics.csv").exists()
