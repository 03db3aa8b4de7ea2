"""Predict each client's probability of a late payment.

Input port 1: one row per client, see evaluate_model.
Output port 1: one row per client: client_id, late_probability (0 to 1) and decile (1 to 10;
decile 1 has the highest probabilities).

The model is fitted on the clients that it scores. For its performance on other clients, see
evaluate_model.
"""

from typing import Any

import pandas as pd

from maxairesources.config_store import config, task
from maxairesources.logging.logger import get_logger
from maxairesources.utilities import data_connectors
from maxaiusecases.finance.credit_risk.handlers import late_payment_model as model

logger = get_logger(__name__)


class Arguments(task.Arguments):
    """The task has no arguments."""


def score(clients: pd.DataFrame) -> pd.DataFrame:
    """Return client_id, late_probability and decile of each client, in the same order."""
    probability = model.predict(model.fit(clients), clients)
    rank = probability.rank(method="first", ascending=False)
    return pd.DataFrame(
        {
            model.CLIENT: clients[model.CLIENT],
            "late_probability": probability,
            "decile": ((rank - 1) * 10 // len(rank)).astype(int) + 1,
        }
    )


@config.main()
def execute(**kwargs: Any) -> None:
    """Run the task."""
    settings = task.read_task(kwargs["config"], kwargs["task"], Arguments)
    clients = model.read_clients(settings.input)
    scores = score(clients)
    data_connectors.DataFrame().write(scores, settings.output)
    top = scores["decile"] == 1
    logger.info(
        "%d clients, mean probability %.4f; decile 1: predicted %.4f, observed %.4f",
        *(len(scores), scores["late_probability"].mean()),
        *(scores["late_probability"][top].mean(), clients[model.TARGET][top].mean()),
    )


if __name__ == "__main__":
    execute()
