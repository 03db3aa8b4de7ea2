"""How well late payments are predicted, on clients that the model has not seen.

Reads (port 1) clients: client_id, LateApril and LateSept (0 or 1), BillApril
(thousands of New Taiwan dollars), AGE (years). Writes (port 1) ROC AUC and Brier score
beside those of the baseline, and (port 2) a calibration table.

The baseline, "late again", gives each client the share of late payers in September
among the clients who were, or were not, late in April.

Returns the metrics for the DAG: {metric: {"model": value, "baseline": value}}.
"""

from typing import Any

import pandas as pd
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.model_selection import train_test_split

from maxairesources.config_store import config, task
from maxairesources.errors import InputError
from maxairesources.logging.logger import get_logger
from maxairesources.utilities import data_connectors, ports
from maxaiusecases.finance.credit_risk.handlers.late_payment_model import (
    LATE_BEFORE,
    TARGET,
    fit,
    predict,
    read_clients,
)

logger = get_logger(__name__)


class Arguments(task.Arguments):
    """What the task is told.

    Attributes:
        held_out_share: the share of clients to evaluate on.
        bins: the rows of the calibration table.
        seed: of the split.
    """

    held_out_share: task.Share
    bins: task.Count
    seed: task.Seed


def late_again(train: pd.DataFrame, test: pd.DataFrame) -> "pd.Series[float]":
    """Return the baseline's probabilities for the clients of `test`."""
    rates = train.groupby(LATE_BEFORE)[TARGET].mean()
    return test[LATE_BEFORE].map(rates).fillna(train[TARGET].mean())


def calibration(
    truth: "pd.Series[int]", predicted: "pd.Series[float]", bins: int
) -> pd.DataFrame:
    """Return what was predicted and what came true, in bins of about equal size.

    Returns:
        bin (from 1, the lowest predictions), clients, predicted and observed (shares).
    """
    ranks = predicted.rank(method="first")
    bin_number = ((ranks - 1) * bins // len(ranks)).astype(int) + 1
    table = pd.DataFrame({"predicted": predicted, "observed": truth})
    grouped = table.groupby(bin_number.rename("bin"))
    return grouped.agg(
        clients=("observed", "size"),
        predicted=("predicted", "mean"),
        observed=("observed", "mean"),
    ).reset_index()


def evaluate(
    clients: pd.DataFrame, held_out_share: float, bins: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train on one part of the clients and evaluate on the other.

    Args:
        clients: see `read_clients`.
        held_out_share: the share of clients to evaluate on.
        bins: the rows of the calibration table.
        seed: of the split, which keeps the share of late payers.

    Returns:
        The metrics (metric, model, baseline), among them the Brier score: Brier
        (1950), "Verification of forecasts expressed in terms of probability", Monthly
        Weather Review 78; and the calibration table.
    """
    train, test = train_test_split(
        clients,
        test_size=held_out_share,
        random_state=seed,
        stratify=clients[TARGET],
    )
    predicted, baseline = predict(fit(train), test), late_again(train, test)
    truth = test[TARGET]
    measures = {"roc_auc": roc_auc_score, "brier": brier_score_loss}
    metrics = pd.DataFrame(
        [
            (name, measure(truth, predicted), measure(truth, baseline))
            for name, measure in measures.items()
        ],
        columns=["metric", "model", "baseline"],
    )
    return metrics, calibration(truth, predicted, bins)


@config.main()
def execute(**kwargs: Any) -> dict[str, dict[str, float]]:
    """Run the task; see the module's text."""
    told = task.read_task(kwargs["config"], kwargs["task"], Arguments)
    share, bins = told.args.held_out_share, told.args.bins
    clients = read_clients(told.input)
    rarest = clients[TARGET].value_counts().min()
    if int(rarest * min(share, 1 - share)) < 1 or int(len(clients) * share) < bins:
        raise InputError(
            f"{len(clients)} clients, {rarest} of the rarer kind, are too few for "
            f"held_out_share {share} and {bins} bins",
            "give more clients",
            ports.find_port(told.input).address,
        )
    metrics, table = evaluate(clients, share, bins, told.args.seed)
    connector = data_connectors.DataFrame()
    connector.write(metrics, told.output, 1)
    connector.write(table, told.output, 2)
    for row in metrics.itertuples():
        logger.info("%s %.4f, late again %.4f", row.metric, row.model, row.baseline)
    logger.info("%d clients held out of %d", table["clients"].sum(), len(clients))
    return metrics.set_index("metric").to_dict("index")


if __name__ == "__main__":
    execute()
