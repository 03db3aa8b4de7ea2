from pathlib import Path

import pandas as pd
import pytest
from causaldata import credit_cards

from maxairesources.testing.handlers import (
    call_handler,
    check_bad_input,
    port,
    py_config,
)
from maxaiusecases.finance.credit_risk.handlers.score_clients import execute, score

TASK = "score_clients"
CONFIG = py_config(TASK, [port(1, "clients.parquet")], [port(1, "new/scores.parquet")])


@pytest.fixture(scope="module")
def clients() -> pd.DataFrame:
    """Return every tenth client of the data set."""
    frame = credit_cards.load_pandas().data
    frame.insert(0, "client_id", range(1, len(frame) + 1))
    return frame[::10].reset_index(drop=True)


def test_deciles_follow_the_probabilities(clients: pd.DataFrame) -> None:
    scores = score(clients)
    assert scores["client_id"].tolist() == clients["client_id"].tolist()
    assert scores["late_probability"].between(0, 1).all()
    assert scores["decile"].value_counts().to_dict() == dict.fromkeys(range(1, 11), 300)
    lowest = scores.groupby("decile")["late_probability"].min().to_numpy()
    assert (lowest[:-1] >= lowest[1:]).all()
    late = clients["LateSept"].groupby(scores["decile"]).mean()
    assert late[1] > 2 * clients["LateSept"].mean()


def test_two_runs_write_the_same_scores(clients: pd.DataFrame, tmp_path: Path) -> None:
    clients.to_parquet(tmp_path / "clients.parquet")
    assert call_handler(execute, CONFIG, TASK, tmp_path) == 0
    written = pd.read_parquet(tmp_path / "new/scores.parquet")
    pd.testing.assert_frame_equal(written, score(clients))


def test_bad_input_is_reported_in_one_line(
    clients: pd.DataFrame, tmp_path: Path
) -> None:
    clients.assign(LateSept=0).to_parquet(tmp_path / "clients.parquet")
    check_bad_input(execute, CONFIG, tmp_path, "'LateSept' has only one value")
    check_bad_input(execute, CONFIG, tmp_path, "args has an unknown key 'x'", x=1)
