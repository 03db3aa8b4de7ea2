"""Tests of the image maxai/finance."""

from pathlib import Path

from causaldata import credit_cards

from maxairesources.testing.handlers import port, py_config
from maxairesources.testing.images import (
    check_content,
    check_handlers_start,
    check_image,
)
from maxaiusecases.finance.credit_risk.handlers import evaluate_model, score_clients

CLIENTS = [port(1, "clients.parquet")]
EVALUATE = py_config(
    "evaluate_model",
    CLIENTS,
    [port(1, "metrics.csv"), port(2, "calibration.csv")],
    held_out_share=0.3,
    bins=5,
    seed=7,
)
SCORE = py_config("score_clients", CLIENTS, [port(1, "out/scores.parquet")])


def write_inputs(folder: Path) -> None:
    clients = credit_cards.load_pandas().data[::30]
    clients.insert(0, "client_id", range(len(clients)))
    clients.to_parquet(folder / "clients.parquet", index=False)


def test_handlers_write_the_same_output_in_the_image(tmp_path: Path) -> None:
    runs = [(evaluate_model, EVALUATE), (score_clients, SCORE)]
    check_image("finance", runs, write_inputs, tmp_path)


def test_handlers_start_in_the_image() -> None:
    check_handlers_start("finance")


def test_image_contains_only_code_and_packages() -> None:
    check_content("finance")
