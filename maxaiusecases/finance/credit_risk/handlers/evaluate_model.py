"""Evaluate the late-payment model on clients that are not in its training data.

Input port 1: one row per client: client_id, LateApril and LateSept (0 or 1), BillApril
(thousands of New Taiwan dollars), AGE (years).
Output port 1: the ROC AUC and the Brier score of the model and of the baseline.
Output port 2: the calibration table, with predicted and observed shares of late payers.

The baseline, "late again", knows only whether a client paid late in April. It predicts the
September share of late payers among the clients with the same April value.

The DAG receives the metrics: {metric: {"model": value, "baseline": value}}.
"""

from typing import Any

import pandas as pd
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.model_selection import train_test_split

from maxairesources.config_store import config, task
from maxairesources.errors import InputError
from maxairesources.logging.logger import get_logger
from maxairesources.utilities import data_connectors, ports
from maxaiusecases.finance.credit_risk.handlers import late_payment_model as model

logger = get_logger(__name__)


class Arguments(task.Arguments):
    """The arguments of the task.

    Attributes:
        held_out_share: the share of clients to evaluate on, between 0 and 1.
        bins: the number of rows in the calibration table.
        seed: the seed of the random split.
    """

    held_out_share: task.Share
    bins: task.Count
    seed: task.Seed


def late_again(train: pd.DataFrame, test: pd.DataFrame) -> "pd.Series[float]":
    """Return the baseline's probability of a late payment for each client in `test`."""
    rates = train.groupby(model.LATE_BEFORE)[model.TARGET].mean()
    return test[model.LATE_BEFORE].map(rates).fillna(train[model.TARGET].mean())


def calibration(
    truth: "pd.Series[int]", predicted: "pd.Series[float]", bins: int
) -> pd.DataFrame:
    """Compare predictions and outcomes in bins of about equal size.

    Args:
        truth: n outcomes, 0 or 1.
        predicted: n probabilities, 0 to 1.
        bins: the number of bins.

    Returns:
        One row per bin: bin (1 has the lowest predictions), clients (their number),
        predicted (mean probability) and observed (share of late payers).
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
    clients: pd.DataFrame, args: Arguments
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit the model on one part of the clients and evaluate it on the other part.

    Both parts have the same share of late payers.

    Args:
        clients: see `read_clients`.
        args: the arguments of the task.

    Returns:
        The metrics (columns metric, model, baseline) and the calibration table. For the
        Brier score, see Brier (1950), "Verification of forecasts expressed in terms of
        probability", Monthly Weather Review 78.
    """
    train, test = train_test_split(
        clients,
        test_size=args.held_out_share,
        random_state=args.seed,
        stratify=clients[model.TARGET],
    )
    predicted, baseline = model.predict(model.fit(train), test), late_again(train, test)
    truth = test[model.TARGET]
    measures = {"roc_auc": roc_auc_score, "brier": brier_score_loss}
    metrics = pd.DataFrame(
        [
            (name, measure(truth, predicted), measure(truth, baseline))
            for name, measure in measures.items()
        ],
        columns=["metric", "model", "baseline"],
    )
    return metrics, calibration(truth, predicted, args.bins)


@config.main()
def execute(**kwargs: Any) -> dict[str, dict[str, float]]:
    """Run the task and return the metrics."""
    settings = task.read_task(kwargs["config"], kwargs["task"], Arguments)
    share, bins = settings.args.held_out_share, settings.args.bins
    clients = model.read_clients(settings.input)
    rarest = clients[model.TARGET].value_counts().min()
    if int(rarest * min(share, 1 - share)) < 1 or int(len(clients) * share) < bins:
        raise InputError(
            f"{len(clients)} clients, {rarest} with the rarer target, are too few for "
            f"held_out_share {share} and {bins} bins",
            "add clients, or use fewer bins",
            ports.find_port(settings.input).address,
        )
    metrics, table = evaluate(clients, settings.args)
    connector = data_connectors.DataFrame()
    connector.write(metrics, settings.output, 1)
    connector.write(table, settings.output, 2)
    for row in metrics.itertuples():
        logger.info(
            "%s: model %.4f, baseline %.4f", row.metric, row.model, row.baseline
        )
    logger.info("held out %d of %d clients", table["clients"].sum(), len(clients))
    return metrics.set_index("metric").to_dict("index")


if __name__ == "__main__":
    execute()
