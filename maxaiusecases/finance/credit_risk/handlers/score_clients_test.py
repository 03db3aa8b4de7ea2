import json
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
from maxaiusecases.finance.credit_risk.handlers import score_clients
from maxaiusecases.finance.credit_risk.handlers.score_clients import score

TASK = "score_clients"
WRONG = py_config(TASK, [port(1, "clients.parquet")], [], x=1)


@pytest.fixture(scope="module")
def clients() -> pd.DataFrame:
    """Return every tenth client of the data set."""
    frame = credit_cards.load_pandas().data
    frame.insert(0, "client_id", range(1, len(frame) + 1))
    return frame[::10].reset_index(drop=True)


def config(folder: Path) -> dict[str, Any]:
    return py_config(
        TASK, [port(1, folder / "clients.parquet")], [port(1, folder / "scores.csv")]
    )


def test_deciles_follow_the_probabilities(clients: pd.DataFrame) -> None:
    scores = score(clients)
    assert scores["client_id"].tolist() == clients["client_id"].tolist()
    assert scores["late_probability"].between(0, 1).all()
    assert scores["decile"].value_counts().to_dict() == dict.fromkeys(range(1, 11), 300)
    lowest = scores.groupby("decile")["late_probability"].min().to_numpy()
    assert (lowest[:-1] >= lowest[1:]).all()
    late = clients["LateSept"].groupby(scores["decile"]).mean()
    assert late[1] > 2 * clients["LateSept"].mean()


def test_same_clients_have_same_scores(clients: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(score(clients), score(clients.copy()))


def test_command_writes_the_scores(clients: pd.DataFrame, tmp_path: Path) -> None:
    clients.to_parquet(tmp_path / "clients.parquet")
    relative = py_config(
        TASK, [port(1, "clients.parquet")], [port(1, "new/scores.parquet")]
    )
    result = run_handler(score_clients, relative, TASK, tmp_path)
    assert result.returncode == 0, result.stderr
    assert "INFO maxaiusecases.finance.credit_risk.handlers.score_clients: 3000 " in (
        result.stderr
    )
    written = pd.read_parquet(tmp_path / "new/scores.parquet")
    pd.testing.assert_frame_equal(written, score(clients))


@pytest.mark.parametrize(
    ("task", "text", "expected"),
    [
        (TASK, json.dumps(WRONG), "$.score_clients.function.args has an unknown key"),
        ("score_client", None, "no task 'score_client'; did you mean score_clients?"),
        (TASK, "{", "JSON"),
        (TASK, '{"score_clients": {}}', "$.score_clients.input is missing (and 2 "),
    ],
)
def test_bad_config_is_reported_in_one_line(
    task: str, text: str | None, expected: str, tmp_path: Path
) -> None:
    result = run_handler(score_clients, text or config(tmp_path), task, tmp_path)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    check_error(result.stderr, expected)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"client_id\n", "clients.parquet: cannot be read as parquet"),
        (None, "clients.parquet: no such file"),
    ],
)
def test_bad_input_is_reported_in_one_line(
    content: bytes | None,
    expected: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if content:
        (tmp_path / "clients.parquet").write_bytes(content)
    assert call_handler(score_clients.execute, config(tmp_path), TASK, tmp_path) == 1
    check_error(capsys.readouterr().err, expected)
